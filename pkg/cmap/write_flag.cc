#include "pkg/cmap/write_flag.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/base/ref.h"

#include <utility>

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using base::TaskContext;

std::string to_text(const std::source_location& site) {
  if (site.line() == 0) return "an unknown place";
  return std::string(site.file_name()) + ":" + std::to_string(site.line());
}

void retire(const TaskContext* task) {
  if (task != nullptr) Epoch::retire(base::Ref<const TaskContext>::adopt(task));
}

}  // namespace

constinit thread_local Caller* Caller::of_thread = nullptr;

/// One thread's hold on its Caller.
struct Caller::Owner {
  // The guard makes the thread's part of the epochs first, so that it outlives this.
  Owner() : caller((static_cast<void>(Epoch::Guard()), new Caller())) {}
  ~Owner() {
    of_thread = nullptr;
    caller->change_task(nullptr);
    Epoch::retire(
        caller, [](const void* memory) { delete static_cast<const Caller*>(memory); },
        sizeof(Caller));
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  Caller* const caller;
};

Caller& Caller::make() {
  thread_local Owner owner;
  of_thread = owner.caller;
  return *of_thread;
}

void Caller::change_task(const TaskContext* task) {
  const TaskContext* held = base::Ref<const TaskContext>(task).release();
  retire(task_.exchange(held, std::memory_order_acq_rel));
}

std::string Caller::describe() const {
  const TaskContext* task = task_.load(std::memory_order_acquire);
  const std::string who =
      task == nullptr ? "a thread outside any task"
                      : "task '" + task->name + "' (created at " + to_text(task->created_by) + ")";
  return who + " at " + to_text(site());
}

void WriteFlag::misused(const char* act) const {
  const Epoch::Guard guard;  // keeps the other's Caller and task
  Caller& me = Caller::mine();
  me.note_task();
  std::string why = me.describe() + " " + act + " a map ";
  const std::uintptr_t state = state_.load(std::memory_order_acquire);
  if (state == kNotYet) {
    why += "that is not made yet";
  } else if (state == kGone) {
    why += "that is gone";
  } else if (state == kIdle) {
    why += "while another wrote it, which has ended since";
  } else {
    why += "that " + reinterpret_cast<const Caller*>(state)->describe() + " is writing";
  }
  throw base::Panic(base::PanicKind::kMisuse, why, me.site());
}

}  // namespace podkeeper::cmap
