#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/runtime/work_queue.h"
#include "pkg/telemetry/metrics.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::runtime {

/// What a reconcile that went well asks for.
struct Outcome {
  bool requeue = false;  ///< again, after the key's backoff
  std::optional<base::Duration> requeue_after =
      {};  ///< again, after this long; the backoff starts over
};

struct ControllerOptions {
  std::string name;  ///< the label of its metrics, its queue and its tasks
  std::size_t workers = 1;
  /// So many panics of one key in a row, and it is left alone for `quarantine`; then it gets one
  /// try at a time.
  std::size_t panics_max = 5;
  base::Duration quarantine = std::chrono::minutes(10);
  /// Keys whose panics are counted; further ones are only held back by their backoff.
  std::size_t panicked_keys_max = 65'536;
  WorkQueueOptions queue = {};            ///< name and metrics are taken from here above and below
  telemetry::Metrics* metrics = nullptr;  ///< outlives the controller
};

/// A loop that brings the world to where it should be, key by key: workers take keys from a work
/// queue and reconcile them. Every reconcile is guarded, and how it ends decides what becomes of
/// its key:
///
///   well              the backoff starts over; again when the Outcome asks for it
///   transient error   logged, again after the key's backoff, or when the peer asked for it
///   (retry_after) domain error      logged and counted, again after the key's backoff: the cause
///   may be corrected meanwhile panic             recorded by recovery; again after the backoff,
///   until after `panics_max` in a row the key is put
///                     in quarantine: not reconciled until its end, whatever is added. One key's
///                     bug costs no worker.
///
/// Any thread may enqueue. The controller outlives its tasks.
class Controller {
 public:
  using Reconcile = std::function<base::Task<base::Result<Outcome>>(std::string key)>;

  /// `reconcile` is called on the workers' executors, for different keys at the same time, never
  /// twice at once for one.
  Controller(base::World& world, ControllerOptions options, Reconcile reconcile);
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  /// Starts the workers as tasks of `group`. They end after shut_down(), or when the group is
  /// stopped.
  base::Result<void> start(TaskGroup& group);
  /// False when the queue is full or shut down.
  bool enqueue(std::string key) { return queue_.add(std::move(key)); }
  WorkQueue<std::string>& queue() { return queue_; }
  /// Workers finish what waits, then end.
  void shut_down() { queue_.shut_down(); }

  /// Keys that are left alone for now, in order.
  [[nodiscard]] std::vector<std::string> quarantined() const;

 private:
  struct Panics {
    std::size_t in_a_row = 0;
    base::MonotonicTime quarantined_until{};
  };
  struct Counters {
    telemetry::Counter* success = nullptr;
    telemetry::Counter* error = nullptr;
    telemetry::Counter* requeue = nullptr;
    telemetry::Counter* requeue_after = nullptr;
    telemetry::Counter* errors = nullptr;
    telemetry::Counter* panics = nullptr;
    telemetry::Histogram* seconds = nullptr;
    telemetry::Gauge* active = nullptr;
  };

  base::Task<void> work();
  base::Task<base::Result<Outcome>> reconcile_guarded(std::string key);
  void settle(const std::string& key, const base::Result<Outcome>& result);
  void succeeded(const std::string& key, const Outcome& outcome);
  void failed(const std::string& key, const base::Error& error);
  void panicked(const std::string& key);
  /// How long the key must still be left alone; zero or less when it need not.
  base::Duration quarantine_left(const std::string& key) const;

  base::Clock& clock_;
  const ControllerOptions options_;
  const Reconcile reconcile_;
  Counters counters_;
  WorkQueue<std::string> queue_;
  mutable base::Mutex mutex_;
  std::map<std::string, Panics> panics_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::runtime
