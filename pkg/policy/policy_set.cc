#include "pkg/policy/policy_set.h"

#include <algorithm>
#include <utility>

namespace podkeeper::policy {

std::optional<Policy> PolicySet::in_force_before(const Identity& identity) const {
  const auto at = std::ranges::find_if(known_, [&](const KnownPolicy& policy) {
    return policy.identity.name == identity.name && policy.identity.uid == identity.uid;
  });
  return at == known_.end() ? std::nullopt : at->in_force;
}

KnownPolicy PolicySet::judge(Parsed parsed) const {
  using Verdict = KnownPolicy::Verdict;
  KnownPolicy policy{.identity = std::move(parsed.identity), .spec = std::move(parsed.spec)};
  policy.violations = std::move(parsed.violations);
  if (!policy.violations.empty()) {
    policy.verdict = Verdict::kInvalid;
  } else if (policy.violations = unsupported(policy.spec, built_); !policy.violations.empty()) {
    policy.verdict = Verdict::kNotSupported;
  }
  auto before = in_force_before(policy.identity);
  if (policy.verdict != Verdict::kAccepted) {
    policy.in_force = std::move(before);
    return policy;
  }
  const bool unchanged = before && before->identity.generation == policy.identity.generation;
  if (policy.spec.migration.mode == MigrationMode::kOnRestart && started_ && !unchanged) {
    policy.waits_for_restart = true;
    policy.in_force = std::move(before);
  } else {
    policy.in_force = Policy{.identity = policy.identity, .spec = policy.spec};
  }
  return policy;
}

void PolicySet::update(std::vector<Parsed> policies) {
  std::vector<KnownPolicy> known;
  std::vector<Policy> in_force;
  known.reserve(policies.size());
  for (Parsed& parsed : policies) {
    known.push_back(judge(std::move(parsed)));
    if (known.back().in_force) in_force.push_back(*known.back().in_force);
  }
  known_ = std::move(known);
  ranked_ = rank(std::move(in_force));
  started_ = true;
}

}  // namespace podkeeper::policy
