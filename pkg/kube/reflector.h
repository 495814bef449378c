#pragma once

#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/object.h"
#include "pkg/runtime/backoff.h"
#include "pkg/telemetry/metrics.h"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kube {

class SharedDoubt;

/// What a LIST shows of the watches before it.
enum class WatchProof {
  kNone,      ///< they may have told everything
  kUntold,    ///< they passed over a change, or told it in other bytes
  kRestored,  ///< upstream was restored to an older state: they told of a history that is no more
};

/// Where a reflector puts what it hears; state::Store is one. Called by one task at a time.
class MirrorSink {
 public:
  virtual ~MirrorSink() = default;
  /// A complete LIST at `revision`: whatever is not in it is gone. The sink diffs it against what
  /// it holds.
  virtual WatchProof replace(std::vector<std::unique_ptr<Object>> objects, Revision revision) = 0;
  /// One event, in order.
  virtual void apply(EventType type, std::unique_ptr<Object> object) = 0;
  /// Evidence without an event (bookmark, probe) that everything up to `revision` has been seen.
  virtual void progress(Revision revision) = 0;
};

/// What a reflector follows, and its bounds. At each bound the request fails and is made again
/// after a wait.
struct ReflectorOptions {
  Resource resource = {};
  std::string namespace_ = {};  ///< empty: all
  std::int64_t page_size = 500;
  base::Duration list_timeout = std::chrono::seconds(60);
  base::Duration watch_idle_timeout =
      std::chrono::seconds(90);  ///< no byte this long: the watch is frozen
  base::Duration watch_timeout_min =
      std::chrono::minutes(5);  ///< timeoutSeconds is in [min, 2 min)
  /// The state comes by the watch itself instead of LIST (WatchList), where upstream offers that.
  bool watch_list = false;
  /// Upstream may not know the resource (yet): that is said once, not at every attempt.
  bool may_be_absent = false;
  std::size_t line_bytes_max = 16 << 20;
  std::size_t page_bytes_max = 512 << 20;
  DecodeOptions decode = {};
  runtime::Backoff::Options backoff = {};
  /// By which the reflectors of one upstream tell each other that its watches cannot be relied on;
  /// outlives them. Null: there is no other.
  SharedDoubt* shared_doubt = nullptr;
};

/// List, then watch, for ever: paged LIST, WATCH with bookmarks from its revision, resume where a
/// watch broke, and a full diffed LIST after every 410 (as HTTP status or as an in-stream ERROR).
/// No deletion is missed, the last state is reached, an object's revision never goes back, but for
/// one reason: upstream itself was restored from a backup.
///
/// With watch_list the state is told by a watch with sendInitialEvents (KEP-3157), given to the
/// sink as a whole at the bookmark that ends it, and the same watch goes on; nothing lies between.
/// After any failure of it the next attempt is a LIST. Where upstream refuses it (400, 422), or
/// keeps the bookmark back (list_timeout without a byte, or a bookmark without the mark, as of
/// servers that ignore the wish), LIST is used at once and from then on.
///
/// A LIST is asked for without resourceVersion, so it is upstream's newest state by a quorum read,
/// and one older than what was seen can be right only after a restore. Yet to take it throws the
/// history away and lets every client start over, so one such answer (of a member cut off, a
/// confused proxy) is not enough: the first is refused and LIST is tried again by the backoff; the
/// next that is again older than what was seen, and not older than the first, is the truth. Since a
/// restored upstream answers a watch from a revision it has not reached with silence, not even
/// bookmarks, kSilentWatchesMax silent watches in a row lead to a LIST too. And where upstream has
/// passed the revision before anyone looked again, the LIST of one resource may show what those of
/// others cannot know: SharedDoubt has them all list.
///
/// The world, the client, the metrics and the sink outlive it, and it outlives the task of run(),
/// of which there is one.
class Reflector {
 public:
  Reflector(base::World& world, http::Client& client, telemetry::Metrics& metrics, MirrorSink& sink,
            ReflectorOptions options);
  ~Reflector();
  /// Runs until its task is stopped.
  base::Task<void> run();
  /// True from the first complete LIST on. Thread-safe, as all that follow.
  [[nodiscard]] bool synced() const noexcept;
  /// Why it is not in step now, for /readyz's log and /state; empty when a watch is up.
  /// Thread-safe.
  [[nodiscard]] std::string last_error() const;
  [[nodiscard]] bool watching() const noexcept;
  /// Whether upstream has it and it cannot be read, so that it is not in the mirror. Thread-safe.
  [[nodiscard]] bool quarantined(std::string_view key) const;
  /// What was heard is in doubt: ends the watch and lists again, at once, and so do those that
  /// share its doubts. A LIST that is under way when this is called does not count, one that begins
  /// later does. `reason` is for the log. Thread-safe; never waits.
  void relist(std::string reason);

  /// An upstream's Retry-After beyond this is cut down to it.
  static constexpr base::Duration kRetryAfterMax = std::chrono::minutes(5);
  /// After so many LISTs in a row whose continue token expired, the next one is not paged.
  static constexpr int kExpiredListsMax = 2;
  /// After so many watches in a row that were up and brought no news until they counted as frozen,
  /// it lists.
  static constexpr int kSilentWatchesMax = 2;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace podkeeper::kube
