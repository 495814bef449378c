#pragma once

#include "pkg/base/task.h"
#include "pkg/base/task_context.h"

#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/execute.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

namespace podkeeper::runtime {

/// The executor of one task: runs everything on the inner executor, and makes the task the current
/// one while it runs, so that logs, traces and panics know whose work it is. Keeps the inner
/// executor's blocking property: dispatch inside the same strand stays inline. Fits into
/// any_io_executor without an allocation.
class TaskExecutor {
 public:
  TaskExecutor(const base::Executor& inner, base::Ref<base::TaskContext> task)
      : shared_(std::make_shared<Shared>(inner, std::move(task))) {}

  template <class F>
  void execute(F&& f) const {
    shared_->queued.fetch_add(1, std::memory_order_relaxed);
    if (base::current_task() != shared_->task.get()) {
      shared_->task->state.store(base::TaskContext::State::kReady, std::memory_order_relaxed);
    }
    const base::Executor& inner = never_ ? shared_->never : shared_->possibly;
    inner.execute([shared = shared_, f = std::forward<F>(f)]() mutable {
      shared->queued.fetch_sub(1, std::memory_order_relaxed);
      if (base::current_task() == shared->task.get()) return std::move(f)();
      const Running running(*shared);
      std::move(f)();
    });
  }

  [[nodiscard]] boost::asio::execution_context& query(
      boost::asio::execution::context_t) const noexcept {
    return boost::asio::query(shared_->possibly, boost::asio::execution::context);
  }
  [[nodiscard]] boost::asio::execution::blocking_t query(
      boost::asio::execution::blocking_t) const noexcept {
    if (never_) return boost::asio::execution::blocking.never;
    return boost::asio::execution::blocking.possibly;
  }
  [[nodiscard]] TaskExecutor require(boost::asio::execution::blocking_t::never_t) const {
    return TaskExecutor(shared_, true);
  }
  [[nodiscard]] TaskExecutor require(boost::asio::execution::blocking_t::possibly_t) const {
    return TaskExecutor(shared_, false);
  }
  friend bool operator==(const TaskExecutor&, const TaskExecutor&) noexcept = default;

 private:
  struct Shared {
    Shared(const base::Executor& inner, base::Ref<base::TaskContext> t)
        : task(std::move(t)),
          possibly(boost::asio::prefer(inner, boost::asio::execution::blocking.possibly)),
          never(boost::asio::require(inner, boost::asio::execution::blocking.never)) {}
    base::Ref<base::TaskContext> task;
    base::Executor possibly;
    base::Executor never;
    std::atomic<int> queued{0};  ///< pieces of work that wait for the inner executor
  };
  /// The task runs; afterwards it is ready if more of it is queued, else it waits.
  class Running {
   public:
    explicit Running(Shared& shared) : shared_(shared), scope_(std::in_place, shared.task.get()) {}
    ~Running() {
      scope_.reset();
      if (shared_.queued.load(std::memory_order_relaxed) > 0) {
        shared_.task->state.store(base::TaskContext::State::kReady, std::memory_order_relaxed);
      }
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    Shared& shared_;
    std::optional<base::TaskScope> scope_;
  };

  TaskExecutor(std::shared_ptr<Shared> shared, bool never)
      : shared_(std::move(shared)), never_(never) {}

  std::shared_ptr<Shared> shared_;
  bool never_ = false;
};

}  // namespace podkeeper::runtime
