#include "daemon/upstream.h"

#include "pkg/api/process_api.h"
#include "pkg/credentials/sources.h"
#include "pkg/telemetry/log.h"

#include <cstdlib>
#include <utility>

namespace podkeeper::daemon {
namespace {

using base::Result;

#if defined(__x86_64__)
constexpr const char* kPlatform = "linux/amd64";
#elif defined(__aarch64__)
constexpr const char* kPlatform = "linux/arm64";
#else
constexpr const char* kPlatform = "linux";
#endif

constexpr std::size_t kIdleConnectionsMax = 8;

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

credentials::Sources sources_of(const settings::Settings& settings) {
  return {.kubeconfig = settings.kubeconfig,
          .context = settings.context,
          .kubeconfig_variable = variable("KUBECONFIG"),
          .home = variable("HOME"),
          .service_host = variable("KUBERNETES_SERVICE_HOST"),
          .service_port = variable("KUBERNETES_SERVICE_PORT")};
}

http::ClientOptions client_options(const settings::Settings& settings) {
  const api::BuildInfo& build = api::build_info();
  http::ClientOptions options;
  options.user_agent =
      "podkeeperd/" + build.version + " (" + kPlatform + ") podkeeper/" + build.commit;
  options.idle_connections_max = kIdleConnectionsMax;
  options.requests_per_second = static_cast<double>(settings.kube_api_qps);
  options.burst = static_cast<std::uint32_t>(settings.kube_api_burst);
  return options;
}

void say(const std::string& server, std::string_view source) {
  telemetry::log_info("mirroring", {{"server", server}, {"source", source}});
}

}  // namespace

Upstream::Upstream(base::World& world, telemetry::Metrics& metrics, http::ClientOptions options,
                   std::shared_ptr<credentials::ClusterIdentity> identity)
    : identity_(std::move(identity)), client_(world, metrics, std::move(options)) {}

Result<std::unique_ptr<Upstream>> Upstream::make(base::World& world, base::Processes& processes,
                                                 telemetry::Metrics& metrics,
                                                 const settings::Settings& settings,
                                                 const std::optional<base::Endpoint>& embedded) {
  http::ClientOptions options = client_options(settings);
  if (embedded || !settings.apiserver.empty()) {
    auto endpoint = embedded ? *embedded : settings::parse_apiserver(settings.apiserver);
    if (!endpoint) return endpoint.error();
    options.endpoint = *std::move(endpoint);
    say("http://" + base::to_string(options.endpoint),
        embedded ? "the embedded cluster" : "--apiserver");
    std::unique_ptr<Upstream> made(new Upstream(world, metrics, std::move(options), nullptr));
    if (embedded) made->namespace_ = "default";
    return made;
  }
  auto access = credentials::find_access(sources_of(settings), world.files());
  if (!access) return std::move(access).error();
  for (const std::string& path : access->skipped) {
    telemetry::log_warn("a file of KUBECONFIG does not exist", {{"file", path}});
  }
  options.endpoint = access->server.endpoint;
  options.path_prefix = access->server.path;
  options.gzip = !access->disable_compression;
  say(credentials::to_string(access->server), access->source);
  std::string own_namespace = access->namespace_;
  auto identity = credentials::ClusterIdentity::make(world, processes, metrics, *std::move(access));
  if (!identity) return std::move(identity).error();
  options.identity = *identity;
  std::unique_ptr<Upstream> made(
      new Upstream(world, metrics, std::move(options), *std::move(identity)));
  made->namespace_ = std::move(own_namespace);
  return made;
}

Result<void> Upstream::start(runtime::TaskGroup& group) {
  if (!identity_) return {};
  return group.spawn("credentials", base::Handler::kTimer,
                     [identity = identity_] { return identity->run(); });
}

}  // namespace podkeeper::daemon
