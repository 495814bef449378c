#include "pkg/cmap/write_flag.h"

#include "pkg/base/epoch.h"
#include "pkg/base/ref.h"

#include <optional>
#include <utility>

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using base::TaskContext;

/// "file:line"; empty where it is not known.
std::string to_text(const std::source_location& site) {
  if (site.line() == 0) return {};
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

base::MisuseParty Caller::party(std::string doing) const {
  auto party = base::MisuseParty{.doing = std::move(doing), .call_site = to_text(site())};
  if (const TaskContext* task = task_.load(std::memory_order_acquire)) {
    party.task_id = task->id;
    party.task_name = task->name;
    party.created_by = to_text(task->created_by);
  }
  return party;
}

void WriteFlag::misused(const char* doing) const {
  const Epoch::Guard guard;  // keeps the other's Caller and task
  Caller& me = Caller::mine();
  me.note_task();
  std::string why = "a map is used while another writes it";
  std::optional<base::MisuseParty> other;
  const std::uintptr_t state = state_.load(std::memory_order_acquire);
  if (state == kNotYet) {
    why = "a map is used that is not made yet";
  } else if (state == kGone) {
    why = "a map is used that is gone";
  } else if (state == kIdle) {
    why = "a map was written by another while it was used";
  } else {
    other = reinterpret_cast<const Caller*>(state)->party("write");
  }
  throw base::Misuse(why, me.party(doing), std::move(other), me.site());
}

}  // namespace podkeeper::cmap
