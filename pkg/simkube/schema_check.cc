// What is wrong with a value by its schema, in the words of kube-openapi's validation and of
// apiextensions-apiserver, which turns them into causes.
#include "pkg/kube/json_text.h"
#include "pkg/simkube/formats.h"
#include "pkg/simkube/schema.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace podkeeper::simkube {
namespace {

using Type = Schema::Type;

const char* type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      return "object";
    case Json::value_t::array:
      return "array";
    case Json::value_t::string:
      return "string";
    case Json::value_t::boolean:
      return "boolean";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "integer";
    case Json::value_t::number_float:
      return "number";
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded:
      return "null";
  }
  std::unreachable();
}

bool is_whole(const Json& value) {
  if (value.is_number_integer()) return true;
  if (!value.is_number_float()) return false;
  const auto number = value.get<double>();
  return std::isfinite(number) && std::trunc(number) == number &&
         std::abs(number) <= 9007199254740991.0;  // the largest whole number JSON tools agree on
}

bool has_type(const Schema& schema, const Json& value) {
  if (schema.int_or_string) return value.is_string() || is_whole(value);
  switch (schema.type) {
    case Type::kAny:
      return true;
    case Type::kObject:
      return value.is_object();
    case Type::kArray:
      return value.is_array();
    case Type::kString:
      return value.is_string();
    case Type::kInteger:
      return is_whole(value);
    case Type::kNumber:
      return value.is_number();
    case Type::kBoolean:
      return value.is_boolean();
  }
  std::unreachable();
}

/// A limit as Go's %v prints it: whole numbers without a fraction.
std::string limit_text(double limit) {
  constexpr double kPlainMax = 1e15;
  if (std::trunc(limit) == limit && std::abs(limit) < kPlainMax) {
    return std::to_string(static_cast<std::int64_t>(limit));
  }
  return Json(limit).dump();
}

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

class Checker {
 public:
  void check(const Schema& schema, const Json& value, const std::string& path, bool is_object_root);
  /// Lists whose elements, or their keys, must differ; after everything else, as upstream.
  void check_lists(const Schema& schema, const Json& value, const std::string& path);
  std::vector<Fault> faults;

 private:
  void check_number(const Schema& schema, const Json& value, const std::string& path);
  void check_range(const Schema& schema, const Json& value, const std::string& path);
  void check_string(const Schema& schema, const Json& value, const std::string& path);
  void check_array(const Schema& schema, const Json& value, const std::string& path);
  void check_object(const Schema& schema, const Json& value, const std::string& path,
                    bool is_object_root);
  void check_unique(const Schema& schema, const Json& list, const std::string& path);
  void bad(const std::string& path, const Json& value, const std::string& why) {
    faults.push_back(invalid_value(path, value, path + " in body should " + why));
  }
};

void Checker::check(const Schema& schema, const Json& value, const std::string& path,
                    bool is_object_root) {
  if (value.is_null() && (schema.nullable || schema.type == Type::kAny)) return;
  if (!has_type(schema, value)) {
    const std::string wanted = schema.int_or_string ? "integer,string" : to_string(schema.type);
    faults.push_back(
        wrong_type(path, type_of(value),
                   path + " in body must be of type " + wanted + ": \"" + type_of(value) + "\""));
  } else if (value.is_string()) {
    check_string(schema, value, path);
  } else if (value.is_number()) {
    check_number(schema, value, path);
  } else if (value.is_array()) {
    check_array(schema, value, path);
  } else if (value.is_object()) {
    check_object(schema, value, path, is_object_root);
  }
  if (schema.allowed && std::ranges::find(*schema.allowed, value) == schema.allowed->end()) {
    faults.push_back(unsupported(path, value, *schema.allowed));
  }
}

void Checker::check_range(const Schema& schema, const Json& value, const std::string& path) {
  if (schema.type != Type::kInteger) return;
  const bool narrow = schema.format == "int32";
  const auto number = value.get<double>();
  const bool above_int64 = value.is_number_unsigned() &&
                           value.get<std::uint64_t>() >
                               static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool fits = narrow ? number >= std::numeric_limits<std::int32_t>::min() &&
                                 number <= std::numeric_limits<std::int32_t>::max()
                           : !above_int64;
  if (fits) return;
  const std::string format =
      schema.format.empty() ? " (default format)" : " with format " + schema.format;
  faults.push_back(
      invalid_value("<nil>", "", "Checked value must be of type integer" + format + " in " + path));
}

void Checker::check_number(const Schema& schema, const Json& value, const std::string& path) {
  check_range(schema, value, path);
  const auto number = value.get<double>();
  if (schema.multiple_of) {
    const auto times = number / *schema.multiple_of;
    if (std::trunc(times) != times)
      bad(path, value, "be a multiple of " + limit_text(*schema.multiple_of));
  }
  if (schema.maximum) {
    if (schema.exclusive_maximum && number >= *schema.maximum) {
      bad(path, value, "be less than " + limit_text(*schema.maximum));
    } else if (number > *schema.maximum) {
      bad(path, value, "be less than or equal to " + limit_text(*schema.maximum));
    }
  }
  if (schema.minimum) {
    if (schema.exclusive_minimum && number <= *schema.minimum) {
      bad(path, value, "be greater than " + limit_text(*schema.minimum));
    } else if (number < *schema.minimum) {
      bad(path, value, "be greater than or equal to " + limit_text(*schema.minimum));
    }
  }
}

