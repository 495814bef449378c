#include "pkg/policy/plan.h"

#include <algorithm>

namespace podkeeper::policy {

bool PartitionRule::covers(std::string_view namespace_) const noexcept {
  if (namespaces.empty()) return true;
  return std::ranges::any_of(namespaces, [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return pattern == namespace_;
    pattern.remove_suffix(1);
    return !namespace_.empty() && namespace_.starts_with(pattern);
  });
}

std::size_t PartitionPlan::partition_of(std::string_view namespace_,
                                        const kube::Object::LabelSpan& labels) const noexcept {
  const auto rule = std::ranges::find_if(rules, [&](const PartitionRule& candidate) {
    return candidate.covers(namespace_) && candidate.pods.matches(labels);
  });
  return static_cast<std::size_t>(rule - rules.begin());
}

std::string partition_name(std::string_view plural_group, std::string_view policy) {
  std::string name(plural_group);
  if (!policy.empty()) name.append("~").append(policy);
  return name;
}

}  // namespace podkeeper::policy
