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
         (query.labels.empty() || query.labels.matches(state.labels())) &&
         (query.fields.empty() || query.fields.matches(state.object()));
}

/// Gathers what matches a query and cuts the page out of it. Records are good under the list's
/// guard.
class Page {
 public:
  explicit Page(const PodStateQuery& query) : query_(query), before_(query) {}

  void offer(const PodStateRecord& record) {
    if (!matches(query_, record.state())) return;
    const Match match{sort_value(query_.sort, record.state()), &record};
    if (!query_.start_after || before_.follows(match, *query_.start_after)) found_.push_back(match);
  }

  PodStateList finish() {
    std::size_t page = found_.size();
    if (query_.limit > 0) page = std::min(page, static_cast<std::size_t>(query_.limit));
    const auto end = found_.begin() + static_cast<std::ptrdiff_t>(page);
    std::partial_sort(found_.begin(), end, found_.end(), before_);

    PodStateList list;
    list.states.reserve(page);
    for (auto match = found_.begin(); match != end; ++match) {
      list.states.emplace_back(match->record);
    }
    list.remaining = static_cast<std::int64_t>(found_.size() - page);
    if (list.remaining > 0) {
      const Match& last = *(end - 1);
      list.next = PodPosition{last.value, std::string(last.record->key_text())};
    }
    return list;
  }

 private:
  const PodStateQuery& query_;
  const Before before_;
  std::vector<Match> found_;
};

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
  Page page(query);
  const base::Epoch::Guard guard;
  map_.for_each(guard, [&](const PodStateRecord& record) { page.offer(record); });
  return page.finish();
}

PodStateList PodStates::list_among(access::AuthorizedRead allowed, const PodStateQuery& query,
                                   std::span<const RecordRef> pods) const {
  check_scope(allowed, query.namespace_);
  std::vector<cmap::Key> keys;
  keys.reserve(pods.size());
  for (const RecordRef& pod : pods) keys.push_back(pod->key());
  std::vector<const cmap::Record*> found(keys.size());
  Page page(query);
  const base::Epoch::Guard guard;
  map_.find_many(guard, keys, found);
  for (const cmap::Record* record : found) {
    if (record != nullptr) page.offer(static_cast<const PodStateRecord&>(*record));
  }
  return page.finish();
}

}  // namespace podkeeper::state
