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

class Differ {
 public:
  Differ(kube::Revision revision, bool restored) : revision_(revision), restored_(restored) {}

  void only_held(const Record& held) { deletions_.push_back({kDeleted, revision_, {}, &held}); }

  void only_listed(RecordRef listed) {
    changes_.push_back({kAdded, listed->object().revision, listed, nullptr});
    content_.push_back(std::move(listed));
  }

  void both(const Record& held, RecordRef listed) {
    const kube::Object& old = held.object();
    const kube::Object& now = listed->object();
    // A restored upstream gives revisions out a second time: there only equal bytes are the same.
    if (old.uid == now.uid && old.revision == now.revision &&
        (!restored_ || old.body == now.body)) {
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
      // It was deleted some time before the new one was made, so before the new one's revision.
      const kube::Revision gone{now.revision.value == 0 ? 0 : now.revision.value - 1};
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
    return {std::move(changes_), std::move(content_), stale_ + doubled};
  }

 private:
  using enum kube::EventType;
  const kube::Revision revision_;
  const bool restored_;
  std::vector<ResyncChange> changes_;
  std::vector<ResyncChange> deletions_;
  std::vector<RecordRef> content_;
  std::uint64_t stale_ = 0;
};

}  // namespace

Resync diff(IndexView held, std::vector<std::unique_ptr<kube::Object>> objects,
            kube::Revision revision, bool restored) {
  std::uint64_t doubled = 0;
  std::vector<RecordRef> listed = sorted_records(std::move(objects), doubled);
  Differ differ(revision, restored);
  IndexView::Cursor old = held.seek({});
  for (RecordRef& record : listed) {
    while (old.get() != nullptr && old.get()->key_text() < record->key_text()) {
      differ.only_held(*old.get());
      old.next();
    }
    if (old.get() != nullptr && old.get()->key_text() == record->key_text()) {
      differ.both(*old.get(), std::move(record));
      old.next();
    } else {
      differ.only_listed(std::move(record));
    }
  }
  for (; old.get() != nullptr; old.next()) differ.only_held(*old.get());
  return differ.finish(doubled);
}

}  // namespace podkeeper::state
