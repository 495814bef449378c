#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/mutex.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/reflector.h"
#include "pkg/kube/resource_name.h"
#include "pkg/kube/shared_doubt.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/policy/read_rules.h"
#include "pkg/runtime/task_group.h"
#include "pkg/settings/settings.h"
#include "pkg/state/currency.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::daemon {

/// What every mirror needs. All of it outlives them.
struct MirrorServices {
  base::World& world;
  runtime::TaskGroup& proving;  ///< for what proves to readers how current a mirror is
  http::Client& client;
  kube::SharedDoubt& shared_doubt;
  telemetry::Metrics& metrics;
  const settings::Settings& settings;
  access::Authorizer& authorizer;
};

/// One resource of --resources: its store, which is there from the start, so that maps and policies
/// know it, and the reflector that fills it while upstream offers the resource. begin() and end()
/// belong to one task at a time; everything else may be asked by any thread.
class Mirror {
 public:
  Mirror(const MirrorServices& services, kube::ResourceName name);

  /// Follows the resource, which is shown to clients as `look` says, until end(), and keeps what is
  /// held of it honest. Not while it follows one.
  base::Result<void> begin(kubeapi::ServedResource look);
  /// Shows what is followed to clients in another way; nothing where nothing is followed.
  void show(std::vector<kubeapi::PrinterColumn> columns, std::vector<std::string> selectable_fields,
            std::uint64_t definition);
  /// Stops following; returns when the reflector's task has ended. With `forget` nothing is held
  /// any more: upstream does not offer the resource.
  base::Task<void> end(bool forget);

  [[nodiscard]] const kube::ResourceName& name() const noexcept { return name_; }
  [[nodiscard]] state::Store& store() noexcept { return store_; }
  [[nodiscard]] state::Reader reader() const { return state::Reader(store_); }
  /// What the policies say of reads holds from now on.
  void set_rules(std::vector<policy::ReadRule> rules);
  /// How it is shown, and what proves how current it is; empty while it follows nothing.
  [[nodiscard]] std::optional<kubeapi::ServedResource> served() const;
  [[nodiscard]] bool watching() const;
  /// Why the reflector is not in step; empty when it is, or there is none.
  [[nodiscard]] std::string last_error() const;

  /// Why upstream's discovery does not lead to the resource.
  void set_problem(std::string problem);
  [[nodiscard]] std::string problem() const;
  /// Whether it ever followed the resource.
  [[nodiscard]] bool was_offered() const;

 private:
  [[nodiscard]] std::shared_ptr<const kube::Reflector> reflector() const;
  void apply_rules();

  const MirrorServices services_;
  const kube::ResourceName name_;
  kube::ReflectorOptions options_;
  state::Store store_;
  std::unique_ptr<runtime::TaskGroup> following_;
  mutable base::Mutex mutex_;
  std::shared_ptr<kube::Reflector> reflector_ PK_GUARDED_BY(mutex_);
  std::optional<kubeapi::ServedResource> served_ PK_GUARDED_BY(mutex_);
  std::shared_ptr<const std::vector<policy::ReadRule>> rules_ PK_GUARDED_BY(mutex_);
  std::string problem_ PK_GUARDED_BY(mutex_) = "not asked for yet";
  bool was_offered_ PK_GUARDED_BY(mutex_) = false;
};

}  // namespace podkeeper::daemon
