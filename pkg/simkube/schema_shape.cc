// How a schema shapes what a client sends: what it does not name goes, what it sets by default
// comes.
#include "pkg/simkube/schema.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace podkeeper::simkube {
namespace {

bool is_meta(const std::string& key) {
  return key == "apiVersion" || key == "kind" || key == "metadata";
}

/// What governs a member, or null where the schema says nothing of it.
const Schema* member_schema(const Schema& schema, const std::string& key) {
  const auto named = schema.properties.find(key);
  if (named != schema.properties.end()) return named->second.get();
  return schema.additional.get();
}

void prune_value(const Schema& schema, Json& value, const std::string& path, bool is_object_root,
                 std::vector<std::string>& unknown) {
  if (value.is_array()) {
    if (!schema.items) return;
    std::size_t index = 0;
    for (auto& element : value) {
      prune_value(*schema.items, element, path + "[" + std::to_string(index++) + "]", false,
                  unknown);
    }
    return;
  }
  if (!value.is_object()) return;
  const bool keeps_meta = is_object_root || schema.embedded_resource;
  for (auto member = value.begin(); member != value.end();) {
    const auto& key = member.key();
    if (keeps_meta && is_meta(key)) {
      ++member;
      continue;
    }
    const auto where = path.empty() ? key : path + "." + key;
    const auto* const inner = member_schema(schema, key);
    if (inner != nullptr) {
      prune_value(*inner, member.value(), where, false, unknown);
      ++member;
    } else if (schema.preserve_unknown) {
      ++member;
    } else {
      unknown.push_back(where);
      member = value.erase(member);
    }
  }
}

void default_value(const Schema& schema, Json& value, bool is_object_root) {
  if (value.is_array()) {
    if (!schema.items) return;
    for (auto& element : value) default_value(*schema.items, element, false);
    return;
  }
  if (!value.is_object()) return;
  for (const auto& [key, inner] : schema.properties) {
    if (is_object_root && is_meta(key)) continue;
    const auto member = value.find(key);
    const bool missing = member == value.end();
    const bool bad_null = !missing && member->is_null() && !inner->nullable;
    if (inner->initial && (missing || bad_null)) {
      value[key] = *inner->initial;
    } else if (bad_null) {
      value.erase(key);
    }
  }
  for (auto& [key, member] : value.items()) {
    if (is_object_root && is_meta(key)) continue;
    if (const auto* const inner = member_schema(schema, key)) default_value(*inner, member, false);
  }
}

}  // namespace

void prune(const Schema& schema, Json& object, std::vector<std::string>& unknown) {
  prune_value(schema, object, "", true, unknown);
}

void fill_defaults(const Schema& schema, Json& object) { default_value(schema, object, true); }

}  // namespace podkeeper::simkube
