#pragma once

#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

/// What is wrong with one field, as a cause of a 422 tells it.
struct Fault {
  std::string field;    ///< "spec.shards"; "<nil>" where it is of no field
  std::string reason;   ///< FieldValueInvalid, ...
  std::string message;  ///< "Invalid value: 3: must be a power of two"
};

/// The kinds of faults as upstream's field.Error words them. Pure.
Fault required(std::string field, std::string_view detail = {});
Fault invalid_value(std::string field, const Json& value, std::string_view detail);
/// A value of the wrong type; `value` is what upstream shows of it: the type's name, or the text
/// that is not of its format.
Fault wrong_type(std::string field, std::string_view value, std::string_view detail);
Fault unsupported(std::string field, const Json& value, const std::vector<Json>& allowed);
Fault too_long(std::string field, std::size_t max);
Fault too_many(std::string field, std::size_t held, std::size_t max);
Fault duplicate(std::string field, const Json& value);
Fault forbidden(std::string field, std::string_view detail);

/// The 422 that tells them all; not for an empty list.
kube::Status invalid(const kube::Resource& resource, std::string_view name,
                     const std::vector<Fault>& faults);

}  // namespace podkeeper::simkube
