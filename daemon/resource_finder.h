#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/discovery_client.h"
#include "pkg/kube/object_client.h"
#include "pkg/kubeapi/custom_look.h"
#include "pkg/kubeapi/read_api.h"

#include <cstdint>
#include <map>

#include "daemon/mirrors.h"

namespace podkeeper::daemon {

/// Leads each name of --resources to the resource that upstream's discovery tells, and begins and
/// ends its mirror as the resource comes and goes.
///
/// A name that is not offered is looked for again every kFindEvery, as controller-runtime does with
/// a kind that has no definition yet, while everything else is served. Until each was found once,
/// /readyz fails and names it (a misspelt name stops a roll-out); unlike there it never ends the
/// program. A resource that goes later is not served any more, as upstream does not serve it, and
/// replicas stay ready: one definition that is deleted must not take all of them away at once.
///
/// A resource is found in the version that upstream prefers and stays with it as long as that is
/// offered. It is taken as gone when two discoveries in a row lack it while its watch is down: an
/// API server that starts tells its groups one by one.
class ResourceFinder {
 public:
  static constexpr base::Duration kFindEvery = std::chrono::seconds(5);
  static constexpr int kAbsencesMax = 2;
  /// How often a custom resource's definition is read again for its columns and selectable fields.
  static constexpr base::Duration kLookEvery = std::chrono::minutes(1);

  /// What it is given outlives it.
  ResourceFinder(base::World& world, http::Client& client, Mirrors& mirrors);

  /// One round. kInvalidArgument where a name will never be served, with what to write instead;
  /// what upstream fails to tell is no error here but the mirrors' problem. One call at a time.
  base::Task<base::Result<void>> find();
  /// Looks again from time to time while something is missing or not in step, and for what
  /// definitions say anew, until its task is stopped.
  base::Task<void> run();

 private:
  /// Brings one mirror in step; true where what is served changed.
  base::Task<bool> follow(Mirror& mirror, kube::OfferedResource found);
  base::Task<bool> lose(Mirror& mirror, base::Error why);
  base::Task<kubeapi::ServedResource> look_of(const Mirror& mirror, kube::OfferedResource found);
  /// What the resource's definition says; kNotFound where it has none.
  base::Task<base::Result<kubeapi::CustomLook>> custom_look(kube::Resource resource);
  /// Shows custom resources as their definitions have it now.
  base::Task<void> look_again();
  [[nodiscard]] bool due() const;

  base::World& world_;
  Mirrors& mirrors_;
  kube::DiscoveryClient discovery_;
  kube::ObjectClient objects_;
  std::map<const Mirror*, int> absences_;  ///< discoveries in a row that lacked it
  std::uint64_t looks_ = 0;
};

}  // namespace podkeeper::daemon
