#include "pkg/base/net.h"
#include "pkg/settings/settings.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>

namespace podkeeper::settings {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using S = Settings;

Error wrong(std::string_view value, std::string_view expected) {
  return {ErrorCode::kInvalidArgument,
          "value \"" + std::string(value) + "\" is not valid; expected " + std::string(expected)};
}

Result<void> parse(std::string& into, std::string_view text) {
  into = text;
  return {};
}

Result<void> parse(bool& into, std::string_view text) {
  if (text != "true" && text != "false") return wrong(text, "true or false");
  into = text == "true";
  return {};
}

Result<void> parse(base::Duration& into, std::string_view text) {
  auto parsed = parse_duration(text);
  if (!parsed) return parsed.error();
  into = *parsed;
  return {};
}

Result<void> parse(std::vector<std::string>& into, std::string_view text) {
  into.clear();
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma == 0) return wrong(text, "a list of names with one comma between two");
    into.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return {};
}

Result<void> parse_integer(std::int64_t& into, std::string_view text, std::int64_t low,
                           std::int64_t high) {
  std::int64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{} || end != text.data() + text.size() || number < low || number > high) {
    return wrong(text,
                 "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  into = number;
  return {};
}

/// Bytes, with Ki, Mi or Gi.
Result<void> parse_bytes(std::int64_t& into, std::string_view text) {
  std::int64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  int shift = -1;
  if (unit.empty()) shift = 0;
  if (unit == "Ki" || unit == "KiB") shift = 10;
  if (unit == "Mi" || unit == "MiB") shift = 20;
  if (unit == "Gi" || unit == "GiB") shift = 30;
  if (ec != std::errc{} || shift < 0 || number < 0 ||
      number > (std::numeric_limits<std::int64_t>::max() >> shift)) {
    return wrong(text, "a size such as 67108864 or 64MiB");
  }
  into = number << shift;
  return {};
}

std::string print(const std::string& value) { return value; }
std::string print(bool value) { return value ? "true" : "false"; }
std::string print(std::int64_t value) { return std::to_string(value); }
std::string print(base::Duration value) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(value).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}
std::string print(const std::vector<std::string>& value) {
  std::string text;
  for (const std::string& item : value) text += (text.empty() ? "" : ",") + item;
  return text;
}

template <auto Member>
std::string get(const Settings& settings) {
  return print(settings.*Member);
}
template <auto Member>
Result<void> set(Settings& settings, std::string_view text) {
  return parse(settings.*Member, text);
}
template <auto Member, std::int64_t Low, std::int64_t High>
Result<void> set_integer(Settings& settings, std::string_view text) {
  return parse_integer(settings.*Member, text, Low, High);
}
/// An address is checked where it is read, so that the message names the flag.
template <auto Member>
Result<void> set_address(Settings& settings, std::string_view text) {
  if (text != "0") {
    if (auto endpoint = base::parse_endpoint(text); !endpoint) return endpoint.error();
  }
  settings.*Member = text;
  return {};
}

Result<void> set_auth_mode(Settings& settings, std::string_view text) {
  if (text != "None" && text != "Delegated") return wrong(text, "None or Delegated");
  settings.auth_mode = text == "None" ? AuthMode::kNone : AuthMode::kDelegated;
  return {};
}
std::string get_auth_mode(const Settings& settings) {
  return settings.auth_mode == AuthMode::kNone ? "None" : "Delegated";
}
Result<void> set_format(Settings& settings, std::string_view text) {
  if (text != "text" && text != "json") return wrong(text, "text or json");
  settings.logging_format = text == "json" ? LogFormat::kJson : LogFormat::kText;
  return {};
}
std::string get_format(const Settings& settings) {
  return settings.logging_format == LogFormat::kJson ? "json" : "text";
}
constexpr const char* kCleanUps[] = {"Disabled", "DryRun", "Enabled"};  // as CleanUp has them
Result<void> set_clean_up(Settings& settings, std::string_view text) {
  const auto* const at = std::ranges::find(kCleanUps, text);
  if (at == std::end(kCleanUps)) return wrong(text, "Disabled, DryRun or Enabled");
  settings.clean_up_terminal_pods = static_cast<CleanUp>(at - std::begin(kCleanUps));
  return {};
}
std::string get_clean_up(const Settings& settings) {
  return kCleanUps[static_cast<std::size_t>(settings.clean_up_terminal_pods)];
}
Result<void> set_history(Settings& settings, std::string_view text) {
  return parse_bytes(settings.history_bytes, text);
}
Result<void> set_memory_limit(Settings& settings, std::string_view text) {
  return parse_bytes(settings.memory_limit, text);
}
Result<void> set_drop_fields(Settings& settings, std::string_view text) {
  std::vector<std::string> fields;
  if (auto parsed = parse(fields, text); !parsed) return parsed;
  for (const std::string& field : fields) {
    if (field != "metadata.managedFields") return wrong(field, "metadata.managedFields");
  }
  settings.drop_fields = std::move(fields);
  return {};
}

