#pragma once

#include "pkg/base/clock.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace podkeeper::runtime {

/// Payloads by due time, the earliest first, those of one time in the order they were added. A
/// binary heap over numbered slots, so that a payload can be taken out by its id. Ids are never 0
/// and not reused before 2^32 uses of one slot. add, take and pop are O(log n); a payload that is
/// never due (MonotonicTime::max()) costs O(1). Not thread-safe.
template <class Payload>
class TimerHeap {
 public:
  std::uint64_t add(base::MonotonicTime when, Payload payload) {
    std::uint32_t slot = 0;
    if (free_.empty()) {
      slot = static_cast<std::uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].payload.emplace(std::move(payload));
    heap_.push_back(Node{when, next_order_++, slot});
    slots_[slot].position = heap_.size() - 1;
    up(heap_.size() - 1);
    return id_of(slot);
  }

  /// The payload of `id`, out of the heap; empty when it is no longer there.
  std::optional<Payload> take(std::uint64_t id) {
    const auto slot = static_cast<std::uint32_t>(id);
    if (slot >= slots_.size() || !slots_[slot].payload || id_of(slot) != id) return std::nullopt;
    return remove(slots_[slot].position);
  }

  /// When the earliest is due; max() when nothing is.
  [[nodiscard]] base::MonotonicTime next() const {
    return heap_.empty() ? base::MonotonicTime::max() : heap_.front().when;
  }
  /// The earliest, out of the heap; must not be empty.
  Payload pop() { return *remove(0); }

  [[nodiscard]] std::size_t size() const { return heap_.size(); }
  [[nodiscard]] bool empty() const { return heap_.empty(); }

  /// Every payload, out of the heap, in no particular time order.
  std::vector<Payload> take_all() {
    std::vector<Payload> all;
    while (!heap_.empty()) all.push_back(*remove(heap_.size() - 1));
    return all;
  }

 private:
  struct Node {
    base::MonotonicTime when;
    std::uint64_t order;
    std::uint32_t slot;
    bool operator<(const Node& other) const {
      return when != other.when ? when < other.when : order < other.order;
    }
  };
  struct Slot {
    std::optional<Payload> payload;
    std::size_t position = 0;
    std::uint32_t generation = 1;
  };

  [[nodiscard]] std::uint64_t id_of(std::uint32_t slot) const {
    return (std::uint64_t{slots_[slot].generation} << 32) | slot;
  }

  void place(std::size_t position, Node node) {
    slots_[node.slot].position = position;
    heap_[position] = node;
  }

  void up(std::size_t position) {
    const Node node = heap_[position];
    while (position > 0 && node < heap_[(position - 1) / 2]) {
      place(position, heap_[(position - 1) / 2]);
      position = (position - 1) / 2;
    }
    place(position, node);
  }

  void down(std::size_t position) {
    const Node node = heap_[position];
    for (;;) {
      std::size_t child = 2 * position + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && heap_[child + 1] < heap_[child]) ++child;
      if (!(heap_[child] < node)) break;
      place(position, heap_[child]);
      position = child;
    }
    place(position, node);
  }

  std::optional<Payload> remove(std::size_t position) {
    const std::uint32_t slot = heap_[position].slot;
    std::optional<Payload> payload = std::exchange(slots_[slot].payload, std::nullopt);
    slots_[slot].generation = std::max<std::uint32_t>(slots_[slot].generation + 1, 1);
    free_.push_back(slot);
    const Node last = heap_.back();
    heap_.pop_back();
    if (position < heap_.size()) {
      place(position, last);
      up(position);
      down(slots_[last.slot].position);
    }
    return payload;
  }

  std::vector<Node> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t next_order_ = 0;
};

}  // namespace podkeeper::runtime
