#include "tests/world/support/nemesis.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace podkeeper::world {

using base::Duration;
using base::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr Duration kCutMax = seconds(30), kDownMax = seconds(10);

}  // namespace

Nemesis::Nemesis(base::World& world, Model& model, ModelServer& server, NemesisOptions options)
    : world_(world), model_(model), server_(server), options_(options) {}

Task<void> Nemesis::wait(Duration most) {
  return world_.clock().sleep_for(
      Duration(static_cast<std::int64_t>(1 + chance(static_cast<std::uint64_t>(most.count())))));
}

Task<void> Nemesis::run(base::MonotonicTime end) {
  while (world_.clock().now() < end) {
    auto waiting = wait(2 * options_.pause);
    co_await std::move(waiting);
    ++faults_;
    const std::size_t which = chance(instances_.size());
    auto disturbing = disturb(*instances_[which], server_.view(which));
    co_await std::move(disturbing);
  }
  auto ending = take_back();
  co_await std::move(ending);
}

Task<void> Nemesis::disturb(Instance& instance, View& view) {
  ProcessWorld& process = instance.process();
  if (options_.means == Means::kStops) {
    process.clock().stop_for(seconds(16 + chance(8)));
    co_return;
  }
  if (options_.means == Means::kClogs) {
    auto swizzling = swizzle(instance);
    co_await std::move(swizzling);
    co_return;
  }
  switch (chance(11)) {
    case 0:
      process.cut_some(1 + chance(3));
      break;
    case 1: {
      auto swizzling = swizzle(instance);
      co_await std::move(swizzling);
      break;
    }
    case 2: {
      process.set_cut(true);
      auto waiting = wait(kCutMax * options_.stretch);
      co_await std::move(waiting);
      process.set_cut(false);
      break;
    }
    case 3:
      process.clock().stop_for(milliseconds(100 + chance(25'000 * options_.stretch)));
      break;
    case 4: {
      auto restarting = restart(instance, true);
      co_await std::move(restarting);
      break;
    }
    case 5: {
      auto restarting = restart(instance, false);
      co_await std::move(restarting);
      break;
    }
    case 6:
      process.clock().set_rate(kRateMin +
                               (kRateMax - kRateMin) * static_cast<double>(chance(5)) / 4.0);
      break;
    case 7:
      process.drop_replies(1 + chance(3));
      break;
    default:
      vex_upstream(view);
      break;
  }
}

/// As FoundationDB does it: connections are clogged one after another and freed in another order.
Task<void> Nemesis::swizzle(Instance& instance) {
  const auto rounds = 1 + chance(4);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    instance.process().clog_some(3);
    auto waiting = wait(seconds(3));
    co_await std::move(waiting);
  }
  while (instance.process().unclog_one()) {
    auto waiting = wait(seconds(2));
    co_await std::move(waiting);
  }
}

Task<void> Nemesis::restart(Instance& instance, bool kill) {
  auto ending = kill ? instance.kill() : instance.terminate();
  co_await std::move(ending);
  auto waiting = wait(kDownMax * options_.stretch);
  co_await std::move(waiting);
  auto starting = instance.start();
  co_await std::move(starting);
}

void Nemesis::set_lag(View& view, Duration lag) {
  view.lag = lag;
  model_.wakeups.notify_all();  // who waits for what is now seen earlier
}

void Nemesis::vex_upstream(View& view) {
  switch (chance(8)) {
    case 0:
      set_lag(view, milliseconds(chance(10'000 * options_.stretch)));
      break;
    case 1:
      set_lag(view, {});
      break;
    case 2:
      view.refusals = 1 + chance(4);
      break;
    case 3:
      view.gone_as_http = chance(2) == 0;
      model_.compact(model_.revision() - std::min<Revision>(chance(40), model_.revision()));
      break;
    case 4:
      model_.compact(model_.revision());
      break;
    case 5:
      server_.restart();
      for (Instance* const instance : instances_) instance->process().cut_some(1);
      break;
    case 6:
      server_.restart();
      break;
    default:
      if (!options_.restores) break;
      // A backup is not of this moment: that far back, what was lost shows in more than one object.
      model_.restore(model_.revision() - std::min(20 + chance(300), model_.revision() / 2));
      server_.restart();
      break;
  }
}

Task<void> Nemesis::take_back() {
  for (std::size_t i = 0; i < instances_.size(); ++i) {
    Instance& instance = *instances_[i];
    instance.process().set_cut(false);
    instance.process().unclog_all();
    instance.process().drop_replies(0);
    instance.process().clock().set_rate(1);
    View& view = server_.view(i);
    set_lag(view, {});
    view.refusals = 0;
    auto running = instance.process().clock().running();
    co_await std::move(running);
  }
}

}  // namespace podkeeper::world
