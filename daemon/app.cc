#include "daemon/app.h"

#include "pkg/api/crash_api.h"
#include "pkg/api/debug_api.h"
#include "pkg/api/map_debug_api.h"
#include "pkg/api/process_api.h"
#include "pkg/api/state_api.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <cstdint>
#include <malloc.h>
#include <optional>
#include <string>
#include <utility>

#include "daemon/listener_limits.h"

namespace podkeeper::daemon {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;

/// An upstream that does not answer holds the end up no longer than this.
constexpr base::Duration kLeaveMax = std::chrono::seconds(2);
constexpr base::Duration kLogBlockedAfter = std::chrono::minutes(2);

}  // namespace

App::App(base::World& world, base::Processes& processes, const settings::Settings& settings,
         telemetry::Metrics& metrics, const telemetry::Logging& logging,
         const runtime::Watchdog* watchdog, const runtime::Supervision* supervision)
    : world_(world),
      processes_(processes),
      settings_(settings),
      metrics_(metrics),
      logging_(logging),
      watchdog_(watchdog),
      supervision_(supervision),
      started_(world.clock().now()),
      tasks_(world.clock(), static_cast<std::size_t>(settings.max_tasks)),
      upstream_(world, tasks_, "upstream"),
      reclaimer_(world.clock(), tasks_),
      background_(world, tasks_, "background"),
      connections_(world, tasks_, "connections"),
      overload_(std::make_shared<http::Overload>(metrics)),
      memory_watch_(std::make_unique<MemoryWatch>(
          world, metrics, *overload_, static_cast<std::uint64_t>(settings.memory_limit),
          MemoryWatch::Actions{.give_back = [] { ::malloc_trim(0); },
                               .evict_slow =
                                   [this] {
                                     for (const auto& server : servers_) server->evict_slow();
                                   }})) {}

App::~App() = default;

Task<Result<void>> App::start() {
  const api::BuildInfo& build = api::build_info();
  metrics_.gauge(telemetry::kBuildInfo, {build.version, build.commit, build.compiler}).Set(1);
  telemetry::log_info("starting", {{"version", build.version}, {"commit", build.commit}});
  tell_of_crashes();
  std::optional<base::Endpoint> embedded;
  if (settings_.standalone) {
    auto bound = start_embedded_cluster();
    if (!bound) co_return bound.error();
    embedded = *std::move(bound);
  }
  auto apiserver = Upstream::make(world_, processes_, metrics_, settings_, embedded);
  if (!apiserver) co_return apiserver.error();
  apiserver_ = *std::move(apiserver);
  if (auto ok = apiserver_->start(background_); !ok) co_return ok;
  auto leading =
      Leading::make(world_, metrics_, settings_, apiserver_->client(), apiserver_->own_namespace());
  if (!leading) co_return leading.error();
  leading_ = *std::move(leading);
  if (auto ok = leading_->start(background_); !ok) co_return ok;
  forwarder_ = std::make_unique<kubeapi::Forwarder>(world_, apiserver_->client(), metrics_);
  auto mirrors = Mirrors::make({.world = world_,
                                .proving = background_,
                                .client = apiserver_->client(),
                                .shared_doubt = apiserver_->shared_doubt(),
                                .metrics = metrics_,
                                .settings = settings_,
                                .authorizer = authorizer_});
  if (!mirrors) co_return mirrors.error();
  mirrors_ = std::move(*mirrors);
  if (auto ok = mirrors_->start(); !ok) co_return ok;
  auto finding = find_resources();
  if (auto ok = co_await std::move(finding); !ok) co_return ok;
  if (auto ok = start_controllers(); !ok) co_return ok;
  auto policies = Policies::make(
      world_, metrics_, settings_, *apiserver_, authorizer_, maps(),
      [this](const std::vector<policy::Policy>& ranked) { mirrors_->set_policies(ranked); },
      *leading_);
  if (!policies) co_return policies.error();
  policies_ = std::move(*policies);
  if (auto ok = policies_->start(background_); !ok) co_return ok;
  auto reclaiming = background_.spawn("map reclaimer", base::Handler::kTimer,
                                      [this] { return reclaimer_.run(); });
  if (!reclaiming) co_return reclaiming.error();
  panic_audit_ = std::make_unique<PanicAudit>(map_directory());
  add_health_checks();
  collect_metrics();
  if (auto ok = start_listeners(); !ok) co_return ok;
  co_return watch_memory();
}

