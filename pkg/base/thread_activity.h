#pragma once

#include <atomic>
#include <cstdint>

namespace podkeeper::base {

class TaskContext;

/// What a thread is busy with, for whoever watches that it goes on. Written by its own thread,
/// readable from any while the thread lives.
struct ThreadActivity {
  std::atomic<TaskContext*> task{nullptr};  ///< the current one; its own thread may look into it
  std::atomic<std::uint64_t> turns{0};      ///< how often that has changed
};
/// This thread's.
ThreadActivity& thread_activity() noexcept;

}  // namespace podkeeper::base
