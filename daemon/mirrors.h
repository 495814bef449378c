#pragma once

#include "pkg/base/mutex.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/runtime/task_group.h"
#include "pkg/settings/settings.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/mirror.h"

namespace podkeeper::daemon {

/// The names of --resources. kInvalidArgument names the one that is no name, comes twice, or whose
/// objects hold credentials without being named by --allow-sensitive.
base::Result<std::vector<kube::ResourceName>> mirrored_names(const settings::Settings& settings);

/// What is mirrored: a Mirror for each resource of --resources, over one client of one API server.
/// Pods and nodes, which every API server offers, are followed from start() on; the others when a
/// ResourceFinder finds them. Built once; its readers are valid as long as it is.
class Mirrors {
 public:
  /// kInvalidArgument as mirrored_names(). What it is given outlives it.
  static base::Result<std::unique_ptr<Mirrors>> make(const MirrorServices& services);

  /// Starts to follow pods and nodes.
  base::Result<void> start();
  /// Ends every reflector; when nobody begins any.
  base::Task<void> shut_down();

  /// The reader of pods or nodes.
  [[nodiscard]] state::Reader reader(const kube::Resource& resource) const;
  /// What proves how current the mirror of pods or nodes is, once it was started.
  [[nodiscard]] std::shared_ptr<state::Currency> currency(const kube::Resource& resource) const;
  /// What the policies say of reads holds from now on.
  void set_policies(const std::vector<policy::Policy>& ranked);
  /// The mirrors' maps, for those who arrange partitions: of all that was named, offered or not.
  [[nodiscard]] std::vector<state::Partitions*> maps() const;
  /// Those that take discovery.
  [[nodiscard]] std::vector<Mirror*> discovered() const;

  /// What clients see now, and a number that is higher the later it is.
  struct Served {
    std::vector<kubeapi::ServedResource> resources;
    std::uint64_t generation = 0;
  };
  /// Gives `serve` what is served: at once, and again after every changed(). It is called by any
  /// thread, and two calls may overlap.
  void serve_through(std::function<void(const Served&)> serve);
  /// Mirrors began or ended.
  void changed();

  /// Health checks. Thread-safe. check_offered() holds a start up, not what follows: once a
  /// resource was found, that it went again is upstream's truth, which is served.
  [[nodiscard]] base::Result<void> check_offered() const;
  [[nodiscard]] base::Result<void> check_synced() const;
  [[nodiscard]] base::Result<void> check_fresh(base::Duration limit) const;
  /// Sets podkeeper_store_* and podkeeper_resource_offered; called before a scrape.
  void refresh_metrics();

 private:
  explicit Mirrors(telemetry::Metrics& metrics) : metrics_(metrics) {}
  [[nodiscard]] const Mirror& mirror(const kube::Resource& resource) const;
  void refresh(Mirror& mirror);

  telemetry::Metrics& metrics_;
  std::vector<std::unique_ptr<Mirror>> mirrors_;
  base::Mutex mutex_;
  std::uint64_t generation_ PK_GUARDED_BY(mutex_) = 0;
  std::function<void(const Served&)> serve_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::daemon
