#pragma once

#include "pkg/simkube/field_set.h"
#include "pkg/simkube/schema.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace podkeeper::simkube {

/// What server-side apply does with values by their schema, as sigs.k8s.io/structured-merge-diff
/// does it: an object is taken apart member by member, a list by its x-kubernetes-list-type (map:
/// by its keys, set: by its elements), everything else is one field as a whole: scalars, atomic
/// lists, objects of x-kubernetes-map-type atomic, and a list that is not what its type says (a
/// key missing or twice). Pure; O(size of the values * log). The depth is that of the values.

/// What keeps a configuration from being one of the schema, in structured-merge-diff's words:
/// ".status.bogus: field not declared in schema"; empty where nothing does.
std::vector<std::string> typing_errors(const Schema& schema, const Json& configuration);

/// The fields that a configuration sets.
FieldSet fields_of(const Schema& schema, const Json& configuration);

/// `live` with what `configuration` sets; lists keep the configuration's order of what both have.
Json merge(const Schema& schema, const Json& live, const Json& configuration);

/// How two objects differ; an object or list that is new or gone is so itself, and all in it.
struct Difference {
  FieldSet added, changed, removed;
};
Difference compare(const Schema& schema, const Json& before, const Json& after);

/// Removes from `object` what `last` has and `held` has not, with the objects and lists that this
/// leaves empty; one that somebody still holds becomes null. An element that goes takes along what
/// others set in it. Whether a null came of it.
bool prune_fields(const Schema& schema, Json& object, const FieldSet& last, const FieldSet& held);

}  // namespace podkeeper::simkube
