#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace podkeeper::runtime {

/// One thread of this process, at the moment when it was asked.
struct ThreadStack {
  std::int64_t id = 0;    ///< the kernel's, as in /proc/self/task
  std::string name;       ///< as ps shows it
  bool answered = false;  ///< false: it blocks signals or did not run in time; all below is empty
  std::uint64_t task_id = 0;  ///< of the task it was running; 0: none
  std::string task_name;      ///< its first bytes
  std::vector<void*> stack;   ///< return addresses, innermost first, for recovery::symbolize()
};

inline constexpr std::size_t kStackFramesMax = 64;    ///< deeper ones are cut at the outer end
inline constexpr std::size_t kStackThreadsMax = 256;  ///< further threads are left out
/// How long one thread may take to answer.
inline constexpr std::chrono::milliseconds kStackPatience{100};
/// How long all of them may take together; who is not asked by then has not answered.
inline constexpr std::chrono::milliseconds kStacksPatience{1000};

/// The native stacks of all threads, by id. Each thread is interrupted by SIGURG and walks its own
/// stack in the handler (recovery::unwind). About 20 us a thread. Any thread; one caller at a time,
/// others wait.
std::vector<ThreadStack> take_stacks();

}  // namespace podkeeper::runtime
