#include "pkg/policy/parse.h"

#include <algorithm>

namespace podkeeper::policy {
namespace {

bool names(const std::vector<std::string>& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& item : list) {
    if (out.size() > Violation::kValueBytesMax) break;
    out.append(out.empty() ? "" : ",").append(item);
  }
  return shortened("[" + out + "]");
}

std::string joined(const std::vector<Cache>& list) {
  std::vector<std::string> words;
  for (const Cache cache : list) words.emplace_back(cache == Cache::kTokens ? "tokens" : "access");
  return joined(words);
}

void validate_target(const Target& target, std::vector<Violation>& found) {
  if (!target.caches.empty() &&
      (!target.resources.empty() || !target.namespaces.empty() || target.pods)) {
    found.push_back({"spec.target.caches", joined(target.caches),
                     "caches cannot be combined with resources, namespaces or podSelector: make "
                     "two policies"});
  }
  if (target.pods && std::ranges::any_of(target.resources, [](auto& r) { return r != "pods"; })) {
    found.push_back(
        {"spec.target.podSelector", "resources " + joined(target.resources),
         "podSelector selects pods only: let resources be empty or contain pods alone"});
  }
  if (!target.namespaces.empty() && names(target.resources, "nodes")) {
    found.push_back({"spec.target.namespaces", joined(target.namespaces),
                     "namespaces cannot be combined with the resource nodes: a node has no "
                     "namespace"});
  }
}

}  // namespace

std::vector<Violation> validate(const Spec& spec) {
  std::vector<Violation> found;
  const Target& target = spec.target;
  validate_target(target, found);
  if (spec.bounds && target.caches.empty()) {
    const std::string entries =
        spec.bounds->max_entries   ? "maxEntries " + std::to_string(*spec.bounds->max_entries)
        : spec.bounds->ttl_seconds ? "ttlSeconds " + std::to_string(*spec.bounds->ttl_seconds)
                                   : "{}";
    found.push_back({"spec.bounds", entries,
                     "bounds are for caches only: evicting from a mirrored resource loses data; "
                     "set target.caches or remove bounds"});
  }
  if (spec.expiry &&
      (!target.caches.empty() || (!target.resources.empty() && !names(target.resources, "pods")))) {
    found.push_back({"spec.expiry",
                     target.caches.empty() ? "resources " + joined(target.resources)
                                           : "caches " + joined(target.caches),
                     "expiry is for the states of pods only: let target.resources contain pods, "
                     "or remove expiry"});
  }
  if (spec.reads && spec.reads->max_staleness_milliseconds &&
      spec.reads->consistency == Consistency::kLinearizable) {
    found.push_back({"spec.consistency.maxStalenessMilliseconds",
                     std::to_string(*spec.reads->max_staleness_milliseconds),
                     "maxStalenessMilliseconds cannot be combined with Linearizable, which is "
                     "never stale"});
  }
  return found;
}

}  // namespace podkeeper::policy
