#include "pkg/runtime/real_world.h"

#include "pkg/base/mutex.h"
#include "pkg/base/thread_activity.h"
#include "pkg/recovery/crash_report.h"
#include "pkg/recovery/guard.h"
#include "pkg/runtime/real_clock.h"
#include "pkg/runtime/real_network.h"
#include "pkg/runtime/real_processes.h"
#include "pkg/runtime/seeded_random.h"
#include "pkg/runtime/teardown.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <optional>
#include <pthread.h>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace podkeeper::runtime {

namespace asio = boost::asio;

namespace {

/// A generator for each thread, each seeded by the system.
class RealRandom final : public base::Random {
 public:
  std::uint64_t next() override {
    thread_local SeededRandom random = [] {
      std::random_device device;
      return SeededRandom((std::uint64_t{device()} << 32) | device());
    }();
    return random.next();
  }
};

class RealFiles final : public base::Files {
 public:
  base::Result<std::string> read(const std::string& path, std::size_t max_bytes) override {
    const auto failed = [&](int error) {
      return base::Error{error == ENOENT ? base::ErrorCode::kNotFound : base::ErrorCode::kIo,
                         "read " + path + ": " + std::system_category().message(error)};
    };
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                               &std::fclose);
    if (!file) return failed(errno);
    std::string content;
    std::vector<char> buffer(64 * 1024);
    for (;;) {
      const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), file.get());
      if (size == 0) break;
      content.append(buffer.data(), size);
      if (content.size() > max_bytes) {
        return base::Error{base::ErrorCode::kTooLarge, "read " + path + ": more than the " +
                                                           std::to_string(max_bytes) +
                                                           " bytes that are allowed"};
      }
    }
    if (std::ferror(file.get()) != 0) return failed(errno);
    return content;
  }
};

}  // namespace

struct RealWorld::State {
  explicit State(Supervision* supervision)
      : supervised(supervision != nullptr),
        clock(*io),
        network(*io, clock, supervision),
        processes(*io, clock) {}
  /// Unfinished tasks are destroyed by the end of the loop, while clock and network are still
  /// there.
  ~State() {
    clock.end();
    signals.reset();
    io.reset();
  }

  const bool supervised;
  std::optional<asio::io_context> io{std::in_place};
  RealClock clock;
  RealNetwork network;
  RealProcesses processes;
  RealRandom random;
  RealFiles files;
  std::atomic<bool> stopping{false};
  std::optional<asio::signal_set> signals;
  bool told_directly = false, told_by_supervisor = false;  ///< to end; of one task or handler

  base::Mutex mutex;
  /// The threads of the loop by their ids; each is in it no longer than it lives.
  std::map<std::int64_t, const base::ThreadActivity*> threads PK_GUARDED_BY(mutex);

  /// While it lives, its thread is one of the loop's.
  class Listed {
   public:
    explicit Listed(State& state) : state_(state) {
      base::Lock lock(state_.mutex);
      state_.threads.emplace(id_, &base::thread_activity());
    }
    ~Listed() {
      base::Lock lock(state_.mutex);
      state_.threads.erase(id_);
    }
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;

   private:
    State& state_;
    const std::int64_t id_ = ::gettid();
  };

  /// Notes who wants the process to end; true where that one has said so before.
  bool told_again(int signal) {
    return std::exchange(signal == kPassedOn ? told_by_supervisor : told_directly, true);
  }
  void end_at_next_signal() {
    signals->async_wait([this](const boost::system::error_code& ec, int signal) {
      if (ec) return;
      if (told_again(signal)) std::_Exit(128 + (signal == kPassedOn ? SIGTERM : signal));
      end_at_next_signal();
    });
  }

  /// One thread's loop: what a handler throws is recorded, and the loop goes on.
  void loop() {
    const recovery::CrashStack crash_stack;
    const Listed listed(*this);
    while (!stopping.load(std::memory_order_acquire)) {
      (void)recovery::guard(base::Handler::kThread, [this] { io->run(); });
    }
  }
};

RealWorld::RealWorld(Supervision* supervision) : state_(std::make_unique<State>(supervision)) {}

RealWorld::~RealWorld() {
  const Teardown teardown;
  state_.reset();
}

base::Clock& RealWorld::clock() { return state_->clock; }
base::Network& RealWorld::network() { return state_->network; }
base::Random& RealWorld::random() { return state_->random; }
base::Files& RealWorld::files() { return state_->files; }
base::Processes& RealWorld::processes() { return state_->processes; }
base::Executor RealWorld::make_executor() { return asio::make_strand(state_->io->get_executor()); }

void RealWorld::run(std::size_t threads) {
  const auto work = asio::make_work_guard(*state_->io);
  {
    std::vector<std::jthread> others;
    try {
      for (std::size_t i = 1; i < threads; ++i) {
        others.emplace_back([this, i] {
          // The caller's thread keeps its name, which is the process's.
          ::pthread_setname_np(::pthread_self(), ("io-" + std::to_string(i)).c_str());
          state_->loop();
        });
      }
    } catch (const std::system_error& e) {
      stop();  // those that did start end, and are joined
      throw ThreadShortage("cannot start thread " + std::to_string(others.size() + 2) + " of " +
                           std::to_string(threads) + ": " + e.code().message() +
                           "; lower --worker-threads or raise the limits on processes and "
                           "memory (ulimit -u, -v)");
    }
    state_->loop();
  }
  state_->stopping.store(false, std::memory_order_release);
  state_->io->restart();
}

void RealWorld::stop() {
  state_->stopping.store(true, std::memory_order_release);
  state_->io->stop();
}

std::vector<RealWorld::LoopThread> RealWorld::loop_threads() const {
  std::vector<LoopThread> all;
  base::Lock lock(state_->mutex);
  for (const auto& [id, activity] : state_->threads) {
    all.push_back({.id = id,
                   .turns = activity->turns.load(std::memory_order_relaxed),
                   .busy = activity->task.load(std::memory_order_relaxed) != nullptr});
  }
  return all;
}

void RealWorld::run_task(std::function<base::Task<void>()> make, std::size_t threads) {
  std::exception_ptr failure;
  asio::co_spawn(make_executor(), make(), [&](std::exception_ptr e) {
    failure = std::move(e);
    stop();
  });
  run(threads);
  if (failure) std::rethrow_exception(failure);
}

void RealWorld::catch_termination_signals() {
  if (state_->signals) return;
  state_->signals.emplace(*state_->io, SIGINT, SIGTERM);
  if (state_->supervised) state_->signals->add(kPassedOn);
}

base::Task<int> RealWorld::termination_signal() {
  catch_termination_signals();
  auto waiting = state_->signals->async_wait(asio::use_awaitable_t<base::Executor>{});
  const int signal = co_await std::move(waiting);
  (void)state_->told_again(signal);
  co_return signal == kPassedOn ? SIGTERM : signal;
}

void RealWorld::end_at_next_termination_signal() {
  catch_termination_signals();
  state_->end_at_next_signal();
}

}  // namespace podkeeper::runtime
