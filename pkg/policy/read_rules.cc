#include "pkg/policy/read_rules.h"

#include <algorithm>
#include <cstddef>

namespace podkeeper::policy {
namespace {

bool names(const ReadRule& rule, std::string_view namespace_) {
  return rule.namespaces.empty() ||
         std::ranges::any_of(rule.namespaces, [&](std::string_view pattern) {
           if (!pattern.ends_with('*')) return pattern == namespace_;
           pattern.remove_suffix(1);
           return namespace_.starts_with(pattern);
         });
}

void take_stricter(Reads& into, const Reads& other) {
  into.consistency = std::max(into.consistency, other.consistency);
  if (!other.max_staleness_milliseconds) return;
  into.max_staleness_milliseconds =
      std::min(*other.max_staleness_milliseconds,
               into.max_staleness_milliseconds.value_or(*other.max_staleness_milliseconds));
}

}  // namespace

std::vector<ReadRule> read_rules(const std::vector<Policy>& ranked, std::string_view plural_group) {
  const auto standing = places(ranked, plural_group);
  std::vector<ReadRule> rules;
  bool says_anything = false;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    if (standing[i].standing != Standing::kGoverns) continue;
    const Spec& spec = ranked[i].spec;
    rules.push_back({.namespaces = spec.target.namespaces,
                     .every_pod = !spec.target.pods,
                     .reads = spec.reads.value_or(Reads{})});
    says_anything = says_anything || spec.reads.has_value();
  }
  if (!says_anything) rules.clear();
  return rules;
}

Reads strictest(const std::vector<ReadRule>& rules, std::string_view namespace_) {
  Reads reads;
  for (const ReadRule& rule : rules) {
    if (!namespace_.empty() && !names(rule, namespace_)) continue;
    take_stricter(reads, rule.reads);
    // Who ranks behind governs nothing here any more.
    const bool all_of_it = !namespace_.empty() || rule.namespaces.empty();
    if (rule.every_pod && all_of_it) break;
  }
  return reads;
}

}  // namespace podkeeper::policy
