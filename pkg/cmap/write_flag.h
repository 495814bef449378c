#pragma once

#include "pkg/base/panic.h"
#include "pkg/base/task_context.h"

#include <atomic>
#include <cstdint>
#include <source_location>
#include <string>

namespace podkeeper::cmap {

/// What a thread shows of its current operation on a map, to a thread that meets it there. Kept for
/// the thread, so that an operation writes no more than its call site.
class Caller {
 public:
  /// This thread's. Made at its first use, freed a grace period after the thread's end.
  static Caller& mine() {
    Caller* caller = of_thread;
    return caller != nullptr ? *caller : make();
  }

  class Stranger;

  void at(std::source_location site) noexcept { site_.store(site, std::memory_order_relaxed); }
  /// Notes the task that runs, which must be shared by Ref (as TaskGroup's are): it is kept until
  /// another writes on this thread, so that it can be named for as long as its write goes on.
  void note_task() {
    const base::TaskContext* task = base::current_task();
    if (task != task_.load(std::memory_order_relaxed)) [[unlikely]]
      change_task(task);
  }

  [[nodiscard]] std::source_location site() const noexcept {
    return site_.load(std::memory_order_relaxed);
  }
  /// For a report. For any thread, under an Epoch::Guard since before it had the Caller.
  [[nodiscard]] base::MisuseParty party(std::string doing) const;

 private:
  struct Owner;
  static Caller& make();
  void change_task(const base::TaskContext* task);

  static constinit thread_local Caller* of_thread;
  std::atomic<const base::TaskContext*> task_{nullptr};  ///< holds one count
  std::atomic<std::source_location> site_{std::source_location()};
};

/// While it is there its thread passes for another, with a Caller of its own: so that one thread
/// can show what two do to each other.
class Caller::Stranger {
 public:
  Stranger() : outer_(&mine()) { of_thread = &own_; }
  ~Stranger() {
    of_thread = outer_;
    own_.change_task(nullptr);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

 private:
  Caller own_;
  Caller* const outer_;
};

/// The always-on flag of a table that must not be written by two at a time, nor read as a whole
/// while it is written: what the owner's lock is for. Where that is broken, and where memory is
/// used that is not a table yet or no more, it raises a base::Misuse, whose parties name both
/// tasks, who created them, and their call sites. (After the flag of Go's maps.)
///
/// Cost of a write: a load and two stores of a line that the writer has anyway. Two writes that
/// begin within the same few nanoseconds may miss each other.
class WriteFlag {
 public:
  WriteFlag() = default;
  WriteFlag(const WriteFlag&) = delete;
  WriteFlag& operator=(const WriteFlag&) = delete;
  ~WriteFlag() { state_.store(kGone, std::memory_order_relaxed); }

  /// Gives what `body()` gives, which must not throw: nobody else may write meanwhile.
  template <class Body>
  auto write(Body&& body) {
    if (state_.load(std::memory_order_relaxed) != kIdle) [[unlikely]]
      misused("write");
    Caller& caller = Caller::mine();
    caller.note_task();
    state_.store(reinterpret_cast<std::uintptr_t>(&caller), std::memory_order_relaxed);
    auto result = body();
    state_.store(kIdle, std::memory_order_relaxed);
    return result;
  }

  /// Gives what `body()` gives: nobody may write when it begins, nor when it has ended.
  template <class Body>
  auto read(Body&& body) const {
    if (state_.load(std::memory_order_relaxed) != kIdle) [[unlikely]]
      misused("iteration");
    auto result = body();
    if (state_.load(std::memory_order_relaxed) != kIdle) [[unlikely]]
      misused("iteration");
    return result;
  }

  /// The handle's: that there is something to use.
  void expect_alive() const {
    const std::uintptr_t state = state_.load(std::memory_order_relaxed);
    if (state == kNotYet || state == kGone) [[unlikely]]
      misused("use");
  }

 private:
  // A Caller's address, or one of these; memory that is all zero holds no map.
  static constexpr std::uintptr_t kNotYet = 0;
  static constexpr std::uintptr_t kIdle = 1;
  static constexpr std::uintptr_t kGone = 3;

  [[noreturn]] void misused(const char* doing) const;

  std::atomic<std::uintptr_t> state_{kIdle};
};

}  // namespace podkeeper::cmap
