#pragma once

#include "pkg/cmap/audit.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"

#include <cstddef>
#include <cstdint>

/// The static tracepoints (USDT, provider "podkeeper") of every map, for bpftrace, perf and their
/// like: scripts/maps.bt is a script over them, docs/maps.md tells how to attach. Each is in the
/// program once, in probes.cc, whatever the strategies: `readelf -n podkeeperd` lists them.
///
/// Cost while nobody watches: an operation reads one half-word (a write two) that only the kernel
/// writes, when a tracer comes or goes, and has one branch that is not taken. What the arguments
/// need is computed behind it. While somebody watches: about what the audit costs, and the trap.
///
/// The arguments, on which users' scripts rely; texts end with NUL but for keys. No more than six,
/// the most that bpftrace reads on x86-64:
///
///  * find, put, erase: when the operation has ended. put and erase include their conditional
///    forms; each key of a bulk lookup is a find.
///      arg0 partition  text; "pods~batch", "" for a map that has none. As long as the map lives
///      the
///                      pointer is the same, so it tells maps apart, too
///      arg1 strategy   text; "Sharded"
///      arg2 key        its bytes, without an end; null where an operation panicked
///      arg3 key_bytes  u64
///      arg4 place      u64; the key's home as of now: the table, as /debug/maps/{partition}/heap
///                      numbers its shards, in the upper half, the bucket in it in the lower
///      arg5 outcome    text; "found", "absent", "added", "replaced", "erased", "done", "refused"
///                      (the last two of the conditional forms), "panicked"
///  * iterate_begin: before the first record is shown.
///      arg0 partition, arg1 strategy
///      arg2 entries    u64; of the map
///  * iterate_end: on the same thread, after the last.
///      arg0 partition, arg1 strategy
///      arg2 outcome    text; "walked", "panicked"
///  * grow: a table was replaced by larger, smaller or cleaner ones, or by more or fewer; under its
///    lock. Those of one write come before the write's own probe, on the same thread.
///      arg0 partition
///      arg1 table      text; "flat", "segment", "directory", "part"
///      arg2 from       u64; buckets (of a directory: slots) of the table that a write found full
///                      or empty enough; where two became one, of "part" and CopyOnWrite: of both
///      arg3 to         u64; of what there is instead; less than `from` where it shrank
///      arg4 entries    u64; that were moved (of a directory: its slots)
///  * migrate: a migration came into a phase.
///      arg0 partition
///      arg1 from       text; the strategy that served when it began
///      arg2 to         text; the strategy it is to have
///      arg3 phase      text; "Announced", "Copying", "Retiring", "None" (it is over)
///      arg4 copied     u64; records copied so far
///      arg5 flipped    u8; 1 when the new strategy serves
extern "C" {
// By the names that SystemTap's convention gives them: not 0 while somebody watches.
extern volatile std::uint16_t podkeeper_find_semaphore;
extern volatile std::uint16_t podkeeper_put_semaphore;
extern volatile std::uint16_t podkeeper_erase_semaphore;
extern volatile std::uint16_t podkeeper_iterate_begin_semaphore;
extern volatile std::uint16_t podkeeper_iterate_end_semaphore;
extern volatile std::uint16_t podkeeper_grow_semaphore;
extern volatile std::uint16_t podkeeper_migrate_semaphore;
}

namespace podkeeper::cmap::probes {

/// Whose probe it is.
struct Owner {
  const char* partition = "";
  const char* strategy = "";
};

/// Whether anything that the operation may fire is watched.
inline bool watched(Operation operation) noexcept {
  switch (operation) {
    case Operation::kFind:
      return podkeeper_find_semaphore != 0;
    case Operation::kPut:
    case Operation::kCompareAndPut:
      return (podkeeper_put_semaphore | podkeeper_grow_semaphore) != 0;
    case Operation::kErase:
    case Operation::kCompareAndErase:
      return (podkeeper_erase_semaphore | podkeeper_grow_semaphore) != 0;
    case Operation::kIterate:
      return (podkeeper_iterate_begin_semaphore | podkeeper_iterate_end_semaphore) != 0;
  }
  return false;
}

/// Whose tables this thread works on while it lives: what grow() tells. Nests.
class Scope {
 public:
  explicit Scope(const char* partition) noexcept;
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  const char* before_;
};

/// Fires find, put, erase or iterate_end, as the operation is.
void ended(Operation operation, const Owner& owner, const Key& key, Position position,
           OperationOutcome outcome) noexcept;
void iterate_begins(const Owner& owner, std::size_t entries) noexcept;

namespace detail {
void grown(const char* table, std::size_t from, std::size_t to, std::size_t entries) noexcept;
}  // namespace detail
/// Any table, where it is replaced.
inline void grew(const char* table, std::size_t from, std::size_t to,
                 std::size_t entries) noexcept {
  if (podkeeper_grow_semaphore != 0) [[unlikely]]
    detail::grown(table, from, to, entries);
}

struct MigrationState {
  const char* partition = "";
  const char* from = "";
  const char* to = "";
  const char* phase = "";
  std::size_t copied = 0;
  bool flipped = false;
};
void migrates(const MigrationState& state) noexcept;

}  // namespace podkeeper::cmap::probes
