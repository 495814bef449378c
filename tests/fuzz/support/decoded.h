#pragma once

#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

#include "tests/fuzz/support/target.h"

namespace podkeeper::fuzz {

/// The resource that an input is about, out of those that are decoded differently.
inline const kube::Resource& resource_of(std::string_view input) {
  if (input.contains("\"nodeInfo\"")) return kube::nodes();
  if (input.contains("\"replicas\"")) return kube::deployments();
  return kube::pods();
}

/// What every decoded object promises: its body is JSON, is the same object when it is read again,
/// and its views lie where they say.
inline void check_object(const kube::Resource& resource, const kube::Object& object) {
  const std::string again_text = "{" + object.body;
  demand(nlohmann::json::accept(again_text), "the body kept of an object is no JSON");
  const auto again = kube::decode_object(resource, again_text);
  demand(again.has_value(), "the body kept of an object is refused");
  const auto& other = **again;
  demand_equal(other.key_text, object.key_text, "read again it has another key");
  demand(other.revision == object.revision, "read again it has another revision");
  demand_equal(other.uid, object.uid, "read again it has another uid");
  demand(other.labels == object.labels, "read again it has other labels");
  demand_equal(other.body, object.body, "read again it has another body");
  const auto digits =
      std::string_view(object.body).substr(object.revision_offset, object.revision_length);
  demand_equal(digits.empty() ? "0" : digits, kube::to_string(object.revision),
               "the revision stands elsewhere");
  demand(object.namespace_length <= object.key_text.size(), "a namespace beyond its key");
  demand(object.bytes() >= object.body.size(), "fewer bytes than its body");
}

}  // namespace podkeeper::fuzz
