#include "pkg/cmap/versioned_segment.h"

#include "pkg/base/panic.h"
#include "pkg/base/ref.h"

#include <new>
#include <string>

namespace podkeeper::cmap {
namespace {

constexpr auto kLine = std::align_val_t{64};

}  // namespace

VersionedSegment::Ptr VersionedSegment::make(unsigned log2) {
  PK_CHECK(log2 <= kLog2Max, "a segment of 2^" + std::to_string(log2) + " buckets: at most 2^" +
                                 std::to_string(kLog2Max));
  void* memory = ::operator new(sizeof(VersionedSegment) + (sizeof(Bucket) << log2), kLine);
  Ptr segment(new (memory) VersionedSegment());
  segment->log2 = log2;
  std::uninitialized_value_construct_n(buckets(segment->word()).first, std::size_t{1} << log2);
  return segment;
}

void VersionedSegment::free(const void* segment) noexcept {
  auto* mine = static_cast<VersionedSegment*>(const_cast<void*>(segment));
  if (mine == nullptr) return;
  if (mine->owns_records) {
    each(mine->word(), [](const Record& record) { (void)base::Ref<const Record>::adopt(&record); });
  }
  ::operator delete(mine, kLine);
}

void VersionedSegment::erase(const Buckets::Place& at) noexcept {
  at.word().store(0, std::memory_order_release);
  Buckets::free_tag(at);
  --entries;
  if (!at.displaced) return;
  tombstones.store(tombstones.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

VersionedDirectory VersionedDirectory::make(unsigned log2) {
  PK_CHECK(log2 <= kLog2Max, "a directory of 2^" + std::to_string(log2) + " entries: at most 2^" +
                                 std::to_string(kLog2Max));
  const std::size_t size = std::size_t{1} << log2;
  auto* memory = static_cast<std::atomic<std::uintptr_t>*>(
      ::operator new(size * sizeof(std::atomic<std::uintptr_t>), kLine));
  std::uninitialized_value_construct_n(memory, size);
  return VersionedDirectory(reinterpret_cast<std::uintptr_t>(memory) | log2);
}

void VersionedDirectory::free(const void* memory) noexcept {
  ::operator delete(const_cast<void*>(memory), kLine);
}

}  // namespace podkeeper::cmap