/// NAME=true or NAME=false, as Kubernetes' components have it; what is not named keeps its default.
Result<void> set_feature_gates(Settings& settings, std::string_view text) {
  std::vector<std::string> gates;
  if (auto parsed = parse(gates, text); !parsed) return parsed;
  bool watch_list = S().watch_list_client;
  for (const std::string& gate : gates) {
    const std::size_t equals = gate.find('=');
    if (equals == std::string::npos || gate.substr(0, equals) != "WatchListClient") {
      return wrong(gate, "WatchListClient=true or WatchListClient=false");
    }
    if (auto parsed = parse(watch_list, std::string_view(gate).substr(equals + 1)); !parsed) {
      return wrong(gate, "WatchListClient=true or WatchListClient=false");
    }
  }
  settings.watch_list_client = watch_list;
  return {};
}
std::string get_feature_gates(const Settings& settings) {
  return "WatchListClient=" + print(settings.watch_list_client);
}

constexpr std::int64_t kMillion = 1'000'000;

const SettingInfo kTable[] = {
    {"config", "FILE", "Configuration file (kind PodkeeperConfiguration).", set<&S::config>,
     get<&S::config>},
    {"apiserver", "URL",
     "An API server without TLS to mirror, as http://HOST:PORT: kubectl proxy, simkube.",
     set<&S::apiserver>, get<&S::apiserver>},
    {"kubeconfig", "FILE",
     "Kubeconfig of the cluster to mirror. Without it: KUBECONFIG, the pod's service account, "
     "~/.kube/config.",
     set<&S::kubeconfig>, get<&S::kubeconfig>},
    {"context", "NAME", "Context of the kubeconfig; empty: its current-context.", set<&S::context>,
     get<&S::context>},
    {"kube-api-qps", "N", "Requests a second to the API server, in the long run.",
     set_integer<&S::kube_api_qps, 1, 100'000>, get<&S::kube_api_qps>},
    {"kube-api-burst", "N", "Requests to the API server that may go at once.",
     set_integer<&S::kube_api_burst, 1, 100'000>, get<&S::kube_api_burst>},
    {"leader-elect", "",
     "Elect one replica by a Lease for what one alone does: policies' conditions, Events, "
     "clean-up. "
     "Without it every replica does them; needed where there are several.",
     set<&S::leader_elect>, get<&S::leader_elect>},
    {"leader-elect-lease-duration", "DURATION",
     "How long others wait after the leader's last renewal; whole seconds.",
     set<&S::leader_elect_lease_duration>, get<&S::leader_elect_lease_duration>},
    {"leader-elect-renew-deadline", "DURATION",
     "How long a leader acts without a renewal; less than the lease's duration.",
     set<&S::leader_elect_renew_deadline>, get<&S::leader_elect_renew_deadline>},
    {"leader-elect-retry-period", "DURATION", "Time between two tries to renew or to acquire.",
     set<&S::leader_elect_retry_period>, get<&S::leader_elect_retry_period>},
    {"leader-elect-resource-name", "NAME", "Name of the Lease.",
     set<&S::leader_elect_resource_name>, get<&S::leader_elect_resource_name>},
    {"leader-elect-resource-namespace", "NAMESPACE",
     "Namespace of the Lease; empty: that of the pod, or of the kubeconfig's context.",
     set<&S::leader_elect_resource_namespace>, get<&S::leader_elect_resource_namespace>},
    {"standalone", "",
     "Run an embedded cluster and mirror it; everything on loopback, no authentication.",
     set<&S::standalone>, get<&S::standalone>},
    {"sim-nodes", "N", "Nodes of the embedded cluster.", set_integer<&S::sim_nodes, 0, 10'000>,
     get<&S::sim_nodes>},
    {"sim-pods", "N", "Pods of the embedded cluster, about.",
     set_integer<&S::sim_pods, 0, kMillion>, get<&S::sim_pods>},
    {"sim-churn", "N", "Changes a second in the embedded cluster, about.",
     set_integer<&S::sim_churn, 0, 100'000>, get<&S::sim_churn>},
    {"sim-seed", "N", "Seed of the embedded cluster.",
     set_integer<&S::sim_seed, 0, std::numeric_limits<std::int64_t>::max()>, get<&S::sim_seed>},
    {"sim-bind-address", "ADDRESS",
     "Where the embedded cluster's own API server listens; writes go there.",
     set_address<&S::sim_bind_address>, get<&S::sim_bind_address>},
    {"resources", "LIST",
     "Resources to mirror, as plural, plural.group or plural.version.group; the API server's "
     "discovery is asked for all but pods and nodes.",
     set<&S::resources>, get<&S::resources>},
    {"allow-sensitive", "LIST",
     "Resources whose objects hold credentials, such as secrets, that may be mirrored none the "
     "less.",
     set<&S::allow_sensitive>, get<&S::allow_sensitive>},
    {"api-bind-address", "ADDRESS", "Where the API is served; 0 switches it off.",
     set_address<&S::api_bind_address>, get<&S::api_bind_address>},
    {"auth-mode", "MODE",
     "Who may read: Delegated (as the API server decides) or None (loopback only).", set_auth_mode,
     get_auth_mode},
    {"metrics-bind-address", "ADDRESS", "Where /metrics is served; 0 switches it off.",
     set_address<&S::metrics_bind_address>, get<&S::metrics_bind_address>},
    {"health-probe-bind-address", "ADDRESS",
     "Where /healthz, /livez and /readyz are served; 0 switches it off.",
     set_address<&S::health_probe_bind_address>, get<&S::health_probe_bind_address>},
    {"watch-idle-timeout", "DURATION",
     "A watch without a byte for this long is frozen and started anew.",
     set<&S::watch_idle_timeout>, get<&S::watch_idle_timeout>},
    {"audit-interval", "DURATION",
     "How often each mirror is compared with a LIST of upstream's metadata; 0 never does.",
     set<&S::audit_interval>, get<&S::audit_interval>},
    {"history-bytes", "SIZE", "Memory for the history of changes of each resource.", set_history,
     get<&S::history_bytes>},
    {"drop-fields", "LIST", "Fields to leave out of mirrored objects: metadata.managedFields.",
     set_drop_fields, get<&S::drop_fields>},
    {"terminal-pod-ttl", "DURATION",
     "How long states of finished pods are kept; 0 keeps them as long as the pods.",
     set<&S::terminal_pod_ttl>, get<&S::terminal_pod_ttl>},
    {"clean-up-terminal-pods", "MODE",
     "Whether the leader deletes finished pods from the API server once --terminal-pod-ttl has "
     "passed: Disabled, DryRun (asks the API server to try it, deletes nothing) or Enabled.",
     set_clean_up, get_clean_up},
    {"memory-limit", "SIZE",
     "Memory that the process may use: from 80 % of it on lists are refused, from 90 % slow "
     "clients "
     "cut, from 95 % all is refused. A nearer limit of its cgroup or address space counts; 0: only "
     "those.",
     set_memory_limit, get<&S::memory_limit>},
    {"max-tasks", "N", "Tasks at one time; beyond, requests are answered 503.",
     set_integer<&S::max_tasks, 100, kMillion>, get<&S::max_tasks>},
    {"max-requests-inflight", "N", "Requests at one time; beyond, they are answered 429.",
     set_integer<&S::max_requests_inflight, 1, kMillion>, get<&S::max_requests_inflight>},
    {"max-connections", "N",
     "API connections at one time; beyond, idle ones give way, then newcomers get 503. Fewer where "
     "the limit on open files asks for it.",
     set_integer<&S::max_connections, 16, kMillion>, get<&S::max_connections>},
    {"max-connections-per-source", "N",
     "API connections from one address; beyond, newcomers get 503.",
     set_integer<&S::max_connections_per_source, 1, kMillion>, get<&S::max_connections_per_source>},
    {"request-timeout", "DURATION", "How long one request that is not a watch may take.",
     set<&S::request_timeout>, get<&S::request_timeout>},
    {"shutdown-grace-period", "DURATION", "How long requests under way may take at shutdown.",
     set<&S::shutdown_grace_period>, get<&S::shutdown_grace_period>},
    {"worker-threads", "N", "Threads of the event loop; 0: as many as processors.",
     set_integer<&S::worker_threads, 0, 1024>, get<&S::worker_threads>},
    {"watchdog-timeout", "DURATION",
     "A thread stuck in one piece of work for this long is told of, with all threads' stacks; 0 "
     "watches nothing.",
     set<&S::watchdog_timeout>, get<&S::watchdog_timeout>},
    {"supervise", "",
     "Serve in a process of its own, which is replaced at once when a signal ends it: listening "
     "sockets stay open, its crash report is kept (/debug/crashes).",
     set<&S::supervise>, get<&S::supervise>},
    {"feature-gates", "LIST",
     "NAME=true or NAME=false. WatchListClient: the state comes by a watch instead of LIST where "
     "the API server offers it.",
     set_feature_gates, get_feature_gates},
    {"enable-debug-panic", "",
     "Serve POST /debug/panic, which makes a handler panic, stall or crash.",
     set<&S::enable_debug_panic>, get<&S::enable_debug_panic>},
    {"logging-format", "FORMAT", "text or json.", set_format, get_format},
    {"v", "N", "Verbosity of the log, 0 to 10.", set_integer<&S::verbosity, 0, 10>,
     get<&S::verbosity>},
};

constexpr base::Duration kDurationMax = std::chrono::hours(24 * 365);

/// Zero where there is no such unit.
base::Duration unit_of(std::string_view name) {
  if (name == "ms") return std::chrono::milliseconds(1);
  if (name == "s") return std::chrono::seconds(1);
  if (name == "m") return std::chrono::minutes(1);
  if (name == "h") return std::chrono::hours(1);
  return base::Duration::zero();
}

}  // namespace

std::span<const SettingInfo> all_settings() { return kTable; }

Result<base::Duration> parse_duration(std::string_view text) {
  const auto fail = [&] {
    return wrong(text, "a duration such as 90s, 1m30s or 500ms, 8760h at most");
  };
  base::Duration total{};
  std::string_view rest = text;
  if (rest == "0") rest = "0s";
  if (rest.empty()) return fail();
  while (!rest.empty()) {
    std::int64_t number = 0;
    const auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (ec != std::errc{} || number < 0) return fail();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const std::size_t unit_length = std::min(rest.find_first_of("0123456789"), rest.size());
    const base::Duration unit = unit_of(rest.substr(0, unit_length));
    if (unit == base::Duration::zero() || number > (kDurationMax - total) / unit) return fail();
    total += number * unit;
    rest.remove_prefix(unit_length);
  }
  return total;
}

std::string config_key(std::string_view flag_name) {
  std::string key;
  bool upper = false;
  for (const char c : flag_name) {
    if (c == '-') {
      upper = true;
    } else {
      key.push_back(upper ? static_cast<char>(c - 'a' + 'A') : c);
      upper = false;
    }
  }
  return key;
}

}  // namespace podkeeper::settings
