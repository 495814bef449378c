#include "pkg/state/resync.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace podkeeper::state {
namespace {

/// The LIST as records in key order, each key once. A paged LIST that continued on newer data may
/// show an object twice; the newer one counts.
std::vector<RecordRef> sorted_records(std::vector<std::unique_ptr<kube::Object>> objects,
                                      std::uint64_t& doubled) {
  std::vector<RecordRef> records;
  records.reserve(objects.size());
  for (auto& object : objects) records.push_back(base::make_ref<const Record>(std::move(object)));
  const auto before = [](const RecordRef& a, const RecordRef& b) {
    const auto order = a->key_text() <=> b->key_text();
    return order != 0 ? order < 0 : a->object().revision > b->object().revision;
  };
  if (!std::ranges::is_sorted(records, before)) std::ranges::sort(records, before);
  const auto rest = std::ranges::unique(records, [](const RecordRef& a, const RecordRef& b) {
    return a->key_text() == b->key_text();
  });
  doubled += rest.size();
  records.erase(rest.begin(), rest.end());
  return records;
}

/// Calls `only_held(held)`, `only_listed(listed)` or `both(held, listed)` for every key, in order.
template <class OnlyHeld, class OnlyListed, class Both>
void merge(IndexView held, std::vector<RecordRef>& listed, OnlyHeld only_held,
           OnlyListed only_listed, Both both) {
  IndexView::Cursor old = held.seek({});
  for (RecordRef& record : listed) {
    for (; old.get() != nullptr && old.get()->key_text() < record->key_text(); old.next()) {
      only_held(*old.get());
    }
    if (old.get() != nullptr && old.get()->key_text() == record->key_text()) {
      both(*old.get(), record);
      old.next();
    } else {
      only_listed(record);
    }
  }
  for (; old.get() != nullptr; old.next()) only_held(*old.get());
}

/// Whether a LIST at `revision` lacks a change that was seen at or below it.
bool of_another_history(IndexView held, std::vector<RecordRef>& listed, kube::Revision revision) {
  bool another = false;
  const auto no_proof = [](const auto&) {};
  merge(held, listed, no_proof, no_proof, [&](const Record& old, const RecordRef& now) {
    const kube::Revision seen = old.object().revision;
    another |= now->object().revision < seen && seen <= revision;
  });
  return another;
}

class Differ {
 public:
  Differ(kube::Revision revision, kube::Revision seen, bool restored)
      : revision_(revision), seen_(seen), restored_(restored) {}

  void only_held(const Record& held) { deletions_.push_back({kDeleted, revision_, {}, &held}); }

  void only_listed(RecordRef listed) {
    changes_.push_back({kAdded, listed->object().revision, listed, nullptr});
    content_.push_back(std::move(listed));
  }

  void both(const Record& held, RecordRef listed) {
    const kube::Object& old = held.object();
    const kube::Object& now = listed->object();
    if (old.uid == now.uid && old.revision == now.revision && old.body == now.body) {
      content_.emplace_back(&held);
      return;
    }
    if (now.revision < old.revision && !restored_) {
      ++stale_;
      content_.emplace_back(&held);
      return;
    }
    if (old.uid == now.uid) {
      changes_.push_back({kModified, now.revision, listed, &held});
    } else {
      // It was deleted some time before the new one was made, but after what was seen.
      const bool at_once = now.revision.value <= seen_.value + 1;
      const kube::Revision gone{now.revision.value - (at_once ? 0 : 1)};
      changes_.push_back({kDeleted, gone, {}, &held});
      changes_.push_back({kAdded, now.revision, listed, nullptr});
    }
    content_.push_back(std::move(listed));
  }

  Resync finish(std::uint64_t doubled) {
    std::ranges::sort(changes_, {}, [](const ResyncChange& change) {
      return std::pair(change.revision, change.type != kDeleted);
    });
    std::ranges::move(deletions_, std::back_inserter(changes_));
    const kube::WatchProof proof = what_is_proved();
    return {.changes = std::move(changes_),
            .content = std::move(content_),
            .stale = stale_ + doubled,
            .proof = proof};
  }

 private:
  using enum kube::EventType;

  [[nodiscard]] kube::WatchProof what_is_proved() const {
    if (restored_) return kube::WatchProof::kRestored;
    const bool untold = std::ranges::any_of(
        changes_, [&](const ResyncChange& change) { return change.revision <= seen_; });
    return untold ? kube::WatchProof::kUntold : kube::WatchProof::kNone;
  }

  const kube::Revision revision_;
  const kube::Revision seen_;
  const bool restored_;
  std::vector<ResyncChange> changes_;
  std::vector<ResyncChange> deletions_;
  std::vector<RecordRef> content_;
  std::uint64_t stale_ = 0;
};

}  // namespace

Resync diff(IndexView held, std::vector<std::unique_ptr<kube::Object>> objects,
            kube::Revision revision, kube::Revision seen) {
  std::uint64_t doubled = 0;
  std::vector<RecordRef> listed = sorted_records(std::move(objects), doubled);
  Differ differ(revision, seen, revision < seen || of_another_history(held, listed, revision));
  merge(
      held, listed, [&](const Record& old) { differ.only_held(old); },
      [&](RecordRef& now) { differ.only_listed(std::move(now)); },
      [&](const Record& old, RecordRef& now) { differ.both(old, std::move(now)); });
  return differ.finish(doubled);
}

}  // namespace podkeeper::state