Result<base::Endpoint> App::start_embedded_cluster() {
  simkube::SimKubeOptions options;
  auto listen = base::parse_endpoint(settings_.sim_bind_address);
  if (!listen) return listen.error();
  options.listen = *listen;
  options.seed = static_cast<std::uint64_t>(settings_.sim_seed);
  options.nodes = static_cast<std::size_t>(settings_.sim_nodes);
  options.pods = static_cast<std::size_t>(settings_.sim_pods);
  options.churn = static_cast<double>(settings_.sim_churn);
  options.connections_max = embedded_connections_max(descriptors_max(world_.files()));
  embedded_ = std::make_unique<simkube::SimKube>(world_, upstream_, metrics_, std::move(options));
  auto bound = embedded_->start();
  if (!bound) return bound;
  telemetry::log_info("listening", {{"name", "simkube"}, {"address", base::to_string(*bound)}});
  return bound;
}

Task<Result<void>> App::find_resources() {
  if (mirrors_->discovered().empty()) co_return Result<void>{};
  resource_finder_ = std::make_unique<ResourceFinder>(world_, apiserver_->client(), *mirrors_);
  auto finding = resource_finder_->find();
  const auto found = co_await std::move(finding);
  if (!found) co_return Error{found.error().code, "--resources: " + found.error().message};
  co_return background_.spawn("resource finder", base::Handler::kTimer,
                              [this] { return resource_finder_->run(); });
}

Result<void> App::start_controllers() {
  auto pods_allowed = authorizer_.read("", {.plural_group = "pods", .namespace_ = ""});
  auto nodes_allowed = authorizer_.read("", {.plural_group = "nodes", .namespace_ = ""});
  if (!pods_allowed) return pods_allowed.error();
  if (!nodes_allowed) return nodes_allowed.error();
  controllers::PodStateControllerOptions options;
  options.derive.terminal_ttl =
      std::chrono::duration_cast<std::chrono::seconds>(settings_.terminal_pod_ttl);
  options.metrics = &metrics_;
  pod_state_controller_ = std::make_unique<controllers::PodStateController>(
      world_, mirrors_->reader(kube::pods()), *pods_allowed, mirrors_->reader(kube::nodes()),
      std::move(*nodes_allowed), pod_states_, options);
  if (auto ok = pod_state_controller_->start(background_); !ok) return ok;
  return start_pod_cleaner(*std::move(pods_allowed));
}

Result<void> App::start_pod_cleaner(access::AuthorizedRead pods_allowed) {
  const auto mode = settings_.clean_up_terminal_pods;
  if (mode == settings::CleanUp::kDisabled) return {};
  pod_cleaner_ = std::make_unique<controllers::PodCleaner>(
      world_.clock(), mirrors_->reader(kube::pods()), std::move(pods_allowed), leading_->client(),
      leading_->leadership(), metrics_,
      controllers::PodCleanerOptions{
          .terminal_ttl =
              std::chrono::duration_cast<std::chrono::seconds>(settings_.terminal_pod_ttl),
          .dry_run = mode == settings::CleanUp::kDryRun});
  return pod_cleaner_->start(background_);
}

