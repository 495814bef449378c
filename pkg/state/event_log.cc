#include "pkg/state/event_log.h"

#include "pkg/base/panic.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <limits>
#include <new>
#include <string>
#include <utility>

namespace podkeeper::state {
namespace {

/// Empty slots, of which those never used take no memory: the kernel gives zeroed pages when they
/// are touched, so a store of few changes does not pay for a ring of many.
class Slots {
 public:
  explicit Slots(std::size_t count)
      : slots_(static_cast<const Event**>(std::calloc(count, sizeof(const Event*)))) {
    if (slots_ == nullptr) throw std::bad_alloc();
  }
  std::atomic_ref<const Event*> operator[](std::uint64_t index) const noexcept {
    return std::atomic_ref<const Event*>(slots_.get()[index]);
  }

 private:
  struct Free {
    void operator()(const Event** slots) const noexcept { std::free(slots); }
  };
  std::unique_ptr<const Event*, Free> slots_;
};

}  // namespace

/// Events [tail, head) stand in slots[index & mask]; the ring owns one count of each. The writer
/// drops an event in this order: floor, tail, slot, retire. A reader that meets a slot without its
/// event therefore finds, when it looks at the floor again, at least the floor which that drop
/// left.
struct EventLog::State {
  explicit State(Options o) : options(o), mask(o.events_max - 1), slots(o.events_max) {}

  const Options options;
  const std::uint64_t mask;
  const Slots slots;
  std::atomic<std::uint64_t> tail{1};
  std::atomic<std::uint64_t> head{1};
  std::atomic<std::uint64_t> floor{0};
  std::atomic<std::size_t> bytes{0};
  std::uint64_t last_revision = 0;  ///< writer only

  /// Null when the event is gone. The caller holds a guard.
  const Event* at(std::uint64_t index) const noexcept {
    const Event* event = slots[index & mask].load(std::memory_order_acquire);
    return event != nullptr && event->index == index ? event : nullptr;
  }

  void drop_oldest() {
    const std::uint64_t index = tail.load(std::memory_order_relaxed);
    const auto slot = slots[index & mask];
    const Event* event = slot.load(std::memory_order_relaxed);
    floor.store(event->revision.value, std::memory_order_release);
    tail.store(index + 1, std::memory_order_release);
    slot.store(nullptr, std::memory_order_release);
    release(event);
  }

  void release(const Event* event) {
    const std::size_t freed = event->bytes();
    bytes.fetch_sub(freed, std::memory_order_relaxed);
    base::Epoch::retire(EventRef::adopt(event), freed);
  }

