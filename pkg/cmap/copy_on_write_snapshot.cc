#include "pkg/base/epoch.h"
#include "pkg/cmap/copy_on_write_map.h"
#include "pkg/cmap/copy_on_write_view.h"
#include "pkg/cmap/counted_lock.h"

#include <memory>
#include <utility>

namespace podkeeper::cmap {

CopyOnWriteMap::Snapshot CopyOnWriteMap::snapshot() const {
  auto view = std::make_unique<View>();
  view->map = this;
  for (;;) {
    view->log2 = directory().log2();
    view->words = std::make_unique_for_overwrite<std::uintptr_t[]>(std::size_t{1} << view->log2);
    CountedLock lock(mutex_, counters_);
    const bool taken = flag_.write([&]() PK_NO_THREAD_SAFETY_ANALYSIS { return take_into(*view); });
    if (taken) return Snapshot(std::move(view));
  }
}

bool CopyOnWriteMap::take_into(View& view) const {
  const VersionedDirectory all = directory();
  if (all.log2() != view.log2) return false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    view.words[i] = all[i].load(std::memory_order_relaxed);
  }
  view.entries = size();
  view.version = version_++;
  view.older = newest_;
  if (newest_ != nullptr) newest_->newer = &view;
  newest_ = &view;
  bytes_ += view.bytes();
  return true;
}

void CopyOnWriteMap::release(View& view) const {
  VersionedSegment* left = nullptr;
  {
    CountedLock lock(mutex_, counters_);
    (view.newer != nullptr ? view.newer->older : newest_) = view.older;
    if (view.older != nullptr) view.older->newer = view.newer;
    while (view.waiting != nullptr) {
      VersionedSegment& segment = *std::exchange(view.waiting, view.waiting->next);
      View* older = view.older;
      const bool still_shown = older != nullptr && older->version >= segment.birth;
      VersionedSegment*& to = still_shown ? older->waiting : left;
      segment.next = std::exchange(to, &segment);
      if (!still_shown) bytes_ -= segment.bytes();
    }
    bytes_ -= view.bytes();
  }
  while (left != nullptr) {
    VersionedSegment* one = std::exchange(left, left->next);
    base::Epoch::retire(one, VersionedSegment::free, one->bytes());
  }
}

CopyOnWriteMap::Snapshot::Snapshot(std::unique_ptr<View> view) noexcept : view_(std::move(view)) {}
CopyOnWriteMap::Snapshot::Snapshot(Snapshot&& other) noexcept = default;
CopyOnWriteMap::Snapshot& CopyOnWriteMap::Snapshot::operator=(Snapshot&& other) noexcept {
  view_.swap(other.view_);
  return *this;
}
CopyOnWriteMap::Snapshot::~Snapshot() {
  if (view_) view_->map->release(*view_);
}

const Record* CopyOnWriteMap::Snapshot::find(const Key& key) const noexcept {
  const std::uint64_t hash = view_->map->placement_(key);
  return VersionedSegment::find(view_->words[VersionedDirectory::index(hash, view_->log2)], hash,
                                key);
}

void CopyOnWriteMap::Snapshot::for_each(const std::function<void(const Record&)>& visit) const {
  VersionedDirectory::each(
      view_->log2, [this](std::size_t i) { return view_->words[i]; },
      [&visit](std::uintptr_t word) { VersionedSegment::each(word, visit); });
}

std::size_t CopyOnWriteMap::Snapshot::size() const noexcept { return view_->entries; }

}  // namespace podkeeper::cmap
