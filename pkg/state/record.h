#pragma once

#include "pkg/cmap/record.h"
#include "pkg/kube/object.h"
#include "pkg/state/partitioned_map.h"

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace podkeeper::state {

/// One object of the mirror: what kube decoded, with its key and seeded hash. Immutable, shared by
/// the map, the ordered indexes, the event log and the answers under way. One cache line, the key's
/// bytes right behind it; a key too long for a slab's block stays in the object.
class Record final : public cmap::Record {
 public:
  [[nodiscard]] static base::Tail tail_for(const auto& object) noexcept {
    const std::size_t bytes = object->key_text.size();
    return {sizeof(Record) + bytes <= base::Slabs::kBlockBytesMax ? bytes : 0};
  }
  Record(base::Tail tail, std::unique_ptr<const kube::Object> object) : object_(std::move(object)) {
    std::string_view text = object_->key_text;
    if (tail.bytes != 0) {
      char* const behind = reinterpret_cast<char*>(this + 1);
      text.copy(behind, text.size());
      text = {behind, text.size()};
    }
    set_key(cmap::make_key(text),
            base::Slabs::block_bytes(sizeof(Record) + tail.bytes) + object_->bytes());
    if (const kube::PodFields* pod = object_->pod()) node_ = pod->node_name;
  }
  [[nodiscard]] const kube::Object& object() const noexcept { return *object_; }
  [[nodiscard]] Placement placement() const noexcept {
    return {object_->namespace_(), object_->labels};
  }
  /// The node a pod is bound to; empty for an unscheduled pod and for what is no pod.
  [[nodiscard]] std::string_view node() const noexcept { return node_; }
  /// The bytes allocated for it, the object's included.
  [[nodiscard]] std::size_t bytes() const noexcept { return byte_size(); }

 private:
  std::unique_ptr<const kube::Object> object_;
  std::string_view node_;
};
static_assert(sizeof(Record) == 64, "the head of a record is one cache line");
using RecordRef = base::Ref<const Record>;

}  // namespace podkeeper::state
