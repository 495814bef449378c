#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/reflector.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/runtime/task_group.h"
#include "pkg/settings/settings.h"
#include "pkg/state/currency.h"
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

  /// Starts one reflector task a resource, and what keeps its mirror honest.
  base::Result<void> start(runtime::TaskGroup& group, access::Authorizer& authorizer);

  [[nodiscard]] std::vector<kubeapi::ServedResource> served() const;
  /// What proves how current the mirror of a configured resource is, once it was started.
  [[nodiscard]] std::shared_ptr<state::Currency> currency(const kube::Resource& resource) const;
  /// The reader of a configured resource; PK_CHECKs that it is one.
  [[nodiscard]] state::Reader reader(const kube::Resource& resource) const;
  /// What the policies say of reads holds from now on. After start().
  void set_policies(const std::vector<policy::Policy>& ranked);

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
    std::shared_ptr<kube::Reflector> reflector;
    std::shared_ptr<state::Currency> currency;
  };
  Mirrors(base::World& world, telemetry::Metrics& metrics, const settings::Settings& settings,
          http::Client& client);
  [[nodiscard]] const Mirror& mirror(const kube::Resource& resource) const;
  void refresh(const Mirror& mirror);

  base::World& world_;
  telemetry::Metrics& metrics_;
  const settings::Settings& settings_;
  http::Client& client_;
  std::vector<std::unique_ptr<Mirror>> mirrors_;
};

}  // namespace podkeeper::daemon
