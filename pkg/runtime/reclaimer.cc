#include "pkg/runtime/reclaimer.h"

#include "pkg/telemetry/log.h"

#include <chrono>
#include <string>

namespace podkeeper::runtime {
namespace {

std::string name_of(const TaskRegistry& tasks, std::uint64_t id) {
  for (const auto& task : tasks.list()) {
    if (task->id == id) return task->name;
  }
  return {};
}

}  // namespace

base::Task<void> Reclaimer::run() {
  for (;;) {
    auto sleep = clock_.sleep_for(kPeriod);
    co_await std::move(sleep);
    base::Epoch::collect();
    watch();
  }
}

void Reclaimer::watch() {
  (void)base::Epoch::mark();  // so that a guard entered later shows another epoch
  const auto holder = base::Epoch::oldest_holder();
  const base::MonotonicTime now = clock_.now();
  if (holder != holder_) {
    holder_ = holder;
    held_since_ = now;
    told_ = false;
  }
  if (!holder || told_ || now - held_since_ < kWarnAfter) return;
  told_ = true;
  telemetry::log_warn(
      "a reader holds memory back",
      {{"task", name_of(tasks_, holder->task_id)},
       {"taskId", holder->task_id},
       {"heldSeconds", std::chrono::duration_cast<std::chrono::seconds>(now - held_since_).count()},
       {"pendingBytes", base::Epoch::pending().bytes}});
}

}  // namespace podkeeper::runtime