void Checker::check_string(const Schema& schema, const Json& value, const std::string& path) {
  const auto& text = value.get_ref<const std::string&>();
  const auto length = characters(text);
  if (schema.max_length && length > *schema.max_length) {
    faults.push_back(too_long(path, *schema.max_length));
  }
  if (schema.min_length && length < *schema.min_length) {
    bad(path, value, "be at least " + std::to_string(*schema.min_length) + " chars long");
  }
  if (schema.pattern && !matches(*schema.pattern, text)) {
    bad(path, value, "match '" + text_of(*schema.pattern) + "'");
  }
  if (!schema.format.empty() && !has_format(schema.format, text)) {
    faults.push_back(
        wrong_type(path, text,
                   path + " in body must be of type " + schema.format + ": " +
                       Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)));
  }
}

void Checker::check_array(const Schema& schema, const Json& value, const std::string& path) {
  if (schema.items) {
    std::size_t index = 0;
    for (const auto& element : value) {
      check(*schema.items, element, path + "[" + std::to_string(index++) + "]", false);
    }
  }
  if (schema.min_items && value.size() < *schema.min_items) {
    bad(path, value, "have at least " + std::to_string(*schema.min_items) + " items");
  }
  if (schema.max_items && value.size() > *schema.max_items) {
    faults.push_back(too_many(path, value.size(), *schema.max_items));
    return;
  }
  if (!schema.unique_items) return;
  for (std::size_t at = 0; at < value.size() && at < kListUniqueMax; ++at) {
    const auto* const first = &value[0];
    if (std::find(first, first + at, value[at]) == first + at) continue;
    faults.push_back(invalid_value(path, value, path + " in body shouldn't contain duplicates"));
    return;
  }
}

void Checker::check_object(const Schema& schema, const Json& value, const std::string& path,
                           bool is_object_root) {
  if (schema.max_properties && value.size() > *schema.max_properties) {
    faults.push_back(too_many(path, value.size(), *schema.max_properties));
  }
  if (schema.min_properties && value.size() < *schema.min_properties) {
    bad(path, value, "have at least " + std::to_string(*schema.min_properties) + " properties");
  }
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const auto& key : schema.required) {
    if (!value.contains(key)) faults.push_back(required(prefix + key));
  }
  for (const auto& [key, member] : value.items()) {
    if (is_object_root && key == "metadata") continue;  // its rules are those of every object
    const auto named = schema.properties.find(key);
    if (named != schema.properties.end()) {
      check(*named->second, member, prefix + key, false);
    } else if (schema.additional) {
      check(*schema.additional, member, prefix + key, false);
    }
  }
}

void Checker::check_unique(const Schema& schema, const Json& list, const std::string& path) {
  if (list.size() > kListUniqueMax) {
    faults.push_back(too_many(path, list.size(), kListUniqueMax));
    return;
  }
  std::vector<Json> seen;
  std::size_t index = 0;
  for (const auto& element : list) {
    const auto where = path + "[" + std::to_string(index++) + "]";
    Json identity = element;
    if (schema.list_type == Schema::ListType::kMap) {
      identity = Json::object();
      for (const auto& key : schema.list_keys) {
        if (element.is_object() && element.contains(key)) identity[key] = element[key];
      }
    }
    if (std::ranges::find(seen, identity) != seen.end()) {
      faults.push_back(duplicate(where, identity));
    } else {
      seen.push_back(std::move(identity));
    }
  }
}

void Checker::check_lists(const Schema& schema, const Json& value, const std::string& path) {
  if (value.is_array()) {
    if (schema.list_type != Schema::ListType::kAtomic) check_unique(schema, value, path);
    std::size_t index = 0;
    for (const auto& element : value) {
      const auto where = path + "[" + std::to_string(index++) + "]";
      if (schema.items) check_lists(*schema.items, element, where);
    }
  } else if (value.is_object()) {
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const auto& [key, member] : value.items()) {
      const auto named = schema.properties.find(key);
      if (named != schema.properties.end()) {
        check_lists(*named->second, member, prefix + key);
      } else if (schema.additional) {
        check_lists(*schema.additional, member, prefix + key);
      }
    }
  }
}

/// Upstream checks no CEL rule where one of these faults was found, and says so.
bool blocks_rules(const Fault& fault) {
  return fault.reason == "FieldValueNotSupported" || fault.reason == "FieldValueRequired" ||
         fault.reason == "FieldValueTooLong" || fault.reason == "FieldValueTooMany" ||
         fault.reason == "FieldValueTypeInvalid";
}

}  // namespace

std::vector<Fault> check_schema(const Schema& schema, const Json& object) {
  Checker checker;
  checker.check(schema, object, "", true);
  checker.check_lists(schema, object, "");
  if (schema.has_rules && std::ranges::any_of(checker.faults, blocks_rules)) {
    checker.faults.push_back(invalid_value(
        "<nil>", nullptr,
        "some validation rules were not checked because the object was invalid; correct the "
        "existing errors to complete validation"));
  }
  return std::move(checker.faults);
}

}  // namespace podkeeper::simkube
