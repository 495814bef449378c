#include "pkg/state/pod_states.h"

#include "pkg/base/panic.h"

#include <algorithm>
#include <compare>
#include <tuple>
#include <utility>

namespace podkeeper::state {
namespace {

std::int64_t sort_value(PodSort sort, const PodState& state) {
  switch (sort) {
    case PodSort::kKey:
      return 0;
    case PodSort::kCreatedAt:
      return state.created_at();
    case PodSort::kLastTransitionAt:
      return state.last_transition_at;
    case PodSort::kRestarts:
      return state.restarts();
  }
  return 0;
}

/// A match, with what it is ordered by at hand. The pointer is good under the list's guard.
struct Match {
  std::int64_t value;
  const PodStateRecord* record;
};

/// The order of a list: by value, then by key; descending turns both.
class Before {
 public:
  explicit Before(const PodStateQuery& query) : descending_(query.descending) {}
  bool operator()(const Match& a, const Match& b) const {
    return compare(a.value, a.record->key_text(), b.value, b.record->key_text()) < 0;
  }
  [[nodiscard]] bool follows(const Match& match, const PodPosition& position) const {
    return compare(match.value, match.record->key_text(), position.value, position.key) > 0;
  }

 private:
  [[nodiscard]] std::strong_ordering compare(std::int64_t a, std::string_view a_key, std::int64_t b,
                                             std::string_view b_key) const {
    const std::strong_ordering order = a != b ? a <=> b : a_key <=> b_key;
    return descending_ ? 0 <=> order : order;
  }
  bool descending_;
};

bool matches(const PodStateQuery& query, const PodState& state) {
  return (query.namespace_.empty() || query.namespace_ == state.namespace_()) &&
         (query.node.empty() || query.node == state.node()) &&
         (query.phase.empty() || query.phase == state.phase()) &&
         (query.labels.empty() || query.labels.matches(state.labels())) &&
         (query.fields.empty() || query.fields.matches(state.object()));
}

void check_scope(const access::AuthorizedRead& allowed, std::string_view namespace_) {
  const access::ReadScope& scope = allowed.scope();
  PK_CHECK(scope.plural_group == "pods", "pod states are read with a proof for pods");
  PK_CHECK(scope.namespace_.empty() || scope.namespace_ == namespace_,
           "a read needs a proof for its own namespace");
}

}  // namespace

const char* to_string(StuckReason reason) noexcept {
  switch (reason) {
    case StuckReason::kNone:
      return "";
    case StuckReason::kPending:
      return "Pending";
    case StuckReason::kContainerCreating:
      return "ContainerCreating";
    case StuckReason::kTerminating:
      return "Terminating";
  }
  return "";
}

bool operator==(const PodState& a, const PodState& b) noexcept {
  const auto outcome = [](const PodState& s) {
    return std::tuple(s.pod.get(), s.reason, s.ready, s.terminating, s.node_lost, s.stuck,
                      s.last_transition_at, s.expires_at);
  };
  return outcome(a) == outcome(b);
}

bool terminal(const kube::PodFields& fields) noexcept {
  return fields.phase == "Succeeded" || fields.phase == "Failed";
}

PodStateRecord::PodStateRecord(PodState state) : state_(std::move(state)) {
  PK_CHECK(state_.pod && state_.object().pod() != nullptr, "a pod state needs its pod's record");
  set_key(state_.pod->key(), base::Slabs::block_bytes(sizeof(PodStateRecord)));
}

std::optional<PodSort> parse_pod_sort(std::string_view text) noexcept {
  if (text.empty() || text == "name") return PodSort::kKey;
  if (text == "createdAt") return PodSort::kCreatedAt;
  if (text == "lastTransitionAt") return PodSort::kLastTransitionAt;
  if (text == "restarts") return PodSort::kRestarts;
  return std::nullopt;
}

PodStateRef PodStates::get(access::AuthorizedRead allowed, const kube::ObjectKey& key) const {
  check_scope(allowed, key.namespace_);
  const std::string text = to_string(key);
  const base::Epoch::Guard guard;
  return PodStateRef(map_.find(guard, cmap::make_key(text)));
}

PodStateList PodStates::list(access::AuthorizedRead allowed, const PodStateQuery& query) const {
  check_scope(allowed, query.namespace_);
  const Before before(query);
  const base::Epoch::Guard guard;
  std::vector<Match> found;
  map_.for_each(guard, [&](const PodStateRecord& record) {
    if (!matches(query, record.state())) return;
    const Match match{sort_value(query.sort, record.state()), &record};
    if (!query.start_after || before.follows(match, *query.start_after)) found.push_back(match);
  });
  std::size_t page = found.size();
  if (query.limit > 0) page = std::min(page, static_cast<std::size_t>(query.limit));
  const auto end = found.begin() + static_cast<std::ptrdiff_t>(page);
  std::partial_sort(found.begin(), end, found.end(), before);

  PodStateList list;
  list.states.reserve(page);
  for (auto match = found.begin(); match != end; ++match) list.states.emplace_back(match->record);
  list.remaining = static_cast<std::int64_t>(found.size() - page);
  if (list.remaining > 0) {
    const Match& last = *(end - 1);
    list.next = PodPosition{last.value, std::string(last.record->key_text())};
  }
  return list;
}

}  // namespace podkeeper::state
