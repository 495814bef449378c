#include "pkg/cmap/segment.h"

#include "pkg/base/epoch.h"

#include <memory>
#include <new>

namespace podkeeper::cmap {

Segment* Segment::make(unsigned depth, unsigned log2) {
  const std::size_t buckets = std::size_t{1} << log2;
  void* memory = ::operator new(sizeof(Segment) + buckets * sizeof(Bucket),
                                std::align_val_t{alignof(Segment)});
  auto* segment = new (memory) Segment(depth, log2);
  std::uninitialized_value_construct_n(reinterpret_cast<Bucket*>(segment + 1), buckets);
  return segment;
}

void Segment::destroy(const Segment* segment) noexcept {
  segment->~Segment();
  ::operator delete(const_cast<Segment*>(segment), std::align_val_t{alignof(Segment)});
}

Spare::Spare(const Replacement& plan, unsigned depth) : plan_(plan), depth_(depth) {
  const bool split = plan.kind == Replacement::Kind::kSplit;
  const bool merge = plan.kind == Replacement::Kind::kMerge;
  const unsigned fresh_depth = split ? depth + 1 : merge ? depth - 1 : depth;
  for (std::size_t i = 0; i < (split ? 2 : 1); ++i) {
    fresh_[i].reset(Segment::make(fresh_depth, plan.log2[i]));
  }
  if (plan.node) node_ = std::make_unique<DirectoryNode>();
}

void Spare::retire() && {
  for (Owned& old : old_) {
    if (old == nullptr) continue;
    const std::size_t bytes = old->bytes();
    base::Epoch::retire(
        old.release(),
        [](const void* memory) { Segment::destroy(static_cast<const Segment*>(memory)); }, bytes);
  }
  if (old_node_ != nullptr) {
    base::Epoch::retire(
        old_node_.release(),
        [](const void* memory) { delete static_cast<const DirectoryNode*>(memory); },
        sizeof(DirectoryNode));
  }
}

}  // namespace podkeeper::cmap
