#include "pkg/simkube/schema.h"

#include <boost/regex.hpp>
#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <exception>
#include <utility>

namespace podkeeper::simkube {

class Pattern {
 public:
  explicit Pattern(const std::string& text)
      : text_(text), expression_(text, boost::regex::perl | boost::regex::no_mod_m) {}
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] bool found_in(const std::string& text) const {
    try {
      return boost::regex_search(text, expression_);
    } catch (const std::runtime_error&) {
      return false;  // it would take too long: refusing is the safe answer
    }
  }

 private:
  std::string text_;
  boost::regex expression_;
};

bool matches(const Pattern& pattern, const std::string& text) { return pattern.found_in(text); }
const std::string& text_of(const Pattern& pattern) noexcept { return pattern.text(); }

namespace {

using Type = Schema::Type;

constexpr std::array kTypes = {Type::kObject,  Type::kArray,  Type::kString,
                               Type::kInteger, Type::kNumber, Type::kBoolean};

/// Compiles one schema and what is in it; collects the faults.
class Compiler {
 public:
  std::shared_ptr<const Schema> compile(const Json& from, const std::string& path,
                                        std::size_t depth);
  std::vector<Fault> faults;

 private:
  void take_type(const Json& from, const std::string& path, Schema& into);
  void take_limits(const Json& from, const std::string& path, Schema& into);
  void take_list_type(const Json& from, const std::string& path, Schema& into);
  void take_children(const Json& from, const std::string& path, Schema& into, std::size_t depth);
  std::shared_ptr<const Schema> child(const Json& from, const std::string& path, Schema& parent,
                                      std::size_t depth);
  void fault(const std::string& field, const Json& value, std::string_view why) {
    faults.push_back(invalid_value(field, value, why));
  }
  bool flag(const Json& from, const char* key, const std::string& path);
  std::optional<double> number(const Json& from, const char* key, const std::string& path);
  std::optional<std::uint64_t> count(const Json& from, const char* key, const std::string& path);
  std::vector<std::string> texts(const Json& from, const char* key, const std::string& path);
};

bool Compiler::flag(const Json& from, const char* key, const std::string& path) {
  const auto found = from.find(key);
  if (found == from.end() || found->is_null()) return false;
  if (found->is_boolean()) return found->get<bool>();
  fault(path + "." + key, *found, "must be a boolean");
  return false;
}

std::optional<double> Compiler::number(const Json& from, const char* key, const std::string& path) {
  const auto found = from.find(key);
  if (found == from.end() || found->is_null()) return std::nullopt;
  if (found->is_number()) return found->get<double>();
  fault(path + "." + key, *found, "must be a number");
  return std::nullopt;
}

std::optional<std::uint64_t> Compiler::count(const Json& from, const char* key,
                                             const std::string& path) {
  const auto found = from.find(key);
  if (found == from.end() || found->is_null()) return std::nullopt;
  if (found->is_number_unsigned()) return found->get<std::uint64_t>();
  if (found->is_number_integer() && found->get<std::int64_t>() >= 0) {
    return static_cast<std::uint64_t>(found->get<std::int64_t>());
  }
  fault(path + "." + key, *found, "must be a whole number, not negative");
  return std::nullopt;
}

std::vector<std::string> Compiler::texts(const Json& from, const char* key,
                                         const std::string& path) {
  std::vector<std::string> texts;
  const auto found = from.find(key);
  if (found == from.end() || found->is_null()) return texts;
  if (!found->is_array()) fault(path + "." + key, *found, "must be a list of strings");
  if (!found->is_array()) return texts;
  for (const auto& one : *found) {
    if (one.is_string()) {
      texts.push_back(one.get<std::string>());
    } else {
      fault(path + "." + key, one, "must be a string");
    }
  }
  return texts;
}

void Compiler::take_type(const Json& from, const std::string& path, Schema& into) {
  into.int_or_string = flag(from, "x-kubernetes-int-or-string", path);
  into.preserve_unknown = flag(from, "x-kubernetes-preserve-unknown-fields", path);
  into.embedded_resource = flag(from, "x-kubernetes-embedded-resource", path);
  into.nullable = flag(from, "nullable", path);
  into.atomic = from.value("x-kubernetes-map-type", Json()) == "atomic";
  if (const auto format = from.find("format"); format != from.end() && format->is_string()) {
    into.format = format->get<std::string>();
  }
  const auto type = from.find("type");
  if (type == from.end() || type->is_null() || *type == "") {
    if (!into.int_or_string && !into.preserve_unknown) {
      faults.push_back(required(path + ".type", "must not be empty for specified object fields"));
    }
    return;
  }
  for (const auto known : kTypes) {
    if (*type == to_string(known)) into.type = known;
  }
  if (into.type == Type::kAny) {
    faults.push_back(unsupported(path + ".type", *type,
                                 {"array", "boolean", "integer", "number", "object", "string"}));
  }
}

void Compiler::take_limits(const Json& from, const std::string& path, Schema& into) {
  into.minimum = number(from, "minimum", path);
  into.maximum = number(from, "maximum", path);
  into.multiple_of = number(from, "multipleOf", path);
  if (into.multiple_of && *into.multiple_of <= 0) {
    fault(path + ".multipleOf", from["multipleOf"], "must be above 0");
  }
  into.exclusive_minimum = flag(from, "exclusiveMinimum", path);
  into.exclusive_maximum = flag(from, "exclusiveMaximum", path);
  into.unique_items = flag(from, "uniqueItems", path);
  into.min_length = count(from, "minLength", path);
  into.max_length = count(from, "maxLength", path);
  into.min_items = count(from, "minItems", path);
  into.max_items = count(from, "maxItems", path);
  into.min_properties = count(from, "minProperties", path);
  into.max_properties = count(from, "maxProperties", path);
  into.required = texts(from, "required", path);
  if (const auto allowed = from.find("enum"); allowed != from.end() && allowed->is_array()) {
    into.allowed = std::make_shared<const std::vector<Json>>(allowed->begin(), allowed->end());
  }
  if (const auto initial = from.find("default"); initial != from.end()) {
    into.initial = std::make_shared<const Json>(*initial);
  }
  const auto pattern = from.find("pattern");
  if (pattern == from.end() || !pattern->is_string() || *pattern == "") return;
  try {
    into.pattern = std::make_shared<const Pattern>(pattern->get<std::string>());
  } catch (const boost::regex_error& e) {
    fault(path + ".pattern", *pattern,
          std::string("must be a valid regular expression: ") + e.what());
  }
}

void Compiler::take_list_type(const Json& from, const std::string& path, Schema& into) {
  into.list_keys = texts(from, "x-kubernetes-list-map-keys", path);
  const auto type = from.find("x-kubernetes-list-type");
  if (type == from.end() || type->is_null() || *type == "atomic") return;
  if (*type == "set") {
    into.list_type = Schema::ListType::kSet;
  } else if (*type == "map") {
    into.list_type = Schema::ListType::kMap;
    if (into.list_keys.empty()) {
      faults.push_back(required(path + ".x-kubernetes-list-map-keys"));
    }
  } else {
    faults.push_back(
        unsupported(path + ".x-kubernetes-list-type", *type, {"atomic", "map", "set"}));
  }
}

std::shared_ptr<const Schema> Compiler::child(const Json& from, const std::string& path,
                                              Schema& parent, std::size_t depth) {
  auto schema = compile(from, path, depth + 1);
  parent.has_rules |= schema->has_rules;
  return schema;
}

void Compiler::take_children(const Json& from, const std::string& path, Schema& into,
                             std::size_t depth) {
  if (const auto properties = from.find("properties");
      properties != from.end() && properties->is_object()) {
    for (const auto& [name, schema] : properties->items()) {
      const auto where = path + ".properties[" + name + "]";
      into.properties[name] = child(schema, where, into, depth);
    }
  }
  if (const auto more = from.find("additionalProperties"); more != from.end()) {
    if (more->is_object()) {
      into.additional = child(*more, path + ".additionalProperties", into, depth);
    } else if (*more == true) {
      Schema anything;
      anything.preserve_unknown = true;
      into.additional = std::make_shared<const Schema>(std::move(anything));
    }
  }
  if (const auto items = from.find("items"); items != from.end() && items->is_object()) {
    into.items = child(*items, path + ".items", into, depth);
  } else if (into.type == Type::kArray) {
    faults.push_back(required(path + ".items", "must be specified"));
  }
}

std::shared_ptr<const Schema> Compiler::compile(const Json& from, const std::string& path,
                                                std::size_t depth) {
  auto schema = std::make_shared<Schema>();
  if (!from.is_object()) {
    fault(path, from, "must be an object");
    return schema;
  }
  if (depth > kSchemaDepthMax) {
    faults.push_back(forbidden(path, "nested too deep"));
    return schema;
  }
  schema->has_rules = from.contains("x-kubernetes-validations");
  take_type(from, path, *schema);
  take_limits(from, path, *schema);
  take_list_type(from, path, *schema);
  take_children(from, path, *schema, depth);
  return schema;
}

}  // namespace

const char* to_string(Schema::Type type) noexcept {
  switch (type) {
    case Type::kObject:
      return "object";
    case Type::kArray:
      return "array";
    case Type::kString:
      return "string";
    case Type::kInteger:
      return "integer";
    case Type::kNumber:
      return "number";
    case Type::kBoolean:
      return "boolean";
    case Type::kAny:
      return "";
  }
  std::unreachable();
}

std::expected<std::shared_ptr<const Schema>, std::vector<Fault>> compile_schema(
    const Json& schema, const std::string& path) {
  Compiler compiler;
  auto compiled = compiler.compile(schema, path, 0);
  if (compiler.faults.empty() && compiled->type != Type::kObject) {
    compiler.faults.push_back(
        invalid_value(path + ".type", to_string(compiled->type), "must be object at the root"));
  }
  if (!compiler.faults.empty()) return std::unexpected(std::move(compiler.faults));
  return compiled;
}

}  // namespace podkeeper::simkube