  /// First index in [tail, head) whose event has a revision of at least `revision`, or head. The
  /// caller holds a guard.
  std::uint64_t lower_bound(std::uint64_t revision) const noexcept {
    std::uint64_t high = head.load(std::memory_order_acquire);
    std::uint64_t low = tail.load(std::memory_order_acquire);
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      const Event* event = at(middle);
      // What is gone was older than what is left.
      if (event == nullptr || event->revision.value < revision) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /// First index whose event is later than `revision`, or head.
  std::uint64_t upper_bound(std::uint64_t revision) const noexcept {
    return revision == std::numeric_limits<std::uint64_t>::max()
               ? head.load(std::memory_order_acquire)
               : lower_bound(revision + 1);
  }

  [[nodiscard]] base::Error expired(kube::Revision revision) const {
    return {base::ErrorCode::kExpired, "too old resource version: " + to_string(revision) + " (" +
                                           std::to_string(floor.load(std::memory_order_relaxed)) +
                                           ")"};
  }
  [[nodiscard]] base::Error gone(std::uint64_t index) const {
    return {base::ErrorCode::kExpired,
            "event " + std::to_string(index) + " is no longer in the log, which begins at " +
                std::to_string(tail.load(std::memory_order_relaxed)) + "; list again"};
  }
};

EventLog::EventLog(Options options) {
  PK_CHECK(std::has_single_bit(options.events_max), "events_max must be a power of two");
  state_ = std::make_unique<State>(options);
}

EventLog::~EventLog() {
  const State& s = *state_;
  const std::uint64_t head = s.head.load(std::memory_order_relaxed);
  for (std::uint64_t i = s.tail.load(std::memory_order_relaxed); i < head; ++i) {
    (void)EventRef::adopt(s.slots[i & s.mask].load(std::memory_order_relaxed));
  }
}

void EventLog::append(base::Ref<Event> event) {
  State& s = *state_;
  PK_CHECK(event->revision.value >= s.last_revision, "the log's revisions must not go back");
  const std::uint64_t index = s.head.load(std::memory_order_relaxed);
  const auto held = [&] { return index - s.tail.load(std::memory_order_relaxed); };
  if (held() == s.options.events_max) s.drop_oldest();
  const std::size_t added = event->bytes();
  s.bytes.fetch_add(added, std::memory_order_relaxed);
  while (held() > 0 && s.bytes.load(std::memory_order_relaxed) > s.options.bytes_max) {
    s.drop_oldest();
  }
  event->index = index;
  s.last_revision = event->revision.value;
  s.slots[index & s.mask].store(event.release(), std::memory_order_release);
  s.head.store(index + 1, std::memory_order_release);
}

void EventLog::reset(kube::Revision floor) {
  State& s = *state_;
  const std::uint64_t tail = s.tail.load(std::memory_order_relaxed);
  const std::uint64_t head = s.head.load(std::memory_order_relaxed);
  s.floor.store(floor.value, std::memory_order_release);
  // One index stays empty, so that a cursor which had seen everything notices too.
  s.tail.store(head + 1, std::memory_order_release);
  s.head.store(head + 1, std::memory_order_release);
  s.last_revision = floor.value;
  for (std::uint64_t i = tail; i < head; ++i) {
    const Event* event = s.slots[i & s.mask].exchange(nullptr, std::memory_order_acq_rel);
    s.release(event);
  }
}

base::Result<std::vector<EventRef>> EventLog::read(std::uint64_t next, std::size_t max) const {
  const State& s = *state_;
  const base::Epoch::Guard guard;
  const std::uint64_t head = s.head.load(std::memory_order_acquire);
  if (next < s.tail.load(std::memory_order_acquire)) return s.gone(next);
  std::vector<EventRef> events;
  if (next >= head) return events;
  const std::uint64_t end = head - next > max ? next + max : head;
  events.reserve(end - next);
  for (std::uint64_t i = next; i < end; ++i) {
    const Event* event = s.at(i);
    if (event == nullptr) return s.gone(next);
    events.emplace_back(event);
  }
  return events;
}

base::Result<std::uint64_t> EventLog::after(kube::Revision revision) const {
  const State& s = *state_;
  const base::Epoch::Guard guard;
  const std::uint64_t first = s.lower_bound(revision.value);
  const std::uint64_t next = s.upper_bound(revision.value);
  const std::uint64_t floor = s.floor.load(std::memory_order_acquire);
  if (revision.value < floor) return s.expired(revision);
  // At the floor, an event with the same revision may have been dropped already: then those left
  // are not alone.
  const bool shared = next - first > 1 || revision.value == floor;
  return shared ? std::min(first, next) : next;
}

base::Result<void> EventLog::visit(const base::Epoch::Guard& /*guard*/, kube::Revision revision,
                                   std::uint64_t end,
                                   const std::function<void(const Event&)>& show) const {
  const State& s = *state_;
  const std::uint64_t first = s.upper_bound(revision.value);
  if (revision.value < s.floor.load(std::memory_order_acquire)) return s.expired(revision);
  // A log that began anew at an older revision since `end` was taken shows nothing of before.
  if (first > end) return s.expired(revision);
  for (std::uint64_t i = first; i < end; ++i) {
    const Event* event = s.at(i);
    if (event == nullptr) return s.expired(revision);
    show(*event);
  }
  return {};
}

std::uint64_t EventLog::head() const noexcept {
  return state_->head.load(std::memory_order_acquire);
}

kube::Revision EventLog::floor() const noexcept {
  return {state_->floor.load(std::memory_order_acquire)};
}

std::size_t EventLog::bytes() const noexcept {
  return state_->bytes.load(std::memory_order_relaxed);
}

std::size_t EventLog::size() const noexcept {
  const std::uint64_t tail = state_->tail.load(std::memory_order_acquire);
  return state_->head.load(std::memory_order_acquire) - tail;
}

}  // namespace podkeeper::state