void App::add_health_checks() {
  const auto ok = [] { return Result<void>{}; };
  const auto log = [this]() -> Result<void> {
    const auto blocked = logging_.blocked_for();
    if (!blocked || *blocked < kLogBlockedAfter) return {};
    return Error{ErrorCode::kTimeout, "logging blocked: the output takes no lines"};
  };
  for (health::Checks* checks : {&health_->healthz, &health_->livez, &health_->readyz}) {
    checks->add("ping", ok);
    checks->add("log", log);
  }
  // What is stuck comes back by a restart alone.
  if (watchdog_ != nullptr) {
    health_->livez.add("event-loop", [this] { return watchdog_->check(); });
  }
  for (health::Checks* checks : {&health_->healthz, &health_->readyz}) {
    checks->add("crash-loop", [this] { return check_crash_loop(); });
  }
  // Who does not lead is as healthy and ready as who does.
  for (health::Checks* checks : {&health_->healthz, &health_->readyz}) {
    checks->add("leader-election", [this] { return leading_->check(); });
  }
  health::Checks& ready = health_->readyz;
  ready.add("resource-discovery", [this] { return mirrors_->check_offered(); });
  ready.add("informer-sync", [this] { return mirrors_->check_synced(); });
  ready.add("pod-states", [this] { return pod_state_controller_->check_complete(); });
  ready.add("policy-applied", [this] { return policies_->controller().check_applied(); });
  ready.add("staleness", [this] { return mirrors_->check_fresh(settings_.watch_idle_timeout); });
  ready.add("handlers", [this]() -> Result<void> {
    if (tasks_.count() < tasks_.tasks_max()) return {};
    return Error{ErrorCode::kTooManyRequests, "the limit on tasks is reached (--max-tasks)"};
  });
  ready.add("memory", [this] { return memory_watch_->check(); });
  ready.add("shutdown", [this]() -> Result<void> {
    if (!shutting_down_) return {};
    return Error{ErrorCode::kUnavailable, "shutting down"};
  });
}

Result<void> App::check_crash_loop() const {
  if (supervision_ == nullptr || !supervision_->crash_loop()) return {};
  if (world_.clock().now() - started_ >= runtime::Supervision::kSettled) return {};
  return Error{ErrorCode::kUnavailable,
               "the processes before this one crashed one after another: see /debug/crashes"};
}

void App::tell_of_crashes() {
  // A series that is born with its first crash has not increased.
  for (const int signal : recovery::kFatalSignals) {
    metrics_.counter(telemetry::kCrashes, {recovery::signal_name(signal)});
  }
  telemetry::Counter& restarts = metrics_.counter(telemetry::kRestarts);
  if (supervision_ == nullptr || supervision_->crashes().empty()) return;
  restarts.Increment(static_cast<double>(supervision_->restarts()));
  for (const auto& [signal, count] : supervision_->crashes_by_signal()) {
    metrics_.counter(telemetry::kCrashes, {recovery::signal_name(signal)})
        .Increment(static_cast<double>(count));
  }
  telemetry::log_error("started in the place of one that crashed",
                       {{"signal", recovery::signal_name(supervision_->crashes().front().signal)},
                        {"restarts", supervision_->restarts()},
                        {"crashLoop", supervision_->crash_loop()}});
}

std::vector<state::Partitions*> App::maps() {
  auto maps = mirrors_->maps();
  maps.push_back(&pod_states_.map().partitions());
  return maps;
}

cmap::MapDirectory App::map_directory() {
  return [all = maps()] {
    std::vector<cmap::NamedMap> named;
    for (const state::Partitions* partitions : all) {
      for (auto& [partition, map] : partitions->maps()) named.push_back({partition, map});
    }
    return named;
  };
}

void App::collect_metrics() {
  const auto all = maps();
  map_metrics_ = std::make_unique<MapMetrics>(
      metrics_, std::vector<const state::Partitions*>(all.begin(), all.end()));
  scrapes_.push_back(metrics_.on_scrape([this] {
    mirrors_->refresh_metrics();
    map_metrics_->refresh();
    metrics_.gauge(telemetry::kMapReclaimPending)
        .Set(static_cast<double>(base::Epoch::pending().bytes));
    for (const base::Handler kind : base::kHandlers) {
      metrics_.gauge(telemetry::kTasks, {base::to_string(kind)})
          .Set(static_cast<double>(tasks_.count(kind)));
    }
    for (const health::Checks* checks : {&health_->healthz, &health_->livez, &health_->readyz}) {
      for (const auto& [name, healthy] : checks->states()) {
        metrics_.gauge(telemetry::kHealthcheck, {name, checks->endpoint()}).Set(healthy ? 1 : 0);
      }
    }
  }));
}

