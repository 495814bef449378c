#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/epoch.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/state/record.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace podkeeper::state {

/// One change of a store, immutable. `object` is the object after the change, or for a deletion its
/// last content with the deletion's revision; `previous` is what it replaced (null for an
/// addition).
struct Event final : base::RefCounted {
  std::uint64_t index = 0;                         ///< position in the log: 1, 2, 3, ...
  kube::EventType type = kube::EventType::kAdded;  ///< ADDED, MODIFIED or DELETED
  kube::Revision revision;                         ///< never less than that of the event before
  RecordRef object;
  RecordRef previous;
  base::MonotonicTime arrived{};

  /// What is kept alive by this event alone: what it replaced, and the body a deletion came with.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = sizeof(Event);
    if (previous) sum += previous->bytes();
    if (type == kube::EventType::kDeleted && object && !(object == previous)) {
      sum += object->bytes();
    }
    return sum;
  }
};
using EventRef = base::Ref<const Event>;

/// The bounded ring of a store's changes in revision order. One writer, any number of readers that
/// never wait for it nor for each other: slots are read under an epoch. When a bound is reached the
/// oldest events go (the newest stays, however large), and a cursor that still wanted them reads
/// kExpired.
class EventLog {
 public:
  struct Options {
    std::size_t events_max = 1 << 17;  ///< a power of two
    std::size_t bytes_max = 64 << 20;  ///< --history-bytes: of objects kept alive by the log
  };
  explicit EventLog(Options options);
  ~EventLog();

  // Writer:
  /// Gives the event its index and makes it readable. PK_CHECKs that revisions do not go back.
  void append(base::Ref<Event> event);
  /// Everything before is unknown from here on (first LIST, or history lost): cursors from before
  /// read kExpired, also one that stood at head().
  void reset(kube::Revision floor);

  // Readers, any thread:
  /// Events with index >= `next`, at most `max`; kExpired when some are gone. Empty when there is
  /// nothing new.
  base::Result<std::vector<EventRef>> read(std::uint64_t next, std::size_t max) const;
  /// Index of the first event after `revision`; kExpired when the log does not reach back that far.
  /// O(log n). Where several events share `revision` (the deletions that one resync found), it is
  /// the first of these: who has seen one of them may not have seen the others, and gets all of
  /// them again.
  base::Result<std::uint64_t> after(kube::Revision revision) const;
  /// Shows the events after `revision` (none that has it) up to, not including, `end`, oldest
  /// first; kExpired when the log does not reach back that far, also when that becomes so
  /// meanwhile. The events stay valid under `guard`.
  base::Result<void> visit(const base::Epoch::Guard& guard, kube::Revision revision,
                           std::uint64_t end, const std::function<void(const Event&)>& show) const;
  [[nodiscard]] std::uint64_t head() const noexcept;  ///< index the next event will get
  /// The oldest revision from which every later change is still known.
  [[nodiscard]] kube::Revision floor() const noexcept;
  /// Bytes that only the log keeps alive.
  [[nodiscard]] std::size_t bytes() const noexcept;
  /// Events held now.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace podkeeper::state
