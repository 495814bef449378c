#include "pkg/state/currency.h"

#include "pkg/base/snapshot.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <tuple>
#include <utility>

namespace podkeeper::state {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::chrono::milliseconds kRetryAfter{1000};

std::unexpected<Unmet> unmet(Unmet::Kind kind, kube::Revision wanted, std::string message) {
  return std::unexpected(
      Unmet{kind, wanted, {ErrorCode::kTimeout, std::move(message), kRetryAfter}});
}

/// Runs at the end of a scope, however it is left.
template <class F>
class AtExit {
 public:
  explicit AtExit(F act) : act_(std::move(act)) {}
  ~AtExit() { act_(); }
  AtExit(const AtExit&) = delete;
  AtExit& operator=(const AtExit&) = delete;

 private:
  F act_;
};

}  // namespace

std::string_view to_string(Consistency consistency) noexcept {
  switch (consistency) {
    case Consistency::kEventual:
      return "eventual";
    case Consistency::kSnapshot:
      return "snapshot";
    case Consistency::kLinearizable:
      return "linearizable";
  }
  return "";
}

/// One question to upstream, and those who wait for its answer.
struct Currency::Round {
  runtime::WakeupList wakeups;
  // Guarded by State::mutex.
  std::optional<base::Result<kube::Revision>> newest;  ///< none until upstream has answered
  base::MonotonicTime sent{};
};

struct Currency::State : std::enable_shared_from_this<Currency::State> {
  State(base::World& in_world, runtime::TaskGroup& in_group, telemetry::Metrics& metrics,
        Store& of_store, std::shared_ptr<kube::RevisionProbe> with_probe, CurrencyOptions with)
      : world(in_world),
        group(in_group),
        store(of_store),
        reader(of_store),
        probe(std::move(with_probe)),
        options(with),
        name(reader.resource().plural_group()),
        probes_answered(metrics.counter(telemetry::kConsistencyProbes, {name, "success"})),
        probes_failed(metrics.counter(telemetry::kConsistencyProbes, {name, "error"})) {
    for (const auto consistency :
         {Consistency::kEventual, Consistency::kSnapshot, Consistency::kLinearizable}) {
      const std::string told(to_string(consistency));
      met[static_cast<std::size_t>(consistency)] =
          &metrics.counter(telemetry::kConsistencyReads, {name, told, "met"});
      refused[static_cast<std::size_t>(consistency)] =
          &metrics.counter(telemetry::kConsistencyReads, {name, told, "unmet"});
    }
  }

  base::Task<Met> meet(ReadDemand demand);
  base::Task<Met> prove(base::MonotonicTime deadline);
  base::Task<bool> reach(kube::Revision revision, base::MonotonicTime deadline);
  std::shared_ptr<Round> join();
  // Tasks of their own; `self` keeps what they work on.
  base::Task<void> ask_rounds(std::shared_ptr<State> self);
  std::shared_ptr<Round> send_next();
  void finish(Round& round, base::Result<kube::Revision> newest);
  void want(kube::Revision revision, base::MonotonicTime deadline);
  base::Task<void> look_for_quiet(std::shared_ptr<State> self);
  /// What is still wanted; none when it is reached or too late, and then nobody looks any more.
  std::optional<std::pair<kube::Revision, base::MonotonicTime>> still_wanted();
  base::Task<bool> wait_for(kube::Revision revision, base::MonotonicTime deadline);

  base::World& world;
  runtime::TaskGroup& group;
  Store& store;
  const Reader reader;
  const std::shared_ptr<kube::RevisionProbe> probe;
  const CurrencyOptions options;
  const std::string name;
  telemetry::Counter& probes_answered;
  telemetry::Counter& probes_failed;
  std::array<telemetry::Counter*, 3> met{};
  std::array<telemetry::Counter*, 3> refused{};

  std::atomic<bool> has_rules{false};  ///< so that a read without any takes no lock
  base::Snapshot<std::vector<policy::ReadRule>> rules;

  base::Mutex mutex;
  std::shared_ptr<Round> gathering PK_GUARDED_BY(mutex);  ///< not sent yet; null: nobody waits
  bool asking PK_GUARDED_BY(mutex) = false;               ///< the task that sends rounds runs
  base::MonotonicTime refreshed PK_GUARDED_BY(mutex){};
  bool looking PK_GUARDED_BY(mutex) = false;  ///< the task that looks for quiet runs
  kube::Revision wanted PK_GUARDED_BY(mutex);
  base::MonotonicTime wanted_until PK_GUARDED_BY(mutex){};
};

