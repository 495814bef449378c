#include "pkg/runtime/real_stacks.h"

#include "pkg/base/mutex.h"
#include "pkg/base/task_context.h"
#include "pkg/recovery/unwind.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <semaphore.h>
#include <span>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

namespace podkeeper::runtime {
namespace {

using std::chrono::steady_clock;

/// Its default is to be ignored, so one that comes too late does no harm; nobody else here uses it.
constexpr int kSignal = SIGURG;

enum class Phase { kIdle, kWanted, kAnswering, kAnswered };

/// What one thread is asked and answers. There is one, of static storage: a handler that runs late
/// finds it whatever became of the caller.
struct Question {
  std::atomic<Phase> phase{Phase::kIdle};
  std::atomic<pid_t> thread{0};
  std::size_t depth = 0;
  std::array<void*, kStackFramesMax> frames{};
  void* interrupted = nullptr;  ///< where the thread was; the frames before it are the handler's
  std::uint64_t task_id = 0;
  std::size_t task_name_size = 0;
  std::array<char, 64> task_name{};
};
constinit Question g_question;
sem_t g_answered;

/// Fills in the answer of this thread. Async-signal-safe.
void describe_this_thread(Question& into) noexcept {
  into.depth = recovery::unwind(into.frames);
  const base::TaskContext* const task = base::current_task();
  into.task_id = task == nullptr ? 0 : task->id;
  into.task_name_size = task == nullptr ? 0 : std::min(task->name.size(), into.task_name.size());
  if (task != nullptr) std::copy_n(task->name.data(), into.task_name_size, into.task_name.data());
}

extern "C" void podkeeper_answer_with_stack(int, siginfo_t*, void* context) {
  const int saved = errno;
  auto expected = Phase::kWanted;
  if (g_question.thread.load(std::memory_order_relaxed) == ::gettid() &&
      g_question.phase.compare_exchange_strong(expected, Phase::kAnswering)) {
    describe_this_thread(g_question);
    g_question.interrupted = recovery::interrupted_at(context);
    g_question.phase.store(Phase::kAnswered, std::memory_order_release);
    ::sem_post(&g_answered);
  }
  errno = saved;
}

void install_handler() {
  ::sem_init(&g_answered, 0, 0);
  // The unwinder sets itself up on its first use, which must not be inside a handler.
  (void)recovery::unwind(g_question.frames);
  struct sigaction action{};
  action.sa_sigaction = &podkeeper_answer_with_stack;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(kSignal, &action, nullptr);
}

timespec as_timespec(steady_clock::time_point when) {
  const auto since = when.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  return {.tv_sec = static_cast<time_t>(seconds.count()),
          .tv_nsec = static_cast<long>(std::chrono::nanoseconds(since - seconds).count())};
}

/// True once the thread has answered. One that began in time is waited for: it is in the handler.
bool wait_for_answer(steady_clock::time_point deadline) {
  const timespec until = as_timespec(deadline);
  while (g_question.phase.load(std::memory_order_acquire) != Phase::kAnswered) {
    if (::sem_clockwait(&g_answered, CLOCK_MONOTONIC, &until) == 0 || errno == EINTR) continue;
    auto expected = Phase::kWanted;
    if (g_question.phase.compare_exchange_strong(expected, Phase::kIdle)) return false;
    ::sem_wait(&g_answered);
  }
  return true;
}

void take_answer(ThreadStack& into) {
  into.answered = true;
  const auto stack = recovery::interrupted_stack(
      std::span(g_question.frames).first(g_question.depth), g_question.interrupted);
  into.stack.assign(stack.begin(), stack.end());
  into.task_id = g_question.task_id;
  into.task_name.assign(g_question.task_name.data(), g_question.task_name_size);
}

void ask(ThreadStack& thread, steady_clock::time_point deadline) {
  while (::sem_trywait(&g_answered) == 0) {
  }
  const auto id = static_cast<pid_t>(thread.id);
  g_question.interrupted = nullptr;
  if (id == ::gettid()) {
    describe_this_thread(g_question);
    return take_answer(thread);
  }
  g_question.thread.store(id, std::memory_order_relaxed);
  g_question.phase.store(Phase::kWanted, std::memory_order_release);
  const bool sent = ::syscall(SYS_tgkill, ::getpid(), id, kSignal) == 0;
  if (sent && wait_for_answer(deadline)) take_answer(thread);
  g_question.phase.store(Phase::kIdle, std::memory_order_relaxed);
}

std::vector<ThreadStack> list_threads() {
  std::vector<ThreadStack> threads;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", failed)) {
    const std::string text = entry.path().filename();
    ThreadStack thread;
    std::from_chars(text.data(), text.data() + text.size(), thread.id);
    std::getline(std::ifstream(entry.path() / "comm"), thread.name);
    if (threads.size() < kStackThreadsMax) threads.push_back(std::move(thread));
  }
  std::ranges::sort(threads, {}, &ThreadStack::id);
  return threads;
}

}  // namespace

std::vector<ThreadStack> take_stacks() {
  static base::Mutex mutex;
  // Waiting under it is what it is for: there is one question at a time.
  base::Lock lock(mutex);
  [[maybe_unused]] static const bool installed = (install_handler(), true);
  auto threads = list_threads();
  const auto until = steady_clock::now() + kStacksPatience;
  for (auto& thread : threads) {
    const auto now = steady_clock::now();
    if (now < until) ask(thread, std::min(until, now + kStackPatience));
  }
  return threads;
}

}  // namespace podkeeper::runtime
