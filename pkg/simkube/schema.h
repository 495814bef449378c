#pragma once

#include "pkg/simkube/faults.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::simkube {

/// A regular expression of a schema, compiled once.
class Pattern;

/// A structural schema: what a CustomResourceDefinition says of one value and of what is in it.
/// Immutable once compiled. Not evaluated: CEL rules (x-kubernetes-validations), which only a real
/// API server checks, and the junctors allOf, anyOf, oneOf and not.
struct Schema {
  enum class Type { kAny, kObject, kArray, kString, kInteger, kNumber, kBoolean };
  enum class ListType { kAtomic, kSet, kMap };

  Type type = Type::kAny;
  std::string format = {};
  bool nullable = false;
  bool int_or_string = false;
  bool preserve_unknown = false;   ///< what the schema does not name stays
  bool embedded_resource = false;  ///< has apiVersion, kind and metadata of its own
  bool atomic = false;             ///< an object that is one field as a whole
  bool has_rules = false;          ///< here or below stands a CEL rule
  std::map<std::string, std::shared_ptr<const Schema>> properties = {};
  std::shared_ptr<const Schema> additional = {};  ///< of members that `properties` does not name
  std::shared_ptr<const Schema> items = {};
  std::vector<std::string> required = {};
  std::shared_ptr<const std::vector<Json>> allowed = {};  ///< enum; null: anything
  std::shared_ptr<const Json> initial = {};               ///< default; null: none
  std::shared_ptr<const Pattern> pattern = {};
  std::optional<double> minimum = {}, maximum = {}, multiple_of = {};
  bool exclusive_minimum = false, exclusive_maximum = false, unique_items = false;
  std::optional<std::uint64_t> min_length = {}, max_length = {}, min_items = {}, max_items = {},
                               min_properties = {}, max_properties = {};
  ListType list_type = ListType::kAtomic;
  std::vector<std::string> list_keys = {};  ///< of a map
};
const char* to_string(Schema::Type type) noexcept;  ///< "object", ...; "" for any

/// Compiles openAPIV3Schema; faults name what in it is none, below `path`. O(schema).
std::expected<std::shared_ptr<const Schema>, std::vector<Fault>> compile_schema(
    const Json& schema, const std::string& path);
/// Schemas nested deeper are refused.
inline constexpr std::size_t kSchemaDepthMax = 64;

/// Drops what the schema does not name, below members that upstream keeps whatever a schema says
/// (apiVersion, kind and metadata of an object), and names each: `unknown` gets "spec.bogus".
/// O(value).
void prune(const Schema& schema, Json& object, std::vector<std::string>& unknown);

/// Fills in defaults, also in the place of a null that the schema does not allow; other such nulls
/// go. As upstream does it, after pruning. O(value + defaults).
void fill_defaults(const Schema& schema, Json& object);

/// Everything wrong with the object by its schema, in the order of the members; the words are
/// kube-openapi's. O(value), O(n^2) in a list whose elements must differ (of at most
/// kListUniqueMax elements).
std::vector<Fault> check_schema(const Schema& schema, const Json& object);
/// A longer list that must be free of duplicates is refused.
inline constexpr std::size_t kListUniqueMax = 4096;

/// Whether a text matches; a pattern that gives up on it counts as no match. Thread-safe.
bool matches(const Pattern& pattern, const std::string& text);
const std::string& text_of(const Pattern& pattern) noexcept;

}  // namespace podkeeper::simkube
