#include "pkg/policy/ranking.h"

#include "pkg/policy/supported.h"

#include <algorithm>
#include <ranges>
#include <tuple>

namespace podkeeper::policy {
namespace {

using Requirement = kube::LabelSelector::Requirement;
using Operator = kube::LabelSelector::Operator;

/// Whether each object that meets `b` meets `a`. Values are sorted.
bool implies(const Requirement& b, const Requirement& a) {
  if (a.key != b.key) return false;
  if (a.op == b.op && a.values == b.values) return true;
  switch (a.op) {
    case Operator::kExists:
      return b.op == Operator::kIn || b.op == Operator::kGreater || b.op == Operator::kLess;
    case Operator::kIn:
      return b.op == Operator::kIn && std::ranges::includes(a.values, b.values);
    case Operator::kNotIn:
      if (b.op == Operator::kNotExists) return true;
      if (b.op == Operator::kNotIn) return std::ranges::includes(b.values, a.values);
      return b.op == Operator::kIn && std::ranges::none_of(b.values, [&](const auto& value) {
               return std::ranges::binary_search(a.values, value);
             });
    case Operator::kNotExists:
    case Operator::kGreater:
    case Operator::kLess:
      return false;
  }
  return false;
}

bool selector_covers(const std::optional<kube::LabelSelector>& a,
                     const std::optional<kube::LabelSelector>& b) {
  if (!a || a->empty()) return true;
  if (!b) return false;
  return std::ranges::all_of(a->requirements(), [&](const Requirement& wanted) {
    return std::ranges::any_of(b->requirements(),
                               [&](const Requirement& given) { return implies(given, wanted); });
  });
}

/// Whether each namespace of pattern `b` is one of pattern `a`.
bool pattern_covers(std::string_view a, std::string_view b) {
  if (!a.ends_with('*')) return a == b;
  a.remove_suffix(1);
  return b.starts_with(a);
}

bool namespaces_cover(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  if (a.empty()) return true;
  if (b.empty()) return false;
  return std::ranges::all_of(b, [&](const std::string& theirs) {
    return std::ranges::any_of(
        a, [&](const std::string& ours) { return pattern_covers(ours, theirs); });
  });
}

bool same_requirement(const Requirement& a, const Requirement& b) {
  return a.key == b.key && a.op == b.op && a.values == b.values;
}

cmap::AuditOptions audit_options(const Audit& audit) {
  cmap::AuditOptions options;
  options.mode = audit.mode;
  options.ring_entries = static_cast<std::size_t>(audit.ring_entries);
  return options;
}

bool same_rule(const PartitionRule& a, const PartitionRule& b) {
  return a.policy == b.policy && a.namespaces == b.namespaces && a.map == b.map &&
         a.audit == b.audit && a.online == b.online && a.migration_timeout == b.migration_timeout &&
         std::ranges::equal(a.pods.requirements(), b.pods.requirements(), same_requirement);
}

}  // namespace

bool governs(const Target& target, std::string_view plural_group) noexcept {
  if (!target.caches.empty()) return false;
  if (target.pods && plural_group != "pods") return false;
  return target.resources.empty() ||
         std::ranges::find(target.resources, plural_group) != target.resources.end();
}

bool matches(const Target& target, std::string_view plural_group, std::string_view namespace_,
             const kube::Object::LabelSpan& labels) noexcept {
  if (!governs(target, plural_group)) return false;
  const bool in_namespaces =
      target.namespaces.empty() ||
      (!namespace_.empty() && std::ranges::any_of(target.namespaces, [&](const std::string& name) {
        return pattern_covers(name, namespace_);
      }));
  return in_namespaces && (!target.pods || target.pods->matches(labels));
}

bool ranks_before(const Policy& a, const Policy& b) noexcept {
  return std::tie(b.spec.priority, a.identity.created, a.identity.name) <
         std::tie(a.spec.priority, b.identity.created, b.identity.name);
}

std::vector<Policy> rank(std::vector<Policy> policies) {
  std::ranges::sort(policies, ranks_before);
  return policies;
}

bool covers(const Target& a, const Target& b, std::string_view plural_group) {
  return governs(a, plural_group) && governs(b, plural_group) &&
         namespaces_cover(a.namespaces, b.namespaces) && selector_covers(a.pods, b.pods);
}

std::vector<Place> places(const std::vector<Policy>& ranked, std::string_view plural_group) {
  std::vector<Place> found(ranked.size());
  std::size_t rules = 0;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    const Target& target = ranked[i].spec.target;
    if (!governs(target, plural_group)) continue;
    const auto better = std::views::iota(std::size_t{0}, i);
    const auto winner = std::ranges::find_if(better, [&](std::size_t j) {
      return found[j].standing == Standing::kGoverns &&
             covers(ranked[j].spec.target, target, plural_group);
    });
    if (winner != better.end()) {
      found[i] = {Standing::kShadowed, *winner};
    } else {
      found[i] = {rules++ < kRulesMax ? Standing::kGoverns : Standing::kTooMany, 0};
    }
  }
  return found;
}

PartitionPlan plan_for(const std::vector<Policy>& ranked, std::string_view plural_group,
                       const cmap::MapOptions& defaults) {
  PartitionPlan plan{.rules = {}, .defaults = defaults};
  const std::vector<Place> standing = places(ranked, plural_group);
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    if (standing[i].standing != Standing::kGoverns) continue;
    const Policy& policy = ranked[i];
    plan.rules.push_back(
        {.policy = policy.identity.name,
         .namespaces = policy.spec.target.namespaces,
         .pods = policy.spec.target.pods.value_or(kube::LabelSelector{}),
         .map = map_options(policy.spec),
         .audit = audit_options(policy.spec.audit),
         .online = policy.spec.migration.mode == MigrationMode::kOnline,
         .migration_timeout = std::chrono::seconds(policy.spec.migration.timeout_seconds)});
  }
  return plan;
}

bool same(const PartitionPlan& a, const PartitionPlan& b) {
  return a.defaults == b.defaults && std::ranges::equal(a.rules, b.rules, same_rule);
}

}  // namespace podkeeper::policy