base::Task<Currency::Met> Currency::State::meet(ReadDemand demand) {
  const auto came = world.clock().now();
  const auto deadline = came + options.wait_max;
  if (demand.revision_min > reader.freshness().revision) {
    auto reaching = reach(demand.revision_min, deadline);
    const bool there = co_await std::move(reaching);
    if (!there) {
      co_return unmet(Unmet::Kind::kRevision, demand.revision_min,
                      "Timeout: Too large resource version: " + to_string(demand.revision_min) +
                          ", current: " + to_string(reader.freshness().revision));
    }
  }
  auto age_max = demand.age_max.value_or(base::Duration::max());
  if (demand.consistency == Consistency::kSnapshot) {
    age_max = std::min(age_max, options.snapshot_age_max);
  }
  if (demand.consistency != Consistency::kLinearizable) {
    // By now the evidence may be of after the read came.
    const auto evidence = world.clock().now() - reader.freshness().age;
    if (age_max == base::Duration::max() || came - evidence <= age_max) co_return Met{};
  }
  auto proving = prove(deadline);
  co_return co_await std::move(proving);
}

base::Task<Currency::Met> Currency::State::prove(base::MonotonicTime deadline) {
  const auto round = join();
  runtime::Wakeup wakeup(world.clock());
  const auto answered = round->wakeups.subscribe(wakeup);
  const auto answer = [&] {
    base::Lock lock(mutex);
    return std::pair(round->newest, round->sent);
  };
  auto [newest, sent] = answer();
  while (!newest) {
    auto waiting = wakeup.wait_until(deadline);
    const bool notified = co_await std::move(waiting);
    std::tie(newest, sent) = answer();
    if (!notified) break;
  }
  if (!newest) {
    co_return unmet(Unmet::Kind::kUnproven, {},
                    "upstream did not tell the revision of " + name + " in time");
  }
  if (!*newest) co_return unmet(Unmet::Kind::kUnproven, {}, newest->error().message);
  auto reaching = reach(**newest, deadline);
  const bool there = co_await std::move(reaching);
  if (!there) {
    co_return unmet(Unmet::Kind::kBehind, **newest,
                    "upstream's " + name + " are at revision " + to_string(**newest) +
                        ", the mirror is at " + to_string(reader.freshness().revision) +
                        " and did not get there in time");
  }
  store.confirm(**newest, sent);
  co_return Met{};
}

std::shared_ptr<Currency::Round> Currency::State::join() {
  std::shared_ptr<Round> round;
  {
    base::Lock lock(mutex);
    if (!gathering) gathering = std::make_shared<Round>();
    round = gathering;
    if (std::exchange(asking, true)) return round;
  }
  const auto asked = group.spawn("revision probe " + name, base::Handler::kEvent,
                                 [self = shared_from_this()] { return self->ask_rounds(self); });
  if (!asked) {
    {
      base::Lock lock(mutex);
      asking = false;
      gathering.reset();
    }
    finish(*round, asked.error());
  }
  return round;
}

base::Task<void> Currency::State::ask_rounds(std::shared_ptr<State> /*self*/) {
  // A stop of the task leaves its waiters to their deadlines.
  bool ended = false;
  const AtExit stopped([&] {
    base::Lock lock(mutex);
    if (!ended) asking = false;
  });
  while (const auto round = send_next()) {
    auto asking_newest = probe->newest(world.clock().now() + options.wait_max);
    auto newest = co_await std::move(asking_newest);
    (newest ? probes_answered : probes_failed).Increment();
    finish(*round, std::move(newest));
  }
  ended = true;
}

std::shared_ptr<Currency::Round> Currency::State::send_next() {
  base::Lock lock(mutex);
  auto round = std::exchange(gathering, nullptr);
  if (round) {
    round->sent = world.clock().now();
  } else {
    asking = false;
  }
  return round;
}

void Currency::State::finish(Round& round, base::Result<kube::Revision> newest) {
  {
    base::Lock lock(mutex);
    round.newest = std::move(newest);
  }
  round.wakeups.notify_all();
}

base::Task<bool> Currency::State::wait_for(kube::Revision revision, base::MonotonicTime deadline) {
  runtime::Wakeup wakeup(world.clock());
  const auto changes = reader.subscribe(wakeup);
  while (reader.freshness().revision < revision) {
    auto waiting = wakeup.wait_until(deadline);
    const bool notified = co_await std::move(waiting);
    if (!notified) co_return reader.freshness().revision >= revision;
  }
  co_return true;
}

