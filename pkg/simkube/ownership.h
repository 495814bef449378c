#pragma once

#include "pkg/kube/status.h"
#include "pkg/simkube/field_set.h"
#include "pkg/simkube/typed.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <expected>
#include <string>
#include <vector>

namespace podkeeper::simkube {

/// Who set which fields of an object: one entry of metadata.managedFields. The rules are those of
/// Kubernetes' field managers (apimachinery, managedfields, and structured-merge-diff, merge).
struct FieldOwner {
  std::string manager;
  bool applies = false;  ///< operation Apply; else Update
  std::string api_version, subresource, time;
  FieldSet fields = {};

  /// Whether both are one manager's entry. One that applies has one for all versions.
  [[nodiscard]] bool is_same_as(const FieldOwner& other) const;
};

/// Beyond this many entries of Update the oldest become one, as upstream's.
inline constexpr std::size_t kUpdateOwnersMax = 10;

std::vector<FieldOwner> read_owners(const Json& metadata);
/// managedFields, in upstream's order.
Json write_owners(std::vector<FieldOwner> owners);

/// `writer` wrote, without asking whom the fields belong to: they are its own now, with its time,
/// and what is gone is nobody's.
void take_fields(std::vector<FieldOwner>& owners, const Difference& difference, FieldOwner writer);

/// What came of an apply, beside the object.
struct Applied {
  std::vector<FieldOwner> owners;
  bool left_null = false;  ///< as prune_fields() does
};
/// `applier`, whose fields are not looked at, applies `configuration` to `object`; both without
/// what its request does not reach. 409 with a cause for every field that it changes and another
/// manager owns, unless `force`; the object is as it was then. The fields that it applied last time
/// and leaves out now go, where nobody else owns them.
std::expected<Applied, kube::Status> apply(const Schema& schema, Json& object,
                                           const Json& configuration,
                                           std::vector<FieldOwner> owners, FieldOwner applier,
                                           bool force);

}  // namespace podkeeper::simkube
