#include "pkg/runtime/simulated_world.h"

#include "pkg/base/panic.h"
#include "pkg/runtime/seeded_random.h"
#include "pkg/runtime/simulated_network.h"
#include "pkg/runtime/simulated_scheduler.h"
#include "pkg/runtime/teardown.h"

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <utility>

namespace podkeeper::runtime {

namespace asio = boost::asio;

namespace {

class SimulatedRandom final : public base::Random {
 public:
  SimulatedRandom(SimulatedScheduler& scheduler, std::uint64_t seed)
      : scheduler_(scheduler), random_(seed) {}
  std::uint64_t next() override {
    const std::uint64_t value = random_.next();
    scheduler_.note(value);
    return value;
  }

 private:
  SimulatedScheduler& scheduler_;
  SeededRandom random_;
};

class SimulatedFiles final : public base::Files {
 public:
  base::Result<std::string> read(const std::string& path, std::size_t max_bytes) override {
    const auto found = files_.find(path);
    if (found == files_.end()) {
      return base::Error{base::ErrorCode::kNotFound, "read " + path + ": no such file"};
    }
    if (found->second.size() > max_bytes) {
      return base::Error{base::ErrorCode::kTooLarge,
                         "read " + path + ": " + std::to_string(found->second.size()) +
                             " bytes, more than the " + std::to_string(max_bytes) + " allowed"};
    }
    return found->second;
  }
  void put(std::string path, std::string content) { files_[std::move(path)] = std::move(content); }

 private:
  std::map<std::string, std::string> files_;
};

/// Three streams of numbers from one seed, so that a draw in one does not shift the others.
std::uint64_t derived(std::uint64_t seed, std::uint64_t which) {
  return SeededRandom(seed + which * 0x632be59bd9b4e019).next();
}

}  // namespace

struct SimulatedWorld::State {
  State(std::uint64_t s, SimulatedNetworkOptions options)
      : seed(s),
        scheduler(derived(s, 1)),
        network(std::make_shared<SimulatedNetwork>(scheduler, derived(s, 2), options)),
        random(scheduler, derived(s, 3)) {}

  std::uint64_t seed;
  SimulatedScheduler scheduler;
  std::shared_ptr<SimulatedNetwork> network;
  SimulatedRandom random;
  SimulatedFiles files;
};

SimulatedWorld::SimulatedWorld(std::uint64_t seed, SimulatedNetworkOptions network)
    : state_(std::make_unique<State>(seed, network)) {}

SimulatedWorld::~SimulatedWorld() {
  const Teardown teardown;
  state_->scheduler.end();
  state_.reset();
}

base::Clock& SimulatedWorld::clock() { return state_->scheduler; }
base::Network& SimulatedWorld::network() { return *state_->network; }
base::Random& SimulatedWorld::random() { return state_->random; }
base::Files& SimulatedWorld::files() { return state_->files; }
base::Executor SimulatedWorld::make_executor() { return state_->scheduler.make_executor(); }

void SimulatedWorld::run() {
  while (state_->scheduler.step(base::MonotonicTime::max())) {
  }
}

void SimulatedWorld::run_for(base::Duration duration) {
  const base::MonotonicTime end = state_->scheduler.now() + duration;
  while (state_->scheduler.step(end)) {
  }
  state_->scheduler.advance_to(end);
}

bool SimulatedWorld::run_until(const std::function<bool()>& done, base::Duration limit) {
  const base::MonotonicTime end = state_->scheduler.now() + limit;
  while (!done()) {
    if (state_->scheduler.step(end)) continue;
    state_->scheduler.advance_to(end);
    return done();
  }
  return true;
}

void SimulatedWorld::run_task(std::function<base::Task<void>()> make) {
  bool done = false;
  std::exception_ptr failure;
  asio::co_spawn(make_executor(), make(), [&](std::exception_ptr e) {
    failure = std::move(e);
    done = true;
  });
  while (!done) {
    PK_CHECK(state_->scheduler.step(base::MonotonicTime::max()),
             "the task waits for something that never comes: nothing is ready and no timer is set");
  }
  if (failure) std::rethrow_exception(failure);
}

void SimulatedWorld::cut_connections() { state_->network->cut_connections(); }
void SimulatedWorld::cut_connections_mid_stream() { state_->network->cut_connections_mid_stream(); }
void SimulatedWorld::put_file(std::string path, std::string content) {
  state_->files.put(std::move(path), std::move(content));
}

std::uint64_t SimulatedWorld::steps() const noexcept { return state_->scheduler.steps(); }
std::uint64_t SimulatedWorld::trace_hash() const noexcept { return state_->scheduler.trace_hash(); }
std::uint64_t SimulatedWorld::seed() const noexcept { return state_->seed; }

}  // namespace podkeeper::runtime
