#include "tests/leader/support/takeovers.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include "tests/leader/support/lease_server.h"
#include "tests/leader/support/replica.h"

namespace podkeeper::leader::testing {
namespace {

using base::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kReplicas = 3;
/// Rates of the slowest and the fastest clock: a term of the slow one, 11.1 s, is over 2.5 s before
/// the fast one's patience, 13.6 s. What is under way may take 1.5 s of them.
constexpr double kSlowest = 0.9, kFastest = 1.1;
constexpr auto kLongLeg = milliseconds(1'500);
constexpr auto kGiveUp = seconds(60);

class Scene {
 public:
  explicit Scene(const TakeoverOptions& options)
      : options_(options),
        world_(options.seed),
        registry_(world_.clock()),
        group_(world_, registry_, "under way"),
        watching_(world_, registry_, "watching"),
        server_(world_.clock()) {
    for (std::size_t i = 0; i < kReplicas; ++i) {
      const double rate =
          kSlowest + (kFastest - kSlowest) * static_cast<double>(i) / (kReplicas - 1);
      replicas_[i] = std::make_unique<Replica>(world_, group_, server_, rate);
    }
  }

  TakeoverReport run() {
    const auto started = world_.clock().now();
    world_.run_task([this] { return play(); });
    report_.virtual_time = world_.clock().now() - started;
    report_.writes = server_.writes();
    report_.late_writes_refused = server_.late_writes_refused();
    report_.violations.insert(report_.violations.end(), server_.violations().begin(),
                              server_.violations().end());
    return std::move(report_);
  }

 private:
  enum class Fault { kKill, kStop, kCut, kTerminate };

  Task<void> play() {
    const auto watching =
        watching_.spawn("watch", base::Handler::kTimer, [this] { return look(); });
    if (!watching) co_return;
    for (auto& replica : replicas_) replica->start();
    while (report_.takeovers < options_.takeovers) {
      Replica* const slow = find(server_.holder());
      if (slow != nullptr && chance(3) == 0) slow->line.leg_max = kLongLeg;
      // Longer than a request that was lost keeps a candidate waiting.
      auto calm = pause(milliseconds(8'000 + chance(12'000)));
      co_await std::move(calm);
      Replica* const leader = find(server_.holder());
      if (leader == nullptr) continue;
      auto round = disturb(*leader);
      co_await std::move(round);
    }
    for (auto& replica : replicas_) {
      auto ending = replica->kill();
      co_await std::move(ending);
    }
    for (runtime::TaskGroup* group : {&watching_, &group_}) {
      group->stop();
      auto joining = group->join();
      co_await std::move(joining);
    }
  }

  /// One fault of the leader, until another leads or the fault is over.
  Task<void> disturb(Replica& leader) {
    const auto fault = static_cast<Fault>(chance(4));
    const auto lasts = milliseconds(500 + chance(40'000));
    const std::size_t changes = server_.changes().size();
    vex(leader, lasts);
    const auto begun = world_.clock().now();
    switch (fault) {
      case Fault::kKill: {
        ++report_.kills;
        auto killing = leader.kill();
        co_await std::move(killing);
        break;
      }
      case Fault::kTerminate: {
        ++report_.terminations;
        auto ending = leader.shut_down();
        co_await std::move(ending);
        break;
      }
      case Fault::kStop:
        ++report_.stops;
        leader.clock().stop_for(lasts);
        break;
      case Fault::kCut:
        ++report_.cuts;
        leader.line.cut = true;
        break;
    }
    const auto over = begun + (leader.alive() ? base::Duration(lasts) : base::Duration(kGiveUp));
    auto waiting = until_taken(changes, over);
    const bool taken = co_await std::move(waiting);
    settle(taken, fault, begun, changes);
    // The deposed come back while the next one leads.
    auto lasting = world_.clock().sleep_until(begun + lasts);
    co_await std::move(lasting);
    if (!leader.alive()) leader.start();
    for (auto& replica : replicas_) replica->line = Line{};
  }

  /// What goes wrong at the same time: a candidate's process or line, and a wall clock.
  void vex(Replica& leader, base::Duration lasts) {
    Replica& other = *replicas_[chance(kReplicas)];
    other.clock().shift_wall(std::chrono::hours(static_cast<int>(chance(49)) - 24));
    if (&other == &leader) return;
    if (chance(2) == 0) {
      other.clock().stop_for(lasts / 2);
    } else {
      other.line.cut = true;
    }
  }

  Task<bool> until_taken(std::size_t changes, base::MonotonicTime over) {
    while (world_.clock().now() < over) {
      if (server_.changes().size() > changes && !server_.holder().empty()) co_return true;
      auto looking = pause(milliseconds(50));
      co_await std::move(looking);
    }
    co_return false;
  }

  void settle(bool taken, Fault fault, base::MonotonicTime begun, std::size_t changes) {
    if (!taken) {
      if (fault == Fault::kKill || fault == Fault::kTerminate) {
        report_.violations.push_back("nobody took over within a minute");
      }
      ++report_.survived;
      return;
    }
    ++report_.takeovers;
    const auto& change = server_.changes().back();
    // Where the leader gave it up, it was free from then on; else a renewal that was under way when
    // the fault began may have arrived after it.
    const bool released = change.from.empty() && server_.changes().size() > changes + 1;
    const auto since =
        released ? server_.changes().at(changes).at : std::max(begun, change.last_renewal);
    Replica* const taker = find(change.to);
    if (taker == nullptr) return;
    const auto took = taker->clock().own(change.at - since);
    auto& slowest = released ? report_.slowest_after_release : report_.slowest;
    slowest = std::max(slowest, took);
    if (released) ++report_.releases;
  }

  Task<void> look() {
    while (true) {
      std::size_t leaders = 0;
      for (auto& replica : replicas_) {
        if (replica->alive() && replica->elector().leads()) ++leaders;
      }
      if (leaders > 1) report_.violations.push_back("two believe to lead");
      auto waiting = pause(milliseconds(100));
      co_await std::move(waiting);
    }
  }

  Replica* find(const std::string& identity) {
    const auto at = std::ranges::find_if(
        replicas_, [&](const auto& replica) { return replica->identity() == identity; });
    return at == replicas_.end() || !(*at)->alive() ? nullptr : at->get();
  }
  std::size_t chance(std::size_t bound) { return world_.random().below(bound); }
  Task<void> pause(base::Duration time) { return world_.clock().sleep_for(time); }

  const TakeoverOptions options_;
  runtime::SimulatedWorld world_;
  runtime::TaskRegistry registry_;
  runtime::TaskGroup group_, watching_;
  LeaseServer server_;
  std::array<std::unique_ptr<Replica>, kReplicas> replicas_;
  TakeoverReport report_;
};

}  // namespace

TakeoverReport run_takeovers(const TakeoverOptions& options) { return Scene(options).run(); }

}  // namespace podkeeper::leader::testing
