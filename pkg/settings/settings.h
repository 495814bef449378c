#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/files.h"
#include "pkg/base/net.h"
#include "pkg/base/result.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::settings {

enum class AuthMode { kDelegated, kNone };
enum class LogFormat { kText, kJson };
/// What happens upstream to pods whose --terminal-pod-ttl has passed.
enum class CleanUp { kDisabled, kDryRun, kEnabled };

/// What podkeeperd was told, with defaults filled in. An address of "0" switches its listener off.
struct Settings {
  std::string config;
  std::string apiserver;
  std::string kubeconfig;
  std::string context;
  std::int64_t kube_api_qps = 50;
  std::int64_t kube_api_burst = 100;
  bool leader_elect = false;
  base::Duration leader_elect_lease_duration = std::chrono::seconds(15);
  base::Duration leader_elect_renew_deadline = std::chrono::seconds(10);
  base::Duration leader_elect_retry_period = std::chrono::seconds(2);
  std::string leader_elect_resource_name = "podkeeper";
  std::string leader_elect_resource_namespace;
  bool standalone = false;
  std::int64_t sim_nodes = 20;
  std::int64_t sim_pods = 400;
  std::int64_t sim_churn = 5;
  std::int64_t sim_seed = 1;
  std::string sim_bind_address = "127.0.0.1:0";
  std::vector<std::string> resources = {"pods", "nodes"};
  std::vector<std::string> allow_sensitive;
  std::string api_bind_address = ":6443";
  AuthMode auth_mode = AuthMode::kDelegated;
  std::string metrics_bind_address = ":8443";
  std::string health_probe_bind_address = ":8081";
  base::Duration watch_idle_timeout = std::chrono::seconds(90);
  base::Duration audit_interval = std::chrono::seconds(60);
  std::int64_t history_bytes = std::int64_t{64} << 20;
  std::vector<std::string> drop_fields;
  base::Duration terminal_pod_ttl{};
  CleanUp clean_up_terminal_pods = CleanUp::kDisabled;
  std::int64_t memory_limit = 0;
  std::int64_t max_tasks = 20'000;
  std::int64_t max_requests_inflight = 1'000;
  std::int64_t max_connections = 10'000;
  std::int64_t max_connections_per_source = 5'000;
  base::Duration request_timeout = std::chrono::seconds(60);
  base::Duration shutdown_grace_period = std::chrono::seconds(10);
  std::int64_t worker_threads = 0;
  base::Duration watchdog_timeout = std::chrono::seconds(10);
  bool supervise = false;
  bool enable_debug_panic = false;
  bool watch_list_client = false;  ///< the feature gate WatchListClient, named as client-go's
  LogFormat logging_format = LogFormat::kText;
  std::int64_t verbosity = 0;
};

/// One setting, described once: the flag `--name`, the variable PODKEEPER_NAME and the key `name`
/// of the configuration file (lowerCamel) are made from the same row, and so are /flagz, /configz
/// and the reference.
struct SettingInfo {
  const char* name;   ///< "api-bind-address"
  const char* value;  ///< what stands for its value in the help: "ADDRESS"; empty for a switch
  const char* help;
  base::Result<void> (*set)(Settings&, std::string_view text);
  std::string (*get)(const Settings&);
};
std::span<const SettingInfo> all_settings();
/// The key in the configuration file: "apiBindAddress".
std::string config_key(std::string_view flag_name);

/// What the command line asks for.
struct Command {
  enum class Kind { kServe, kVersion, kValidateConfig, kHealthcheck, kHelp };
  Kind kind = Kind::kServe;
  Settings settings;
  bool json = false;  ///< version -o json
  std::string text;   ///< help: what to print
};

/// Reads the command line, the environment (`environment(name)` gives null where unset) and the
/// configuration file: flag before variable before file before default. kInvalidArgument is one
/// line that names the setting, its value and what to do.
using Environment = const char* (*)(const char* name);
base::Result<Command> parse_command(std::span<const char* const> arguments, Environment environment,
                                    base::Files& files);

/// Applies the text of a configuration file. Unknown keys are refused with their path.
base::Result<void> apply_config(Settings& settings, std::string_view yaml, std::string_view path);

/// The defaults under --standalone: the API on 127.0.0.1:8080 without authentication, health on
/// 127.0.0.1:8081, no metrics listener of its own.
Settings standalone_defaults();

/// Rules that concern more than one setting, and what this version does not offer.
base::Result<void> check(const Settings& settings);

/// A duration as Go writes it, in whole units: "90s", "1m30s", "500ms", "0"; up to 8760h, a year.
base::Result<base::Duration> parse_duration(std::string_view text);

/// Host and port of an --apiserver URL, which is plain HTTP: TLS needs a kubeconfig.
base::Result<base::Endpoint> parse_apiserver(std::string_view url);

inline constexpr std::size_t kConfigBytesMax = 1 << 20;

}  // namespace podkeeper::settings
