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

/// Whether another parser takes it for JSON too. That one is stricter than the grammar in two ways,
/// in which we are as Go is: it has no numbers beyond a double's range and no lone surrogates.
inline bool is_json(std::string_view text) {
  std::string paired(text);
  for (std::size_t at = 0; at + 3 < paired.size(); ++at) {
    if (paired[at] != '\\') continue;
    if (paired[at + 1] == 'u' && (paired[at + 2] == 'd' || paired[at + 2] == 'D')) {
      paired[at + 2] = '0';
    }
    ++at;  // what is escaped begins no escape
  }
  try {
    return nlohmann::json::parse(paired) != nullptr;
  } catch (const nlohmann::json::out_of_range&) {
    return true;
  } catch (const nlohmann::json::parse_error&) {
    return false;
  }
}

/// What every decoded object promises: its body is JSON, is the same object when it is read again,
/// and its views lie where they say.
inline void check_object(const kube::Resource& resource, const kube::Object& object) {
  const std::string again_text = "{" + object.body;
  demand(is_json(again_text), "the body kept of an object is no JSON");
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