http::Router App::api_routes() {
  kubeapi::ReadApiOptions options;
  options.forward = [this](http::Request request) {
    return forwarder_->forward(std::move(request));
  };
  options.overload = overload_;
  read_api_ = std::make_unique<kubeapi::ReadApi>(world_, authorizer_, metrics_,
                                                 std::vector<state::Reader>{}, std::move(options));
  mirrors_->serve_through([this](const Mirrors::Served& served) {
    read_api_->serve(served.resources, served.generation);
  });
  http::Router router;
  for (const char* root : {"/api", "/apis", "/version"}) {
    router.prefix(root, read_api_->handler(), read_api_->error_renderer());
  }
  const auto all = maps();
  api::add_state_routes(
      router, api::StateSources{.authorizer = authorizer_,
                                .pods = mirrors_->reader(kube::pods()),
                                .nodes = mirrors_->reader(kube::nodes()),
                                .pod_states = pod_states_,
                                .maps = {all.begin(), all.end()},
                                .policies = [this] { return policies_->controller().board(); },
                                .clock = world_.clock(),
                                .pods_currency = mirrors_->currency(kube::pods()),
                                .nodes_currency = mirrors_->currency(kube::nodes()),
                                .catch_up =
                                    [this](std::string key) {
                                      return pod_state_controller_->catch_up(std::move(key));
                                    },
                                .overload = overload_});
  api::add_health_routes(router, health_, world_.clock());
  api::add_metrics_route(router, metrics_);
  api::add_status_routes(router, settings_, world_.clock());
  api::add_debug_routes(router, tasks_);
  if (watchdog_ != nullptr) api::add_threads_route(router, *watchdog_);
  if (supervision_ != nullptr) api::add_crashes_route(router, *supervision_);
  api::add_map_debug_routes(router, map_directory(), world_.clock());
  if (settings_.enable_debug_panic) api::add_panic_route(router, background_);
  return router;
}

Result<void> App::start_listeners() {
  const auto limits = listener_limits(settings_, descriptors_max(world_.files()));
  if (!limits) return limits.error();
  http::Router health_routes;
  api::add_health_routes(health_routes, health_, world_.clock());
  http::Router metrics_routes;
  api::add_metrics_route(metrics_routes, metrics_);
  if (auto ok = listen("health", settings_.health_probe_bind_address, std::move(health_routes),
                       limits->aside);
      !ok)
    return ok;
  if (auto ok = listen("metrics", settings_.metrics_bind_address, std::move(metrics_routes),
                       limits->aside);
      !ok)
    return ok;
  return listen("api", settings_.api_bind_address, api_routes(), limits->api, overload_);
}

Result<void> App::watch_memory() {
  if (!memory_watch_->limited()) return {};
  return background_.spawn("memory watch", base::Handler::kTimer,
                           [this] { return memory_watch_->run(); });
}

Result<void> App::listen(const char* name, const std::string& address, http::Router router,
                         const http::ServerLimits& limits,
                         std::shared_ptr<http::Overload> overload) {
  if (address == "0") return {};
  auto endpoint = base::parse_endpoint(address);
  if (!endpoint) return endpoint.error();
  auto server = std::make_unique<http::Server>(world_, connections_, metrics_, name,
                                               std::move(router), limits, std::move(overload));
  auto bound = server->listen(*endpoint);
  if (!bound) return bound.error();
  telemetry::log_info("listening", {{"name", name}, {"address", base::to_string(*bound)}});
  servers_.push_back(std::move(server));
  return {};
}

Task<void> App::shut_down() {
  shutting_down_ = true;
  if (read_api_) read_api_->drain();
  const auto deadline = world_.clock().now() + settings_.shutdown_grace_period;
  // The API drains first: health stays up and says that we are going.
  for (auto server = servers_.rbegin(); server != servers_.rend(); ++server) {
    auto draining = (*server)->drain(deadline);
    co_await std::move(draining);
  }
  if (policies_) {
    auto leaving = policies_->leave(std::min(deadline, world_.clock().now() + kLeaveMax));
    co_await std::move(leaving);
  }
  for (runtime::TaskGroup* group : {&connections_, &background_, &upstream_}) {
    group->stop();
    auto joining = group->join();
    co_await std::move(joining);
    if (group == &background_ && mirrors_) {
      auto ending = mirrors_->shut_down();
      co_await std::move(ending);
    }
    // Whatever acted as the leader has ended, and the API server is still there.
    if (group != &background_ || !leading_) continue;
    auto releasing = leading_->release();
    co_await std::move(releasing);
  }
}

}  // namespace podkeeper::daemon
