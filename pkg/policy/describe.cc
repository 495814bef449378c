#include "pkg/policy/describe.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace podkeeper::policy {
namespace {

using Verdict = KnownPolicy::Verdict;

struct Outcome {
  bool holds = false;
  std::string reason, message;
};

/// The places of every policy in force in one store's plan.
struct StorePlaces {
  const StoreView& store;
  std::vector<Place> places;
};

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

Outcome accepted(const KnownPolicy& policy) {
  switch (policy.verdict) {
    case Verdict::kAccepted:
      return {true, "Valid", "the spec is valid"};
    case Verdict::kInvalid:
      return {false, "Invalid", to_string(policy.violations)};
    case Verdict::kNotSupported:
      return {false, "NotSupported", to_string(policy.violations)};
  }
  return {};
}

/// What goes on while a newer spec is not in force.
std::string what_goes_on(const KnownPolicy& policy) {
  if (!policy.in_force) return "nothing of this policy is applied";
  return "its generation " + std::to_string(policy.in_force->identity.generation) + " goes on";
}

const PartitionReport* running_in(const StoreView& store, std::string_view policy) {
  const auto at = std::ranges::find(store.running, policy, &PartitionReport::policy);
  return at == store.running.end() ? nullptr : &*at;
}

std::vector<PartitionView> partitions_of(const std::vector<StorePlaces>& stores, std::size_t rank,
                                         const std::vector<Policy>& ranked) {
  std::vector<PartitionView> found;
  const std::string& name = ranked[rank].identity.name;
  for (const auto& [store, places] : stores) {
    const Place& place = places[rank];
    if (place.standing == Standing::kAbsent) continue;
    PartitionView view{.store = store.name,
                       .partition = partition_name(store.name, name),
                       .standing = place.standing,
                       .winner = {}};
    if (place.standing == Standing::kShadowed) view.winner = ranked[place.winner].identity.name;
    if (place.standing == Standing::kGoverns) {
      if (const PartitionReport* running = running_in(store, name)) view.running = running->map;
      view.current = store.current;
    }
    found.push_back(std::move(view));
  }
  return found;
}

std::string resources_of(const std::vector<StorePlaces>& stores) {
  std::string out;
  for (const auto& [store, places] : stores) {
    if (store.is_mirror()) out.append(out.empty() ? "" : ", ").append(store.resource);
  }
  return out;
}

/// Where every place of a policy is the same kind of loss.
Outcome lost(const std::vector<PartitionView>& partitions) {
  std::string winners;
  for (const PartitionView& view : partitions) {
    if (view.standing != Standing::kShadowed) {
      return {false, "TooManyPolicies",
              std::to_string(kRulesMax) + " policies that rank before this one govern already"};
    }
    const std::string winner = quoted(view.winner);
    if (winners.find(winner) == std::string::npos) {
      winners.append(winners.empty() ? "" : ", ").append(winner);
    }
  }
  return {false, "Conflict",
          "everything it targets is governed by " + winners +
              ", which ranks before it (higher priority, else older, else first by name)"};
}

Outcome applied_in(const std::vector<StorePlaces>& stores,
                   const std::vector<PartitionView>& partitions) {
  std::string governs, beside;
  for (const PartitionView& view : partitions) {
    if (view.standing == Standing::kShadowed) {
      beside += "; in " + view.store + " policy " + quoted(view.winner) + " governs instead";
    }
    if (view.standing != Standing::kGoverns) continue;
    const auto store =
        std::ranges::find(stores, view.store, [](const auto& s) { return s.store.name; });
    if (!view.current && !store->store.error.empty()) {
      return {false, "ApplyFailed", view.partition + ": " + store->store.error};
    }
    if (!view.current) return {false, "Pending", view.partition + " is being changed"};
    governs.append(governs.empty() ? "" : ", ").append(view.partition);
  }
  return {true, "Applied", "governs " + governs + beside};
}

Outcome applied(const KnownPolicy& policy, const Outcome& acceptance,
                const std::vector<StorePlaces>& stores,
                const std::vector<PartitionView>& partitions) {
  if (!acceptance.holds) return {false, acceptance.reason, what_goes_on(policy)};
  if (policy.waits_for_restart) {
    return {false, "PendingRestart",
            "it is applied when podkeeper starts next; " + what_goes_on(policy)};
  }
  if (partitions.empty()) {
    return {false, "NothingToGovern",
            "none of the mirrored resources is its target; mirrored are " + resources_of(stores)};
  }
  const bool governs = std::ranges::any_of(
      partitions, [](const auto& view) { return view.standing == Standing::kGoverns; });
  return governs ? applied_in(stores, partitions) : lost(partitions);
}

Condition condition(const char* type, const Outcome& outcome, const Identity& identity) {
  return {.type = type,
          .holds = outcome.holds,
          .reason = outcome.reason,
          .message = outcome.message,
          .observed_generation = identity.generation};
}

/// What this instance runs for the policy, from its stores.
InstanceStatus instance_status(const std::string& policy, const std::vector<StorePlaces>& stores,
                               const std::string& instance) {
  InstanceStatus status{.instance = instance};
  std::int64_t entries = 0;
  for (const auto& [store, places] : stores) {
    const PartitionReport* running = running_in(store, policy);
    if (running == nullptr) continue;
    if (status.strategy.empty()) {
      status.strategy = cmap::to_string(running->map.strategy);
      status.shards = static_cast<std::int64_t>(running->map.shards);
    }
    if (store.is_mirror()) entries += static_cast<std::int64_t>(running->map.entries);
    const auto& last = running->last_migration;
    if (!last || (status.last_migration && *status.last_migration >= last->ended)) continue;
    status.last_migration = last->ended;
    status.migration_milliseconds = last->milliseconds;
    status.reads_per_second_before = last->reads_per_second_before;
    status.reads_per_second_after = last->reads_per_second_after;
    status.p99_before_nanoseconds = last->p99_before_nanoseconds;
    status.p99_after_nanoseconds = last->p99_after_nanoseconds;
  }
  if (!status.strategy.empty()) status.entries = entries;
  return status;
}

PolicyView describe_one(const KnownPolicy& policy, const std::vector<StorePlaces>& stores,
                        const std::vector<Policy>& ranked, const std::string& instance) {
  PolicyView view{.identity = policy.identity,
                  .accepted = policy.verdict == Verdict::kAccepted,
                  .spec = policy.spec,
                  .rank = {},
                  .status = {}};
  if (policy.in_force) {
    const auto at = std::ranges::find(ranked, policy.identity.name,
                                      [](const Policy& p) { return p.identity.name; });
    const auto rank = static_cast<std::size_t>(at - ranked.begin());
    view.rank = rank + 1;
    view.partitions = partitions_of(stores, rank, ranked);
  }
  const Outcome acceptance = accepted(policy);
  const Outcome application = applied(policy, acceptance, stores, view.partitions);
  Status& status = view.status;
  status.observed_generation = policy.identity.generation;
  status.conditions = {
      condition("Accepted", acceptance, policy.identity),
      condition("Applied", application, policy.identity),
      condition("Ready", acceptance.holds ? application : acceptance, policy.identity)};
  InstanceStatus ours = instance_status(policy.identity.name, stores, instance);
  status.active_strategy = ours.strategy;
  status.entries = ours.entries;
  status.instances = {std::move(ours)};
  return view;
}

}  // namespace

std::vector<PolicyView> describe(const PolicySet& set, const std::vector<StoreView>& stores,
                                 const std::string& instance) {
  std::vector<StorePlaces> placed;
  placed.reserve(stores.size());
  for (const StoreView& store : stores) {
    placed.push_back({store, places(set.ranked(), store.resource)});
  }
  std::vector<PolicyView> views;
  views.reserve(set.known().size());
  for (const KnownPolicy& policy : set.known()) {
    views.push_back(describe_one(policy, placed, set.ranked(), instance));
  }
  std::ranges::sort(views, [](const PolicyView& a, const PolicyView& b) {
    constexpr std::size_t kLast = static_cast<std::size_t>(-1);
    return std::pair(a.rank.value_or(kLast), std::string_view(a.identity.name)) <
           std::pair(b.rank.value_or(kLast), std::string_view(b.identity.name));
  });
  return views;
}

}  // namespace podkeeper::policy
