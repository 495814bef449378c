#include "pkg/base/panic.h"
#include "pkg/state/store.h"
#include "pkg/state/store_state.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::state {
namespace {

/// Which part of which index can hold the matches of a query: texts in [lower, upper) of one group.
struct Range {
  bool by_node = false;
  std::string node;
  std::string lower;
  std::optional<std::string> upper;  ///< none: to the end

  void begin_at(std::string text) {
    if (lower < text) lower = std::move(text);
  }
  void end_before(std::string text) {
    if (!upper || text < *upper) upper = std::move(text);
  }
  [[nodiscard]] bool has(std::string_view text) const {
    return text >= lower && (!upper || text < *upper);
  }
  [[nodiscard]] bool empty() const { return upper && *upper <= lower; }
};

/// The least text after `text`, as in upstream's continue tokens.
std::string just_after(std::string text) { return std::move(text) + '\0'; }

Range plan(bool namespaced, const ListQuery& query) {
  Range range;
  const auto within_namespace = [&range](const std::string& ns) {
    range.begin_at(ns + "/");
    range.end_before(ns + static_cast<char>('/' + 1));
  };
  const std::string* ns = query.fields.required("metadata.namespace");
  if (!query.namespace_.empty()) within_namespace(query.namespace_);
  if (ns != nullptr && namespaced) within_namespace(*ns);
  if (!query.start_after.empty()) range.begin_at(just_after(query.start_after));

  const std::string* name = query.fields.required("metadata.name");
  const std::string* owner = !query.namespace_.empty() ? &query.namespace_ : ns;
  if (name != nullptr && (owner != nullptr || !namespaced)) {
    std::string key = namespaced ? *owner + "/" + *name : *name;
    range.begin_at(key);
    range.end_before(just_after(std::move(key)));
  }
  const std::string* node = query.fields.required("spec.nodeName");
  if (node != nullptr && !node->empty()) {
    range.by_node = true;
    range.node = *node;
  }
  return range;
}

/// What the store held at an older revision, where that differs from the root: in key order, null
/// for what was absent.
using Overlay = std::vector<std::pair<std::string_view, const Record*>>;

struct Undo {
  Overlay overlay;         ///< of the range's keys
  std::uint64_t position;  ///< of the first change after the older revision
};

base::Result<Undo> undo(const base::Epoch::Guard& guard, const EventLog& log, const Root& root,
                        const Range& range, kube::Revision at) {
  Undo result{.overlay = {}, .position = root.log_next};
  Overlay earliest;
  auto seen = log.visit(guard, at, root.log_next, [&](const Event& event) {
    result.position = std::min(result.position, event.index);
    const std::string_view key = event.object->key_text();
    if (range.has(key)) earliest.emplace_back(key, event.previous.get());
  });
  if (!seen) return seen.error();
  // Of a key's several changes, what the first one replaced is what was there.
  std::vector<std::size_t> order(earliest.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(earliest[i].first, i); });
  Overlay& kept = result.overlay;
  for (const std::size_t i : order) {
    if (kept.empty() || kept.back().first != earliest[i].first) kept.push_back(earliest[i]);
  }
  return result;
}

bool within_gap(const Root& root, kube::Revision at) {
  return root.gaps && std::ranges::any_of(*root.gaps, [at](const Gap& gap) {
           return gap.after < at && at < gap.before;
         });
}

/// Walks a range in key order, with older content laid over the root's.
class Walk {
 public:
  Walk(const Root& root, const Range& range, const Overlay& overlay)
      : range_(range),
        overlay_(overlay),
        view_(range.by_node ? root.nodes() : root.keys()),
        cursor_(view_.seek({range.node, range.lower})) {}

  /// The next record, or null at the end.
  const Record* next() {
    while (true) {
      const Record* present = present_record();
      const bool laid = laid_ < overlay_.size() &&
                        (present == nullptr || overlay_[laid_].first <= present->key_text());
      if (!laid) {
        if (present != nullptr) cursor_.next();
        return present;
      }
      const auto& [key, record] = overlay_[laid_++];
      if (present != nullptr && present->key_text() == key) cursor_.next();
      if (record != nullptr) return record;
    }
  }

 private:
  [[nodiscard]] const Record* present_record() const {
    const Record* record = cursor_.get();
    if (record == nullptr) return nullptr;
    if (range_.by_node && record->node() != range_.node) return nullptr;
    return range_.has(record->key_text()) ? record : nullptr;
  }

  const Range& range_;
  const Overlay& overlay_;
  IndexView view_;
  IndexView::Cursor cursor_;
  std::size_t laid_ = 0;
};

/// How many records of the range come after `last`.
std::int64_t count_after(const Root& root, const Range& range, const Overlay& overlay,
                         std::string_view last) {
  const IndexView keys = root.keys();
  const std::string begin = just_after(std::string(last));
  const std::size_t end =
      range.upper ? keys.count_before({.group = {}, .text = *range.upper}) : keys.size();
  auto count = static_cast<std::int64_t>(end - keys.count_before({.group = {}, .text = begin}));
  for (const auto& [key, record] : overlay) {
    if (key < begin) continue;
    const bool present = keys.find({.group = {}, .text = key}) != nullptr;
    count += (record != nullptr ? 1 : 0) - (present ? 1 : 0);
  }
  return count;
}

