#pragma once

#include "pkg/cmap/audit.h"
#include "pkg/cmap/map.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/selector.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::policy {

/// The values of spec.strategy, built or not.
enum class Strategy { kAuto, kMutex, kRWMutex, kSharded, kSyncMap, kCopyOnWrite, kLockFree };
enum class Cache { kTokens, kAccess };
enum class Consistency { kEventual, kSnapshot, kLinearizable };
enum class Durability { kNone, kWriteBehind, kWriteThrough };
enum class Sharing { kNone, kSharedMemory };
using cmap::AuditMode;
enum class MigrationMode { kOnline, kOnRestart };

std::string_view to_string(Strategy strategy) noexcept;  ///< as in spec.strategy

/// What a policy governs. Everything empty: every mirrored object.
struct Target {
  std::vector<std::string> resources = {};   ///< "plural[.group]"; empty: all
  std::vector<std::string> namespaces = {};  ///< names or prefixes that end with '*'; empty: all
  std::optional<kube::LabelSelector> pods = {};  ///< set: pods alone, those it selects
  std::vector<Cache> caches = {};
};

/// Limits of a cache.
struct Bounds {
  std::optional<std::int64_t> max_entries = {};
  std::optional<std::int32_t> ttl_seconds = {};
};

/// When the state of a finished pod is forgotten.
struct Expiry {
  std::optional<std::int32_t> terminal_pod_ttl_seconds = {};  ///< set, once validated
  std::int32_t sweep_interval_seconds = 10;
};

/// What a read gets that does not ask for a consistency itself.
struct Reads {
  Consistency consistency = Consistency::kEventual;
  std::optional<std::int32_t> max_staleness_milliseconds = {};
};

/// The ring of a map's last operations.
struct Audit {
  AuditMode mode = AuditMode::kOff;
  std::int32_t ring_entries = 4096;
};

/// How a change reaches a map in use.
struct Migration {
  MigrationMode mode = MigrationMode::kOnline;
  std::int32_t timeout_seconds = 60;
  bool rollback_on_regression = false;
};

/// spec of a ConcurrentMapPolicy, with the schema's defaults. Amounts are in the range that the
/// schema gives them.
struct Spec {
  Target target = {};
  std::int32_t priority = 0;  ///< -1000..1000
  Strategy strategy = Strategy::kSharded;
  std::int32_t shards = 256;  ///< a power of two, 1..65536
  cmap::Hash hash = cmap::Hash::kXXH3;
  std::optional<Bounds> bounds = {};
  std::optional<Expiry> expiry = {};
  std::optional<Reads> reads = {};
  Durability durability = Durability::kNone;
  Sharing sharing = Sharing::kNone;
  Audit audit = {};
  Migration migration = {};
};

/// Which object, and which state of it.
struct Identity {
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  kube::Revision revision;
  std::int64_t created = 0;  ///< seconds since 1970
};

/// What is wrong with one field: "spec.shards: 3: must be a power of two from 1 to 65536".
struct Violation {
  static constexpr std::size_t kValueBytesMax = 64;

  std::string field;    ///< its path, "spec.target.namespaces[2]"
  std::string value;    ///< as it stands in the JSON, shortened; printable UTF-8
  std::string problem;  ///< what it must be instead
};
std::string to_string(const Violation& violation);
/// All of them in one line of at most about 2 KB: the first few, and how many there are more.
std::string to_string(const std::vector<Violation>& violations);

/// Text from a peer, for a message: at most Violation::kValueBytesMax bytes and then its length,
/// control characters and bytes that are no UTF-8 as '?'. O(1) in the length of `text`.
std::string shortened(std::string_view text);

}  // namespace podkeeper::policy
