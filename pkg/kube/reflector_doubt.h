#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/task.h"
#include "pkg/http/client.h"

#include <memory>
#include <string>

namespace podkeeper::kube {

/// Somebody's word that a reflector's watch has not told everything. It reaches the task that
/// follows the watch at once, also while that one waits for bytes. Copies are the same doubt.
class ReflectorDoubt {
 public:
  explicit ReflectorDoubt(base::Clock& clock) : state_(std::make_shared<State>(clock)) {}

  /// Ends what is being followed. Any thread; never waits.
  void raise(std::string reason);
  /// Why; empty: nobody doubts. Any thread.
  [[nodiscard]] std::string reason() const;
  /// A LIST that begins now settles it.
  void settle();
  bool operator==(const ReflectorDoubt&) const = default;

 private:
  struct State {
    explicit State(base::Clock& on) : clock(on) {}
    base::Clock& clock;
    base::Mutex mutex;
    std::string reason PK_GUARDED_BY(mutex);
    base::Executor executor PK_GUARDED_BY(mutex);    ///< of who follows; empty: nobody does
    http::ClientResponse::Body* followed = nullptr;  ///< touched on `executor` alone
  };

 public:
  /// While it lives, `body` is what is followed, by a task on `executor`, which alone makes and
  /// drops it.
  class Following {
   public:
    Following(ReflectorDoubt& doubt, http::ClientResponse::Body& body, base::Executor executor);
    ~Following();
    Following(const Following&) = delete;
    Following& operator=(const Following&) = delete;

   private:
    const std::shared_ptr<State> state_;
  };

 private:
  std::shared_ptr<State> state_;
};

}  // namespace podkeeper::kube
