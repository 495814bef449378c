#include "pkg/base/panic.h"
#include "pkg/base/result.h"
#include "pkg/kube/body_field.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/selector.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::kube {
namespace {

using FieldValue = FieldSelector::FieldValue;

base::Error invalid(std::string message) {
  return {.code = base::ErrorCode::kInvalidArgument, .message = std::move(message)};
}

std::string_view truth(bool value) noexcept { return value ? "true" : "false"; }

template <std::string_view PodFields::* Field>
std::string_view pod_text(const Object& object) noexcept {
  const PodFields* const pod = object.pod();
  return pod == nullptr ? std::string_view{} : pod->*Field;
}

std::string_view pod_host_network(const Object& object) noexcept {
  return truth(object.pod() != nullptr && object.pod()->host_network);
}
std::string_view node_unschedulable(const Object& object) noexcept {
  return truth(object.node() != nullptr && object.node()->unschedulable);
}
std::string_view object_name(const Object& object) noexcept { return object.name(); }
std::string_view object_namespace(const Object& object) noexcept { return object.namespace_(); }
/// What is accepted, but never set.
std::string_view nothing(const Object&) noexcept { return {}; }

struct Field {
  std::string_view label;
  std::string_view means;  ///< the label it is an alias of, or itself
  FieldValue value_of;
};

constexpr Field kPodFields[] = {
    {"metadata.name", "metadata.name", object_name},
    {"metadata.namespace", "metadata.namespace", object_namespace},
    {"spec.nodeName", "spec.nodeName", pod_text<&PodFields::node_name>},
    {"spec.host", "spec.nodeName", pod_text<&PodFields::node_name>},
    {"spec.restartPolicy", "spec.restartPolicy", pod_text<&PodFields::restart_policy>},
    {"spec.schedulerName", "spec.schedulerName", pod_text<&PodFields::scheduler_name>},
    {"spec.serviceAccountName", "spec.serviceAccountName", pod_text<&PodFields::service_account>},
    {"spec.hostNetwork", "spec.hostNetwork", pod_host_network},
    {"status.phase", "status.phase", pod_text<&PodFields::phase>},
    {"status.podIP", "status.podIP", pod_text<&PodFields::pod_ip>},
    {"status.podIPs", "status.podIPs", nothing},
    {"status.nominatedNodeName", "status.nominatedNodeName", pod_text<&PodFields::nominated_node>},
};
constexpr Field kNodeFields[] = {
    {"metadata.name", "metadata.name", object_name},
    {"spec.unschedulable", "spec.unschedulable", node_unschedulable},
};
constexpr Field kOtherFields[] = {
    {"metadata.name", "metadata.name", object_name},
    {"metadata.namespace", "metadata.namespace", object_namespace},
};

const Field* find_field(const Resource& resource, std::string_view label) noexcept {
  const auto find = [&](const auto& fields) {
    const auto* const found = std::ranges::find(fields, label, &Field::label);
    return found == std::end(fields) ? nullptr : found;
  };
  if (resource == pods()) return find(kPodFields);
  if (resource == nodes()) return find(kNodeFields);
  return find(kOtherFields);
}

/// The term's right side means this field: one that is decoded, or a path that the resource offers.
std::optional<std::pair<std::string, FieldValue>> resolve(const Resource& resource,
                                                          std::string_view label) {
  if (const Field* const field = find_field(resource, label); field != nullptr) {
    return std::pair(std::string(field->means), field->value_of);
  }
  const auto& paths = resource.selectable_fields;
  if (std::ranges::find(paths, label) == paths.end()) return std::nullopt;
  return std::pair(std::string(label), FieldValue{nullptr});
}

/// Splits at commas that no backslash escapes; the terms keep their escapes.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  std::size_t begin = 0;
  bool escaped = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!escaped && text[at] == ',') {
      terms.push_back(text.substr(begin, at - begin));
      begin = at + 1;
    }
    escaped = !escaped && text[at] == '\\';
  }
  terms.push_back(text.substr(begin));
  return terms;
}

base::Result<std::string> unescape(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (std::size_t at = 0; at < value.size(); ++at) {
    const char c = value[at];
    if (c == ',' || c == '=') {
      return invalid("invalid field selector: unescaped character in value: " +
                     std::to_string(static_cast<int>(c)));
    }
    if (c != '\\') {
      out.push_back(c);
      continue;
    }
    ++at;
    const bool known = at < value.size() && std::string_view("\\,=").contains(value[at]);
    if (!known) {
      return invalid("invalid field selector: invalid escape sequence: " +
                     std::string(value.substr(at - 1, 2)));
    }
    out.push_back(value[at]);
  }
  return out;
}

struct SplitTerm {
  std::string_view label, value;
  bool equal = true;
};

std::optional<SplitTerm> split_term(std::string_view term) noexcept {
  for (std::size_t at = 0; at < term.size(); ++at) {
    const std::string_view rest = term.substr(at);
    if (rest.starts_with("!=") || rest.starts_with("==")) {
      return SplitTerm{term.substr(0, at), rest.substr(2), rest.front() == '='};
    }
    if (rest.starts_with('=')) return SplitTerm{term.substr(0, at), rest.substr(1), true};
  }
  return std::nullopt;
}

}  // namespace

base::Result<FieldSelector> FieldSelector::parse(const Resource& resource, std::string_view text) {
  if (text.size() > kSelectorBytesMax) {
    return invalid("field selector of " + std::to_string(text.size()) + " bytes; the limit is " +
                   std::to_string(kSelectorBytesMax));
  }
  FieldSelector selector;
  for (const std::string_view term : split_terms(text)) {
    if (term.empty()) continue;
    if (selector.terms_.size() >= kSelectorTermsMax) {
      return invalid("field selector has more than " + std::to_string(kSelectorTermsMax) +
                     " terms");
    }
    const auto parts = split_term(term);
    if (!parts.has_value()) {
      return invalid("invalid selector: '" + std::string(text) + "'; can't understand '" +
                     std::string(term) + "'");
    }
    auto value = unescape(parts->value);
    if (!value.has_value()) return value.error();
    auto field = resolve(resource, parts->label);
    if (!field.has_value()) {
      return invalid("field label not supported: " + std::string(parts->label));
    }
    selector.terms_.push_back({.field = std::move(field->first),
                               .equal = parts->equal,
                               .value = *std::move(value),
                               .value_of = field->second});
  }
  return selector;
}

void FieldSelector::require(const Resource& resource, std::string_view label, std::string value) {
  auto field = resolve(resource, label);
  PK_CHECK(field.has_value(), resource.plural + " are not selected by " + std::string(label));
  terms_.push_back({.field = std::move(field->first),
                    .equal = true,
                    .value = std::move(value),
                    .value_of = field->second});
}

bool FieldSelector::matches(const Object& object) const noexcept {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    const bool same = term.value_of != nullptr ? term.value_of(object) == term.value
                                               : field_text(object.body, term.field) == term.value;
    return same == term.equal;
  });
}

const std::string* FieldSelector::required(std::string_view field) const noexcept {
  const auto found = std::ranges::find_if(
      terms_, [&](const Term& term) { return term.equal && term.field == field; });
  return found == terms_.end() ? nullptr : &found->value;
}

}  // namespace podkeeper::kube
