#pragma once

#include "pkg/base/task.h"
#include "pkg/controllers/pod_state_controller.h"
#include "pkg/runtime/real_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/state/pod_states.h"
#include "pkg/state/store.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/controllers/support.h"

namespace podkeeper::controllers::testing {

struct RaceOptions {
  base::Duration duration = std::chrono::seconds(1);
  std::size_t workers = 2;
  std::size_t threads = 4;
  std::uint64_t pods = 200;
  std::uint64_t seed = 1;
};

struct RaceReport {
  std::uint64_t changes = 0;             ///< written to the mirror
  std::uint64_t reads = 0;               ///< pod states looked at meanwhile
  std::uint64_t expired = 0;             ///< states that the observer's own sweeps removed
  std::vector<std::string> went_back;    ///< states whose revision was seen to go back
  std::vector<std::string> differences;  ///< left when everything had come to rest
};

/// Workers, the sweeper and readers on one PodState map, on real threads, while the mirror changes:
/// pods come, end, expire and go. The same code serves a short test and a long proof.
class Race {
 public:
  explicit Race(RaceOptions options)
      : options_(options),
        random_(options.seed),
        pods_(world_.clock(), {.resource = kube::pods(), .map = {}, .log = {.events_max = 1024}}),
        nodes_(world_.clock(), {.resource = kube::nodes(), .map = {}, .log = {.events_max = 64}}),
        controller_(world_, state::Reader(pods_), allowed(), state::Reader(nodes_),
                    allowed("nodes"), states_,
                    {.workers = options.workers,
                     .derive = {.terminal_ttl = std::chrono::seconds(1)},
                     .sweep_interval = std::chrono::milliseconds(1)}),
        group_(world_, registry_, "race") {}

  RaceReport run() {
    world_.run_task([this] { return body(); }, options_.threads);
    return std::move(report_);
  }

 private:
  base::Task<void> body() {
    nodes_.replace(batch(Node{}), {1});
    pods_.replace({}, {1});
    (void)controller_.start(group_);
    (void)group_.spawn("observer", base::Handler::kEvent, [this] { return observe(); });
    const auto end = world_.clock().now() + options_.duration;
    while (world_.clock().now() < end) {
      for (int i = 0; i < 20; ++i) change();
      auto nap = world_.clock().sleep_for(std::chrono::microseconds(200));
      co_await std::move(nap);
    }
    auto rest = come_to_rest();
    co_await std::move(rest);
    group_.stop();
    auto joined = group_.join();
    co_await std::move(joined);
  }

  void change() {
    constexpr std::array kPhases = {"Pending", "Running", "Succeeded", "Failed"};
    const std::string number = std::to_string(random_() % options_.pods);
    const auto now = std::chrono::floor<std::chrono::seconds>(world_.clock().wall_now());
    const Pod pod{.phase = kPhases[random_() % kPhases.size()],
                  .finished = 0,
                  .name = "p" + number,
                  .revision = ++revision_,
                  .created = now.time_since_epoch().count(),
                  .uid = number};
    const auto type = random_() % 8 == 0 ? kube::EventType::kDeleted : kube::EventType::kModified;
    pods_.apply(type, object(pod));
    ++report_.changes;
  }

  /// Reads all the time, and sweeps beside the sweeper.
  base::Task<void> observe() {
    std::map<std::string, std::uint64_t> seen;
    while (true) {
      for (const auto& state : states_.list(allowed(), {}).states) {
        const std::uint64_t revision = state->state().revision().value;
        std::uint64_t& last = seen[std::string(state->key_text())];
        if (revision < last) report_.went_back.emplace_back(state->key_text());
        last = revision;
        ++report_.reads;
      }
      report_.expired += controller_.cleanup_expired();
      auto nap = world_.clock().sleep_for(std::chrono::microseconds(500));
      co_await std::move(nap);
    }
  }

  base::Task<void> come_to_rest() {
    const auto limit = world_.clock().now() + std::chrono::seconds(30);
    do {
      auto nap = world_.clock().sleep_for(std::chrono::milliseconds(20));
      co_await std::move(nap);
      report_.differences = controller_.differences();
    } while (!(controller_.backlog() == 0 && report_.differences.empty()) &&
             world_.clock().now() < limit);
  }

  const RaceOptions options_;
  std::mt19937_64 random_;
  std::uint64_t revision_ = 1;
  RaceReport report_;
  runtime::RealWorld world_;
  runtime::TaskRegistry registry_{world_.clock()};
  state::Store pods_;
  state::Store nodes_;
  state::PodStates states_{world_.clock()};
  PodStateController controller_;
  runtime::TaskGroup group_;
};

}  // namespace podkeeper::controllers::testing
