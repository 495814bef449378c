#include "pkg/runtime/task_group.h"

#include "pkg/recovery/guard.h"
#include "pkg/runtime/task_executor.h"
#include "pkg/runtime/teardown.h"
#include "pkg/runtime/wakeup.h"

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <cstdio>
#include <exception>
#include <utility>

namespace podkeeper::runtime {

namespace asio = boost::asio;
using base::Error;
using base::ErrorCode;

struct TaskRegistry::State {
  State(base::Clock& c, std::size_t max) : clock(c), tasks_max(max) {}

  base::Clock& clock;
  const std::size_t tasks_max;
  std::atomic<std::size_t> total{0};
  std::array<std::atomic<std::size_t>, std::size(base::kHandlers)> by_kind{};
  mutable base::Mutex mutex;
  std::uint64_t next_id PK_GUARDED_BY(mutex) = 1;
  std::map<std::uint64_t, base::Ref<base::TaskContext>> tasks PK_GUARDED_BY(mutex);

  /// Null when the limit is reached.
  base::Ref<base::TaskContext> add(std::string name, base::Handler kind,
                                   const std::source_location& created_by) {
    const base::TaskContext* parent = base::current_task();
    const base::MonotonicTime now = clock.now();
    base::Lock lock(mutex);
    if (tasks.size() >= tasks_max) return {};
    const std::uint64_t id = next_id++;
    auto task = base::make_ref<base::TaskContext>(id, parent == nullptr ? 0 : parent->id,
                                                  std::move(name), kind, now, created_by);
    tasks.emplace(id, task);
    total.fetch_add(1, std::memory_order_relaxed);
    by_kind[static_cast<std::size_t>(kind)].fetch_add(1, std::memory_order_relaxed);
    return task;
  }

  void remove(const base::TaskContext& task) {
    decltype(tasks)::node_type node;
    base::Lock lock(mutex);
    node = tasks.extract(task.id);
    total.fetch_sub(1, std::memory_order_relaxed);
    by_kind[static_cast<std::size_t>(task.kind)].fetch_sub(1, std::memory_order_relaxed);
  }
};

TaskRegistry::TaskRegistry(base::Clock& clock, std::size_t tasks_max)
    : state_(std::make_shared<State>(clock, tasks_max)) {}
TaskRegistry::~TaskRegistry() = default;

std::vector<base::Ref<const base::TaskContext>> TaskRegistry::list() const {
  base::Lock lock(state_->mutex);
  std::vector<base::Ref<const base::TaskContext>> all;
  all.reserve(state_->tasks.size());
  for (const auto& [id, task] : state_->tasks) all.emplace_back(task);
  return all;
}

std::size_t TaskRegistry::count() const noexcept {
  return state_->total.load(std::memory_order_relaxed);
}
std::size_t TaskRegistry::count(base::Handler kind) const noexcept {
  return state_->by_kind[static_cast<std::size_t>(kind)].load(std::memory_order_relaxed);
}
std::size_t TaskRegistry::tasks_max() const noexcept { return state_->tasks_max; }
base::Clock& TaskRegistry::clock() const noexcept { return state_->clock; }

std::uint64_t TaskRegistry::issue_id() {
  base::Lock lock(state_->mutex);
  return state_->next_id++;
}

namespace {

/// One task, from spawn to end. After spawn() it is used on the task's executor only.
struct Child {
  Child(base::Ref<base::TaskContext> t, const base::Executor& inner,
        std::move_only_function<base::Task<void>()> m)
      : task(std::move(t)), executor(TaskExecutor(inner, task)), make(std::move(m)) {}

  base::Ref<base::TaskContext> task;
  base::Executor executor;
  std::move_only_function<base::Task<void>()> make;
  asio::cancellation_signal signal;
  bool begun = false;
  bool stop_asked = false;

  void stop() {
    stop_asked = true;
    // Asio 1.81 loses the end of a coroutine that is cancelled before its first resumption: until
    // then the wish is only noted, and run_guarded() looks at it.
    if (begun) signal.emit(asio::cancellation_type::terminal);
  }
};

/// The body as one coroutine, so that a throw out of make() itself is the task's own.
base::Task<void> body_of(Child& child) {
  auto body = child.make();
  co_await std::move(body);
}

base::Task<void> run_guarded(std::shared_ptr<Child> child) {
  if (child->stop_asked) co_return;
  child->begun = true;
  auto body = body_of(*child);
  auto guarded = recovery::guard(child->task->kind, std::move(body));
  // A failure is recorded by the guard and ends this task alone; a stop is no failure.
  (void)co_await std::move(guarded);
}

}  // namespace

struct TaskGroup::State : std::enable_shared_from_this<TaskGroup::State> {
  State(base::World& w, TaskRegistry& r, std::string n)
      : world(w), registry_handle(r), registry(r.state_), name(std::move(n)) {}

