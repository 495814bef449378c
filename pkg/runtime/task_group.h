#pragma once

#include "pkg/base/mutex.h"
#include "pkg/base/task.h"
#include "pkg/base/task_context.h"
#include "pkg/base/world.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

namespace podkeeper::runtime {

/// Every task of the process, for `/debug/tasks` and `podkeeper_tasks{kind}`, and the limit on how
/// many there may be. Thread-safe; outlives every TaskGroup on it.
class TaskRegistry {
 public:
  static constexpr std::size_t kTasksMaxDefault = 20'000;
  explicit TaskRegistry(base::Clock& clock, std::size_t tasks_max = kTasksMaxDefault);
  ~TaskRegistry();
  TaskRegistry(const TaskRegistry&) = delete;
  TaskRegistry& operator=(const TaskRegistry&) = delete;

  [[nodiscard]] std::vector<base::Ref<const base::TaskContext>> list() const;  ///< by id
  [[nodiscard]] std::size_t count() const noexcept;
  [[nodiscard]] std::size_t count(base::Handler kind) const noexcept;
  [[nodiscard]] std::size_t tasks_max() const noexcept;
  [[nodiscard]] base::Clock& clock() const noexcept;
  /// An id that no task of it has had or will have, for what is told like a task and is none.
  [[nodiscard]] std::uint64_t issue_id();

 private:
  friend class TaskGroup;
  struct State;
  std::shared_ptr<State> state_;
};

/// The only way to start a task: every coroutine has a name, a parent and a start time, and its end
/// is waited for. What a task throws is recorded as a panic of its kind and ends that task alone.
/// spawn() and stop() may be called from any thread.
class TaskGroup {
 public:
  TaskGroup(base::World& world, TaskRegistry& registry, std::string name);
  /// Every task must have been joined (PK_CHECK by terminate: a task that outlives its group is a
  /// bug).
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Runs a task on `executor` (default: a new serial one). `make` is called there and must keep
  /// what the task needs; a lambda coroutine's captures live until the task ends. kTooManyRequests
  /// at the registry's limit, kCancelled after stop().
  base::Result<void> spawn(std::string name, base::Handler kind,
                           std::move_only_function<base::Task<void>()> make,
                           std::source_location created_by = std::source_location::current());
  base::Result<void> spawn_on(base::Executor executor, std::string name, base::Handler kind,
                              std::move_only_function<base::Task<void>()> make,
                              std::source_location created_by = std::source_location::current());

  /// Asks every task to stop: its current wait, or its next, throws operation_aborted. Idempotent.
  void stop();
  /// Returns after the last task ended. A stop of the joining task stops the group as well; join()
  /// then still waits for the tasks, and throws operation_aborted after the last.
  base::Task<void> join();
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] base::World& world() const noexcept;
  [[nodiscard]] TaskRegistry& registry() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace podkeeper::runtime
