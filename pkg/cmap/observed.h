#pragma once

#include "pkg/base/ref.h"
#include "pkg/cmap/audit.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/probes.h"
#include "pkg/cmap/record.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::cmap {

struct MapStats;
enum class Strategy;

/// What every cmap::Map<V> shows of itself, whatever V and whatever its strategy: figures, audit,
/// tracepoints (probes.h), and the inside of its tables. Any thread may call anything, at any time.
///
/// It stands between the handle and what serves it (Map -> audit -> hot swap -> strategy): one
/// entry for one call of the user's, however many tables a migration makes of it.
class Observed {
 public:
  /// `partition` is what tracers are told.
  explicit Observed(std::string partition = {}) : partition_(std::move(partition)) {}
  virtual ~Observed() = default;
  Observed(const Observed&) = delete;
  Observed& operator=(const Observed&) = delete;

  [[nodiscard]] virtual MapStats stats() const = 0;
  /// The one that serves, or that is about to be replaced.
  [[nodiscard]] virtual Strategy strategy() const noexcept = 0;
  [[nodiscard]] const std::string& partition() const noexcept { return partition_; }
  /// Where the key has its home now. O(1).
  [[nodiscard]] virtual Position position_of(const Key& key) const = 0;
  /// What a search for the key meets; the hash alone suffices. O(ProbeChain::kBucketsMax).
  [[nodiscard]] virtual ProbeChain describe(const Key& key) const = 0;
  /// One for each table (shard, segment). Reads every record's hash: O(entries), without a lock.
  [[nodiscard]] virtual std::vector<TableCensus> census() const = 0;

  /// May change while the map is in use.
  void set_audit(const AuditOptions& options) { audit_.set(options); }
  [[nodiscard]] AuditState audit_state() const { return audit_.state(); }
  /// The last operations kept, newest first; none while the audit is off.
  [[nodiscard]] std::vector<AuditEntry> audit_tail(std::size_t limit) const {
    return audit_.newest(limit);
  }

 protected:
  /// Runs one operation on the map and gives what it returns, which is false or null where it did
  /// or found nothing; keeps it in the audit when it is due, and tells those who trace it.
  /// `owner` (or null) is the record whose key it is, where the operation may let go of it.
  ///
  /// What nobody looks at stays short and in line: the processor then begins the next lookup's
  /// cache misses while it still waits for this one's.
  template <class Run>
  [[gnu::always_inline]] auto observe(Operation operation, const Key& key, const Record* owner,
                                      const Run& run) const {
    const std::uint64_t hash = key.hash;
    try {
      if (!audit_.on() && !probes::watched(operation)) [[likely]]
        return run();
      return run_watched(operation, key, owner, run);
    } catch (...) {
      panicked(operation, hash);
      throw;
    }
  }

  /// After a bulk lookup: each key counts as one find.
  void observe_finds(std::span<const Key> keys, std::span<const Record*> found) const noexcept {
    const bool watched = probes::watched(Operation::kFind);
    if (!audit_.on() && !watched) [[likely]]
      return;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (audit_.due()) keep(Operation::kFind, keys[i], found[i] != nullptr);
      if (watched) ended(Operation::kFind, keys[i], found[i] != nullptr);
    }
  }

 private:
  template <class Run>
  [[gnu::noinline]] auto run_watched(Operation operation, const Key& key, const Record* owner,
                                     const Run& run) const {
    const bool due = audit_.due();
    const bool watched = probes::watched(operation);
    const auto held = base::Ref<const Record>(owner);
    const probes::Scope scope(partition_.c_str());
    if (watched) begins(operation);
    const auto answer = run();
    if (due) keep(operation, key, static_cast<bool>(answer));
    if (watched) ended(operation, key, static_cast<bool>(answer));
    return answer;
  }
  void begins(Operation operation) const noexcept;
  void ended(Operation operation, const Key& key, bool answer) const noexcept;
  void keep(Operation operation, const Key& key, bool answer) const noexcept;
  void panicked(Operation operation, std::uint64_t hash) const noexcept;

  Audit audit_;
  const std::string partition_;
};

/// A map under the name that its partition has outside ("pods", "deployments.apps"); held for as
/// long as somebody looks at it.
struct NamedMap {
  std::string partition;
  std::shared_ptr<const Observed> map;
};
/// Gives the maps that there are now. Any thread.
using MapDirectory = std::function<std::vector<NamedMap>()>;

/// The map operation that the exception being handled has left; told even while the audit is off.
struct PanickedOperation {
  const Observed* map = nullptr;  ///< to compare, not to follow: the map may be gone
  Operation operation = Operation::kFind;
  std::uint64_t hash = 0;  ///< of the key; 0 for kIterate
};
/// Inside a catch; the innermost operation, and each only once.
std::optional<PanickedOperation> take_panicked_operation() noexcept;

}  // namespace podkeeper::cmap