  base::World& world;
  TaskRegistry& registry_handle;
  const std::shared_ptr<TaskRegistry::State> registry;
  const std::string name;
  WakeupList emptied;
  mutable base::Mutex mutex;
  bool stopped PK_GUARDED_BY(mutex) = false;
  std::map<std::uint64_t, std::shared_ptr<Child>> children PK_GUARDED_BY(mutex);

  bool add(const std::shared_ptr<Child>& child) {
    base::Lock lock(mutex);
    if (stopped) return false;
    children.emplace(child->task->id, child);
    return true;
  }

  /// Called when a child's coroutine is gone; carries the slot through which it is stopped. Not a
  /// bound lambda: for a handler with an executor of its own Asio emits the stop later, when the
  /// child may be gone.
  struct OnEnd {
    using cancellation_slot_type = asio::cancellation_slot;
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
      return child->signal.slot();
    }
    void operator()(const std::exception_ptr&) const { group->ended(*child); }

    std::shared_ptr<State> group;
    std::shared_ptr<Child> child;
  };

  /// Runs on the child's executor.
  void start(const std::shared_ptr<Child>& child) {
    if (is_stopped()) return ended(*child);
    asio::co_spawn(child->executor, run_guarded(child), OnEnd{shared_from_this(), child});
  }

  void ended(Child& child) {
    child.make = nullptr;  // what the task kept ends with it, before anyone hears that it ended
    registry->remove(*child.task);
    bool last = false;
    std::shared_ptr<Child> self;
    {
      base::Lock lock(mutex);
      const auto found = children.find(child.task->id);
      self = std::move(found->second);
      children.erase(found);
      last = children.empty();
    }
    if (last) emptied.notify_all();
  }

  void stop() {
    std::vector<std::shared_ptr<Child>> all;
    {
      base::Lock lock(mutex);
      if (std::exchange(stopped, true)) return;
      all.reserve(children.size());
      for (const auto& [id, child] : children) all.push_back(child);
    }
    for (const auto& child : all) {
      asio::post(child->executor, [child] { child->stop(); });
    }
  }

  [[nodiscard]] bool is_stopped() const {
    base::Lock lock(mutex);
    return stopped;
  }

  [[nodiscard]] std::size_t size() const {
    base::Lock lock(mutex);
    return children.size();
  }
};

TaskGroup::TaskGroup(base::World& world, TaskRegistry& registry, std::string name)
    : state_(std::make_shared<State>(world, registry, std::move(name))) {}

TaskGroup::~TaskGroup() {
  if (size() == 0 || Teardown::under_way()) return;
  std::fprintf(stderr, "task group \"%s\" ends while %zu of its tasks run: join() it first\n",
               state_->name.c_str(), size());
  std::terminate();
}

base::Result<void> TaskGroup::spawn(std::string name, base::Handler kind,
                                    std::move_only_function<base::Task<void>()> make,
                                    std::source_location created_by) {
  return spawn_on(state_->world.make_executor(), std::move(name), kind, std::move(make),
                  created_by);
}

base::Result<void> TaskGroup::spawn_on(base::Executor executor, std::string name,
                                       base::Handler kind,
                                       std::move_only_function<base::Task<void>()> make,
                                       std::source_location created_by) {
  TaskRegistry::State& registry = *state_->registry;
  auto task = registry.add(name, kind, created_by);
  if (!task) {
    return Error{ErrorCode::kTooManyRequests,
                 "start task \"" + name + "\": " + std::to_string(registry.tasks_max) +
                     " tasks run, which is the limit; try again later"};
  }
  auto child = std::make_shared<Child>(std::move(task), executor, std::move(make));
  if (!state_->add(child)) {
    registry.remove(*child->task);
    return Error{ErrorCode::kCancelled,
                 "start task \"" + name + "\": the group \"" + state_->name + "\" was stopped"};
  }
  asio::post(child->executor, [state = state_, child] { state->start(child); });
  return {};
}

void TaskGroup::stop() { state_->stop(); }

base::Task<void> TaskGroup::join() {
  const auto state = state_;
  Wakeup emptied(state->world.clock());
  const auto subscription = state->emptied.subscribe(emptied);
  bool stopped = false;
  try {
    while (state->size() > 0) {
      auto wait = emptied.wait();
      co_await std::move(wait);
    }
  } catch (const boost::system::system_error& e) {
    if (e.code() != asio::error::operation_aborted) throw;
    stopped = true;
  }
  if (!stopped) co_return;
  // The joining task was asked to stop: so are its children, and it must not end before them.
  state->stop();
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  while (state->size() > 0) {
    auto wait = emptied.wait();
    co_await std::move(wait);
  }
  throw boost::system::system_error(asio::error::operation_aborted);
}

std::size_t TaskGroup::size() const noexcept { return state_->size(); }
base::World& TaskGroup::world() const noexcept { return state_->world; }
TaskRegistry& TaskGroup::registry() const noexcept { return state_->registry_handle; }

}  // namespace podkeeper::runtime