void collect(const Root& root, const Range& range, const Overlay& overlay, const ListQuery& query,
             ListResult& result) {
  const bool select = !query.labels.empty() || !query.fields.empty();
  const auto limit = query.limit > 0 ? static_cast<std::size_t>(query.limit)
                                     : std::numeric_limits<std::size_t>::max();
  Walk walk(root, range, overlay);
  if (!select && overlay.empty()) {
    const IndexView keys = root.keys();
    const std::size_t end = range.upper ? keys.count_before({{}, *range.upper}) : keys.size();
    result.records.reserve(std::min(limit, end - keys.count_before({{}, range.lower})));
  }
  while (const Record* record = walk.next()) {
    const kube::Object& object = record->object();
    if (select && !(query.labels.matches(object.labels) && query.fields.matches(object))) continue;
    if (result.records.size() == limit) {
      result.more = true;
      break;
    }
    result.records.emplace_back(record);
  }
  if (select) return;
  result.remaining =
      result.more ? count_after(root, range, overlay, result.records.back()->key_text()) : 0;
}

/// A proof for one resource and namespace does not open another.
void check_scope(const access::AuthorizedRead& allowed, std::string_view plural_group,
                 std::string_view namespace_) {
  const access::ReadScope& scope = allowed.scope();
  PK_CHECK(scope.plural_group == plural_group, "a read needs a proof for its own resource");
  PK_CHECK(scope.namespace_.empty() || scope.namespace_ == namespace_,
           "a read needs a proof for its own namespace");
}

}  // namespace

const kube::Resource& Reader::resource() const noexcept { return store_->state_->options.resource; }

Freshness Reader::freshness() const {
  const base::Epoch::Guard guard;
  return store_->state_->freshness(store_->state_->current(guard));
}

Freshness Store::State::freshness(const Root& of) const {
  if (!of.synced) return {.revision = of.revision};
  const auto last = std::max(of.evidence, confirmed.load(std::memory_order_relaxed));
  return {of.revision, std::max(clock.now() - last, base::Duration{}), of.synced};
}

RecordRef Reader::get(access::AuthorizedRead allowed, const kube::ObjectKey& key) const {
  const Store::State& s = *store_->state_;
  check_scope(allowed, s.plural_group, key.namespace_);
  const std::string text = to_string(key);
  const base::Epoch::Guard guard;
  return RecordRef(s.map.find(guard, cmap::make_key(text)));
}

base::Result<ListResult> Reader::list(access::AuthorizedRead allowed,
                                      const ListQuery& query) const {
  auto listed = list_and_position(std::move(allowed), query);
  if (!listed) return std::move(listed.error());
  return std::move(listed->list);
}

base::Result<Reader::ListAndPosition> Reader::list_and_position(access::AuthorizedRead allowed,
                                                                const ListQuery& query) const {
  const Store::State& s = *store_->state_;
  check_scope(allowed, s.plural_group, query.namespace_);
  const Range range = plan(s.namespaced.load(std::memory_order_relaxed), query);
  const base::Epoch::Guard guard;
  const Root& root = s.current(guard);
  ListAndPosition result;
  result.list.freshness = s.freshness(root);
  result.position = root.log_next;
  Overlay overlay;
  if (query.at && *query.at != root.revision) {
    if (*query.at > root.revision) {
      return base::Error{base::ErrorCode::kTimeout,
                         "Too large resource version: " + to_string(*query.at) +
                             ", current: " + to_string(root.revision)};
    }
    if (within_gap(root, *query.at)) {
      return base::Error{base::ErrorCode::kExpired,
                         "The resourceVersion for the provided list is too old."};
    }
    auto undone = undo(guard, s.log, root, range, *query.at);
    if (!undone) return std::move(undone.error());
    overlay = std::move(undone->overlay);
    result.list.freshness.revision = *query.at;
    result.position = undone->position;
  }
  if (range.empty()) {
    if (query.labels.empty() && query.fields.empty()) result.list.remaining = 0;
    return result;
  }
  collect(root, range, overlay, query, result.list);
  return result;
}

base::Result<std::uint64_t> Reader::watch_from(access::AuthorizedRead allowed,
                                               kube::Revision revision) const {
  const Store::State& s = *store_->state_;
  PK_CHECK(allowed.scope().plural_group == s.plural_group,
           "a read needs a proof for its own resource");
  {
    const base::Epoch::Guard guard;
    const Root& root = s.current(guard);
    if (revision > root.revision && revision <= root.lost) {
      return base::Error{base::ErrorCode::kExpired,
                         "too old resource version: " + to_string(revision) +
                             " is of a history that a restore of upstream took back"};
    }
    if (within_gap(root, revision)) {
      return base::Error{base::ErrorCode::kExpired,
                         "too old resource version: " + to_string(revision) +
                             " lies between two lists of upstream"};
    }
  }
  return s.log.after(revision);
}

base::Result<std::vector<EventRef>> Reader::events(access::AuthorizedRead allowed,
                                                   std::uint64_t position, std::size_t max) const {
  const Store::State& s = *store_->state_;
  PK_CHECK(allowed.scope().plural_group == s.plural_group,
           "a read needs a proof for its own resource");
  // What is logged is not in the map and the root yet: who acted on it would act on the state
  // before, and hear of it no second time.
  const base::Epoch::Guard guard;
  const std::uint64_t end = s.current(guard).log_next;
  return s.log.read(position, position < end ? std::min<std::uint64_t>(max, end - position) : 0);
}

runtime::WakeupList::Subscription Reader::subscribe(runtime::Wakeup& wakeup) const {
  return store_->state_->wakeups.subscribe(wakeup);
}

}  // namespace podkeeper::state