base::Task<bool> Currency::State::reach(kube::Revision revision, base::MonotonicTime deadline) {
  if (reader.freshness().revision >= revision) co_return true;
  want(revision, deadline);
  auto waiting = wait_for(revision, deadline);
  co_return co_await std::move(waiting);
}

void Currency::State::want(kube::Revision revision, base::MonotonicTime deadline) {
  {
    base::Lock lock(mutex);
    wanted = std::max(wanted, revision);
    wanted_until = std::max(wanted_until, deadline);
    if (std::exchange(looking, true)) return;
  }
  const auto spawned =
      group.spawn("quiet watch " + name, base::Handler::kEvent,
                  [self = shared_from_this()] { return self->look_for_quiet(self); });
  if (spawned) return;
  base::Lock lock(mutex);
  looking = false;
}

std::optional<std::pair<kube::Revision, base::MonotonicTime>> Currency::State::still_wanted() {
  const auto now = world.clock().now();
  const auto reached = reader.freshness().revision;
  base::Lock lock(mutex);
  if (reached < wanted && now < wanted_until) return std::pair(wanted, wanted_until);
  looking = false;
  wanted = {};
  return std::nullopt;
}

base::Task<void> Currency::State::look_for_quiet(std::shared_ptr<State> /*self*/) {
  bool ended = false;
  const AtExit stopped([&] {
    base::Lock lock(mutex);
    if (!ended) looking = false;
  });
  while (const auto aim = still_wanted()) {
    const auto [revision, until] = *aim;
    auto waiting = wait_for(revision, std::min(until, world.clock().now() + options.quiet_after));
    const bool there = co_await std::move(waiting);
    if (there) continue;
    const auto held = reader.freshness().revision;
    auto asking_quiet = probe->quiet_since(held, until);
    const auto quiet = co_await std::move(asking_quiet);
    if (quiet && *quiet) {
      store.confirm_quiet(held, **quiet);
    } else if (!quiet) {
      telemetry::log_debug("no second watch", {{"resource", name}, {"err", quiet.error()}});
    }
  }
  ended = true;
}

Currency::Currency(base::World& world, runtime::TaskGroup& group, telemetry::Metrics& metrics,
                   Store& store, std::shared_ptr<kube::RevisionProbe> probe,
                   CurrencyOptions options)
    : state_(std::make_shared<State>(world, group, metrics, store, std::move(probe), options)) {}

Currency::~Currency() = default;

base::Task<Currency::Met> Currency::meet(ReadDemand demand) {
  if (demand.plain()) {
    refresh_if_old();
    co_return Met{};
  }
  const auto state = state_;
  auto meeting = state->meet(demand);
  auto met = co_await std::move(meeting);
  (met ? state->met : state->refused)[static_cast<std::size_t>(demand.consistency)]->Increment();
  co_return met;
}

base::Task<bool> Currency::reach(kube::Revision revision, base::MonotonicTime deadline) {
  return state_->reach(revision, deadline);
}

ReadDemand Currency::unasked(std::string_view namespace_) const {
  if (!state_->has_rules.load(std::memory_order_relaxed)) return {};
  const auto rules = state_->rules.read();
  const policy::Reads reads = policy::strictest(*rules, namespace_);
  ReadDemand demand{.consistency = reads.consistency};
  if (reads.max_staleness_milliseconds) {
    demand.age_max = std::chrono::milliseconds(*reads.max_staleness_milliseconds);
  }
  return demand;
}

void Currency::set_rules(std::vector<policy::ReadRule> rules) {
  const bool any = !rules.empty();
  state_->rules.publish(std::make_shared<const std::vector<policy::ReadRule>>(std::move(rules)));
  state_->has_rules.store(any, std::memory_order_relaxed);
}

void Currency::refresh_if_old() {
  State& state = *state_;
  const auto freshness = state.reader.freshness();
  if (!freshness.synced || freshness.age <= state.options.refresh_after) return;
  const auto now = state.world.clock().now();
  {
    base::Lock lock(state.mutex);
    const bool recent = now - state.refreshed < state.options.refresh_after;
    if (state.asking || (recent && state.refreshed != base::MonotonicTime{})) return;
    state.refreshed = now;
  }
  const auto deadline = now + state.options.wait_max;
  const auto refreshing = [self = state_, deadline]() -> base::Task<void> {
    auto proving = self->prove(deadline);
    (void)co_await std::move(proving);
  };
  // Where no task is to be had, the answer's age still tells.
  (void)state.group.spawn("refresh " + state.name, base::Handler::kEvent, refreshing);
}

}  // namespace podkeeper::state
