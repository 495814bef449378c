#pragma once

#include "pkg/policy/ranking.h"
#include "pkg/policy/spec.h"

#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::policy {

/// What one policy says of reads that do not ask for a consistency themselves.
struct ReadRule {
  std::vector<std::string> namespaces = {};  ///< names or prefixes with '*'; empty: all
  bool every_pod = true;                     ///< of those namespaces; false: some, by their labels
  Reads reads = {};
};

/// The rules of one resource, best rank first; empty where no policy that governs objects of it
/// says anything about reads.
std::vector<ReadRule> read_rules(const std::vector<Policy>& ranked, std::string_view plural_group);

/// What a read of a namespace (empty: of all) gets: the strictest of what the policies say that
/// govern objects of it, since the answer may hold any of them. O(rules).
Reads strictest(const std::vector<ReadRule>& rules, std::string_view namespace_);

}  // namespace podkeeper::policy
