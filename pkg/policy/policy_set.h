#pragma once

#include "pkg/policy/parse.h"
#include "pkg/policy/ranking.h"
#include "pkg/policy/supported.h"

#include <optional>
#include <vector>

namespace podkeeper::policy {

/// One policy as it is known, and what of it is in force.
struct KnownPolicy {
  enum class Verdict { kAccepted, kInvalid, kNotSupported };

  Identity identity;
  Spec spec;  ///< as it was read; counts while accepted
  Verdict verdict = Verdict::kAccepted;
  std::vector<Violation> violations = {};  ///< why it is not accepted
  /// What counts in the plans: the spec itself, or the last good one of the same object while a
  /// newer one is refused or waits for a restart; none where there was none.
  std::optional<Policy> in_force = {};
  bool waits_for_restart = false;
};

/// The policies of a cluster as they come and change: which are accepted, which spec of each is in
/// force, and how they rank. A mistake in a policy never takes away what it asked for before. Pure
/// but for what it remembers; not thread-safe.
class PolicySet {
 public:
  explicit PolicySet(Built built = {}) : built_(built) {}

  /// Takes all that there are now. The first call is the start: what asks to be applied on restart
  /// is applied then.
  void update(std::vector<Parsed> policies);

  [[nodiscard]] const std::vector<KnownPolicy>& known() const noexcept { return known_; }
  /// What is in force, best first.
  [[nodiscard]] const std::vector<Policy>& ranked() const noexcept { return ranked_; }

 private:
  [[nodiscard]] KnownPolicy judge(Parsed parsed) const;
  [[nodiscard]] std::optional<Policy> in_force_before(const Identity& identity) const;

  Built built_;
  bool started_ = false;
  std::vector<KnownPolicy> known_;
  std::vector<Policy> ranked_;
};

}  // namespace podkeeper::policy
