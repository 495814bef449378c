#pragma once

#include "pkg/access/authorized.h"
#include "pkg/api/health_api.h"
#include "pkg/base/processes.h"
#include "pkg/base/world.h"
#include "pkg/controllers/pod_cleaner.h"
#include "pkg/controllers/pod_state_controller.h"
#include "pkg/http/overload.h"
#include "pkg/http/server.h"
#include "pkg/kubeapi/forwarder.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/runtime/real_supervisor.h"
#include "pkg/runtime/real_watchdog.h"
#include "pkg/runtime/reclaimer.h"
#include "pkg/runtime/task_group.h"
#include "pkg/settings/settings.h"
#include "pkg/simkube/simkube.h"
#include "pkg/state/pod_states.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metrics.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "daemon/leading.h"
#include "daemon/map_metrics.h"
#include "daemon/memory_watch.h"
#include "daemon/mirrors.h"
#include "daemon/panic_sinks.h"
#include "daemon/policies.h"
#include "daemon/resource_finder.h"
#include "daemon/upstream.h"

namespace podkeeper::daemon {

/// podkeeperd as one object: the only place that wires rooms together. The world, the processes,
/// the watchdog and the supervision outlive it; there is no watchdog (null) where there are no real
/// threads, and no supervision (null) of a process that nobody would replace. start(), then
/// shut_down() on the same executor; the destructor after shut_down() has returned.
class App {
 public:
  App(base::World& world, base::Processes& processes, const settings::Settings& settings,
      telemetry::Metrics& metrics, const telemetry::Logging& logging,
      const runtime::Watchdog* watchdog, const runtime::Supervision* supervision);
  ~App();

  /// Starts everything and binds every listener. The Error is one line that says what to do.
  base::Task<base::Result<void>> start();
  /// Not ready from here on; requests under way get the grace period, streams are ended, tasks are
  /// stopped and joined.
  base::Task<void> shut_down();

 private:
  base::Result<base::Endpoint> start_embedded_cluster();
  /// Finds the resources that take discovery, and goes on looking for those that are missing.
  base::Task<base::Result<void>> find_resources();
  base::Result<void> start_controllers();
  base::Result<void> start_pod_cleaner(access::AuthorizedRead pods_allowed);
  base::Result<void> start_listeners();
  base::Result<void> listen(const char* name, const std::string& address, http::Router router,
                            const http::ServerLimits& limits,
                            std::shared_ptr<http::Overload> overload = {});
  base::Result<void> watch_memory();
  [[nodiscard]] http::Router api_routes();
  void add_health_checks();
  /// Fails while this process has yet to show that it does not end as those before it.
  [[nodiscard]] base::Result<void> check_crash_loop() const;
  [[nodiscard]] std::vector<state::Partitions*> maps();
  /// Every partition's map by its name, as there are when it is called.
  [[nodiscard]] cmap::MapDirectory map_directory();
  void collect_metrics();
  void tell_of_crashes();

  base::World& world_;
  base::Processes& processes_;
  const settings::Settings settings_;
  telemetry::Metrics& metrics_;
  const telemetry::Logging& logging_;
  const runtime::Watchdog* watchdog_;
  const runtime::Supervision* supervision_;
  const base::MonotonicTime started_;
  runtime::TaskRegistry tasks_;
  runtime::TaskGroup upstream_;  ///< the embedded cluster, stopped last
  runtime::Reclaimer reclaimer_;
  runtime::TaskGroup background_;   ///< reflectors and controllers
  runtime::TaskGroup connections_;  ///< of our listeners
  access::LoopbackAuthorizer authorizer_;
  std::unique_ptr<simkube::SimKube> embedded_;
  std::unique_ptr<Upstream> apiserver_;
  std::unique_ptr<kubeapi::Forwarder> forwarder_;
  std::unique_ptr<Mirrors> mirrors_;
  std::unique_ptr<ResourceFinder> resource_finder_;
  state::PodStates pod_states_{world_.clock()};
  std::unique_ptr<controllers::PodStateController> pod_state_controller_;
  std::unique_ptr<Leading> leading_;
  std::unique_ptr<controllers::PodCleaner> pod_cleaner_;  ///< null while that is disabled
  std::unique_ptr<Policies> policies_;
  std::unique_ptr<kubeapi::ReadApi> read_api_;
  std::unique_ptr<PanicAudit> panic_audit_;
  std::shared_ptr<api::HealthChecks> health_ = std::make_shared<api::HealthChecks>();
  std::shared_ptr<http::Overload> overload_;  ///< of the API's listener alone
  std::unique_ptr<MemoryWatch> memory_watch_;
  std::vector<std::unique_ptr<http::Server>> servers_;
  std::unique_ptr<MapMetrics> map_metrics_;
  std::vector<std::shared_ptr<void>> scrapes_;
  std::atomic<bool> shutting_down_{false};
};

}  // namespace podkeeper::daemon
