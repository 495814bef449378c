#pragma once

#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/reflector.h"
#include "pkg/runtime/task_group.h"
#include "pkg/settings/settings.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <memory>
#include <string>
#include <vector>

namespace podkeeper::daemon {

/// What is mirrored: for each configured resource a store and the reflector that fills it, over one
/// client of one API server. Built once; its readers are valid as long as it is.
class Mirrors {
 public:
  /// kInvalidArgument names a resource that this version does not know.
  static base::Result<std::unique_ptr<Mirrors>> make(base::World& world,
                                                     telemetry::Metrics& metrics,
                                                     const settings::Settings& settings,
                                                     http::Client& client);

  /// Starts one reflector task a resource.
  base::Result<void> start(runtime::TaskGroup& group);

  [[nodiscard]] std::vector<state::Reader> readers() const;
  /// The reader of a configured resource; PK_CHECKs that it is one.
  [[nodiscard]] state::Reader reader(const kube::Resource& resource) const;

  /// The mirrors' maps, for those who arrange partitions.
  [[nodiscard]] std::vector<state::Partitions*> maps() const;

  /// Health checks. Thread-safe.
  [[nodiscard]] base::Result<void> check_synced() const;
  [[nodiscard]] base::Result<void> check_fresh(base::Duration limit) const;
  /// Sets podkeeper_store_*; called before a scrape.
  void refresh_metrics();

 private:
  struct Mirror {
    explicit Mirror(base::Clock& clock, state::StoreOptions options)
        : store(clock, std::move(options)) {}
    state::Store store;
    std::unique_ptr<kube::Reflector> reflector;
  };
  Mirrors(telemetry::Metrics& metrics, http::Client& client);
  void refresh(const Mirror& mirror);

  telemetry::Metrics& metrics_;
  http::Client& client_;
  std::vector<std::unique_ptr<Mirror>> mirrors_;
};

}  // namespace podkeeper::daemon
