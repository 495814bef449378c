#pragma once

#include "pkg/policy/plan.h"
#include "pkg/policy/spec.h"

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace podkeeper::policy {

/// A policy whose spec is valid and can be carried out.
struct Policy {
  Identity identity;
  Spec spec;
};

/// Rules of one resource's plan: each event is held against them one by one.
inline constexpr std::size_t kRulesMax = 256;

/// Whether the policy governs the resource at all, by its target.resources and podSelector.
bool governs(const Target& target, std::string_view plural_group) noexcept;
/// Whether it governs an object of that resource.
bool matches(const Target& target, std::string_view plural_group, std::string_view namespace_,
             const kube::Object::LabelSpan& labels) noexcept;

/// True where `a` ranks before `b`: the higher priority, then the older, then the first by name. A
/// strict total order over policies of different names.
bool ranks_before(const Policy& a, const Policy& b) noexcept;
/// Best first. Equal for every order of its argument.
std::vector<Policy> rank(std::vector<Policy> policies);

/// Whether everything that a target like `b` governs in the resource is governed by `a` too. Sound,
/// not complete: false where only reasoning over several requirements at once would tell.
bool covers(const Target& a, const Target& b, std::string_view plural_group);

/// What becomes of one policy in the plan of one resource.
enum class Standing {
  kAbsent,    ///< it does not govern the resource
  kGoverns,   ///< it has a partition
  kShadowed,  ///< a better one governs all that it would
  kTooMany,   ///< kRulesMax better ones have partitions
};
struct Place {
  Standing standing = Standing::kAbsent;
  std::size_t winner = 0;  ///< with kShadowed: index of the best policy that covers it
};
/// By index in `ranked`. O(policies^2) comparisons of targets.
std::vector<Place> places(const std::vector<Policy>& ranked, std::string_view plural_group);

/// The plan of one resource: a rule for each policy whose place is kGoverns, best first.
PartitionPlan plan_for(const std::vector<Policy>& ranked, std::string_view plural_group,
                       const cmap::MapOptions& defaults);

/// Whether two plans ask for the same partitions.
bool same(const PartitionPlan& a, const PartitionPlan& b);

}  // namespace podkeeper::policy
