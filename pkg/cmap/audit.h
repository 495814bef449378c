#pragma once

#include "pkg/base/clock.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::cmap {

/// How much of a map's use is kept; the values of ConcurrentMapPolicy's spec.audit.mode.
enum class AuditMode : std::uint8_t { kOff, kSampled, kAll };
inline constexpr AuditMode kAuditModes[] = {AuditMode::kOff, AuditMode::kSampled, AuditMode::kAll};
const char* to_string(AuditMode mode) noexcept;

/// What can be done to a map.
enum class Operation : std::uint8_t {
  kFind,
  kPut,
  kErase,
  kCompareAndPut,
  kCompareAndErase,
  kIterate,
};
inline constexpr Operation kOperations[] = {Operation::kFind,
                                            Operation::kPut,
                                            Operation::kErase,
                                            Operation::kCompareAndPut,
                                            Operation::kCompareAndErase,
                                            Operation::kIterate};
const char* to_string(Operation operation) noexcept;

/// How an operation ended: what it returned, or that it threw.
enum class OperationOutcome : std::uint8_t { kFalse, kTrue, kPanicked };
/// "found", "absent", "added", "replaced", "erased", "done", "refused", "walked", "panicked".
const char* to_string(Operation operation, OperationOutcome outcome) noexcept;

struct AuditOptions {
  AuditMode mode = AuditMode::kOff;
  std::size_t ring_entries = 4096;     ///< 64..kRingEntriesMax, rounded up to a power of two
  std::uint32_t sample_every = 64;     ///< kSampled keeps one operation of so many; at least 1
  const base::Clock* clock = nullptr;  ///< outlives the map; without one entries have no time
  static constexpr std::size_t kRingEntriesMin = 64;
  static constexpr std::size_t kRingEntriesMax = std::size_t{1} << 20;
  friend bool operator==(const AuditOptions&, const AuditOptions&) = default;
};

/// One operation, as it was kept.
struct AuditEntry {
  std::uint64_t sequence = 0;  ///< counts the ring's operations from 1
  base::MonotonicTime when{};  ///< when the operation ended
  std::uint64_t task_id = 0;   ///< 0: outside any task
  std::string task_name = {};  ///< its first kTaskNameBytes
  Operation operation = Operation::kFind;
  OperationOutcome outcome = OperationOutcome::kFalse;
  std::uint64_t hash = 0;  ///< of the key; 0 for kIterate
  std::string key = {};    ///< shortened by shorten_key(); empty for kIterate
  Position position = {};

  static constexpr std::size_t kKeyBytes = 56;
  static constexpr std::size_t kTaskNameBytes = 24;
};

/// A key in at most AuditEntry::kKeyBytes: of a longer one the beginning (the namespace) and the
/// end (where the pods of one workload differ), with ".." between.
std::string shorten_key(std::string_view key);

/// The last operations of one map: a ring of fixed memory (128 B an entry) that any thread writes
/// and reads.
///
/// A writer never waits: it draws a sequence number, claims that slot by one compare-exchange and
/// fills it in. Where another is still filling the slot in (one turn of the ring behind, so it was
/// stopped half-way) the entry is given up and counted as lost. A reader sees by the slot's stamp
/// that an entry was written while it read, and leaves it out: what it shows was written by one
/// writer, as a whole. (A sequence lock a slot; in its data every access is atomic, and ordered as
/// in Boehm, "Can seqlocks get along with programming language memory models?", 2012, but without
/// fences, which ThreadSanitizer does not model.)
class AuditRing {
 public:
  /// `entries` is a power of two.
  explicit AuditRing(std::size_t entries);

  /// O(1), about 23 ns beside the clock; the writers of one map share the cache line that numbers
  /// are drawn from.
  void note(const AuditEntry& entry, std::string_view key, std::string_view task_name) noexcept;

  /// Up to `limit` entries, newest first. O(limit).
  [[nodiscard]] std::vector<AuditEntry> newest(std::size_t limit) const;

  [[nodiscard]] std::size_t entries() const noexcept { return mask_ + 1; }
  /// Since the ring was made, those included that it no longer holds.
  [[nodiscard]] std::uint64_t noted() const noexcept {
    return drawn_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t lost() const noexcept {
    return lost_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return entries() * sizeof(Slot); }

 private:
  static constexpr std::size_t kWords = 15;
  using Words = std::array<std::uint64_t, kWords>;
  struct alignas(64) Slot {
    /// 0: never written; 2s - 1: entry s is being written; 2s: it is there.
    std::atomic<std::uint64_t> stamp{0};
    std::array<std::atomic<std::uint64_t>, kWords> words{};
  };
  static_assert(sizeof(Slot) == 128);

  static Words pack(const AuditEntry& entry, std::string_view key,
                    std::string_view task_name) noexcept;
  static AuditEntry unpack(const Words& words, std::uint64_t sequence);
  [[nodiscard]] bool read(std::uint64_t sequence, AuditEntry* entry) const;

  const std::size_t mask_;
  const std::unique_ptr<Slot[]> slots_;
  alignas(64) std::atomic<std::uint64_t> drawn_{0};
  std::atomic<std::uint64_t> lost_{0};
};

/// What a map's audit is doing, for /debug/maps.
struct AuditState {
  AuditOptions options;
  std::uint64_t noted = 0;  ///< operations kept since the mode was set
  std::uint64_t lost = 0;   ///< of them, given up: see AuditRing
  std::size_t bytes = 0;    ///< of the ring
};

/// A map's audit: off, or a ring and how often to write to it. Changes while the map is in use.
/// Any thread may call anything.
///
/// Cost an operation (scripts/bench audit, CPU time): off, a load and a branch that is not taken,
/// and sampled, a counter of the thread's own, cannot be told from noise; all, the clock, the key's
/// place and AuditRing::note, 150 to 250 ns: a find runs at a quarter of its speed, a put at about
/// 0.7.
class Audit {
 public:
  Audit() = default;
  ~Audit();
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  /// PK_CHECKs the options' ranges. The ring begins anew unless nothing changes; its memory comes
  /// free once no operation can be in it.
  void set(const AuditOptions& options);
  [[nodiscard]] AuditState state() const;
  /// Newest first; nothing while off.
  [[nodiscard]] std::vector<AuditEntry> newest(std::size_t limit) const;

  [[nodiscard]] bool on() const noexcept { return every_.load(std::memory_order_relaxed) != 0; }
  /// Whether this operation is one to keep; counts it.
  [[nodiscard]] bool due() const noexcept {
    const std::uint32_t every = every_.load(std::memory_order_relaxed);
    return every != 0 && sampled(every);
  }
  /// Keeps it, with the time and the current task.
  void note(Operation operation, const Key& key, OperationOutcome outcome,
            Position position) const noexcept;

 private:
  struct Active;
  static bool sampled(std::uint32_t every) noexcept;

  std::atomic<std::uint32_t> every_{0};         ///< 0: off; 1: all
  std::atomic<const Active*> active_{nullptr};  ///< read under an epoch guard
};

}  // namespace podkeeper::cmap
