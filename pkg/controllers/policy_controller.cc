#include "pkg/controllers/policy_controller.h"

#include "pkg/base/panic.h"
#include "pkg/policy/parse.h"
#include "pkg/recovery/guard.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace podkeeper::controllers {
namespace {

using base::Result;
using base::Task;
using runtime::Outcome;

/// Keys of the queue: "apply/<index of the store>", "status/<name of the policy>".
constexpr std::string_view kApply = "apply/";
constexpr std::string_view kStatus = "status/";
/// A look at the policies that panicked is made again after this.
constexpr base::Duration kPause = std::chrono::seconds(1);
/// Applications and status writes wait for one another's stores and answers, not for each other.
constexpr std::size_t kWorkers = 4;

runtime::ControllerOptions controller_options(const PolicyControllerOptions& options) {
  runtime::ControllerOptions made{.name = "policy", .workers = kWorkers};
  made.queue.backoff_first = std::chrono::milliseconds(500);
  made.queue.backoff_max = std::chrono::seconds(30);
  made.metrics = options.metrics;
  return made;
}

}  // namespace

PolicyController::PolicyController(base::World& world, state::Reader policies,
                                   access::AuthorizedRead allowed, kube::ObjectClient& client,
                                   std::vector<policy::PartitionedStore*> stores,
                                   PolicyControllerOptions options)
    : clock_(world.clock()),
      policies_(policies),
      allowed_(std::move(allowed)),
      stores_(std::move(stores)),
      options_(std::move(options)),
      events_(world.clock(), options_.leaders_client == nullptr ? client : *options_.leaders_client,
              options_.instance),
      writer_(world.clock(), client, events_,
              {.instance = options_.instance,
               .counts_interval = options_.counts_interval,
               .leaders_client = options_.leaders_client}),
      controller_(world, controller_options(options_),
                  [this](std::string key) { return reconcile(std::move(key)); }),
      set_(options_.built),
      left_(world.clock()) {
  base::Lock lock(mutex_);
  for (policy::PartitionedStore* store : stores_) targets_.push_back({.store = store});
}

Result<void> PolicyController::start(runtime::TaskGroup& group) {
  auto workers = controller_.start(group);
  if (!workers) return workers;
  auto telling =
      group.spawn("policy/events", base::Handler::kTimer, [this] { return events_.keep_series(); });
  if (!telling) return telling;
  return group.spawn("policy/follow", base::Handler::kEvent, [this] { return follow(); });
}

Task<void> PolicyController::follow() {
  runtime::Wakeup wakeup(clock_);
  const auto subscription = policies_.subscribe(wakeup);
  while (true) {
    if (policies_.freshness().synced) {
      const auto taken = recovery::guard(base::Handler::kEvent, [this] {
        take_up();
        return true;
      });
      if (!taken) {
        auto pause = clock_.sleep_for(kPause);
        co_await std::move(pause);
        continue;
      }
    }
    auto changed = wakeup.wait();
    co_await std::move(changed);
    const base::MonotonicTime latest = clock_.now() + options_.patience;
    bool restless = true;
    while (restless && clock_.now() < latest) {
      auto quiet = wakeup.wait_until(std::min(clock_.now() + options_.quiet, latest));
      restless = co_await std::move(quiet);
    }
  }
}

std::vector<policy::Parsed> PolicyController::read_policies() {
  const auto listed = policies_.list(allowed_, {});
  PK_CHECK(listed.has_value(), "the present can always be listed");
  std::map<std::string, Source> sources;
  std::vector<policy::Parsed> parsed;
  for (const state::RecordRef& record : listed->records) {
    const kube::Object& object = record->object();
    const std::string name(object.name());
    Source& source = sources[name];
    const auto known = sources_.find(name);
    if (known != sources_.end()) source = std::move(known->second);
    if (known == sources_.end() || source.revision != object.revision) {
      source.revision = object.revision;
      policy::Parsed now = policy::parse("{" + object.body);
      note_change(name, source.parsed.identity, now.identity);
      source.parsed = std::move(now);
    }
    parsed.push_back(source.parsed);
  }
  for (const auto& [name, gone] : sources_) {
    if (sources.contains(name)) continue;
    writer_.forget(name);
    every_status_ = true;
  }
  sources_ = std::move(sources);
  return parsed;
}

void PolicyController::note_change(const std::string& name, const policy::Identity& before,
                                   const policy::Identity& now) {
  const bool same_spec =
      now.generation != 0 && now.generation == before.generation && now.uid == before.uid;
  if (same_spec) {
    changed_.insert(name);
  } else {
    every_status_ = true;
  }
}

void PolicyController::take_up() {
  set_.update(read_policies());
  published_.publish(std::make_shared<const policy::PolicySet>(set_));
  if (options_.in_force) options_.in_force(set_.ranked());
  std::vector<std::string> keys = replace_plans();
  // A plan that is applied at once should not be told of as pending first.
  const base::Duration delay = keys.empty() ? base::Duration::zero() : options_.quiet;
  if (every_status_) {
    enqueue_statuses(delay);
  } else {
    for (const std::string& name : changed_) enqueue_status(name, delay);
  }
  every_status_ = false;
  changed_.clear();
  for (std::string& key : keys) controller_.enqueue(std::move(key));
  count_policies();
}

std::vector<std::string> PolicyController::replace_plans() {
  std::vector<policy::PartitionPlan> plans;
  plans.reserve(stores_.size());
  for (const policy::PartitionedStore* store : stores_) {
    plans.push_back(policy::plan_for(set_.ranked(), store->resource(), options_.defaults));
  }
  std::vector<std::string> keys;
  base::Lock lock(mutex_);
  for (std::size_t i = 0; i < plans.size(); ++i) {
    Target& target = targets_[i];
    if (taken_up_ && policy::same(plans[i], target.wanted)) continue;
    std::swap(target.wanted, plans[i]);
    ++target.wanted_turn;
    keys.push_back(std::string(kApply) + std::to_string(i));
  }
  taken_up_ = true;
  return keys;
}

void PolicyController::count_policies() {
  if (options_.metrics == nullptr) return;
  for (const policy::KnownPolicy& known : set_.known()) {
    Source& source = sources_[known.identity.name];
    const bool refused = known.verdict != policy::KnownPolicy::Verdict::kAccepted;
    if (!refused || source.counted == known.identity.generation) continue;
    source.counted = known.identity.generation;
    const bool invalid = known.verdict == policy::KnownPolicy::Verdict::kInvalid;
    options_.metrics->counter(telemetry::kPolicyRejected, {invalid ? "Invalid" : "NotSupported"})
        .Increment();
  }
  const policy::Board now = board();
  std::map<std::string_view, std::size_t> counts = {
      {"accepted", 0}, {"rejected", 0}, {"conflict", 0}};
  for (const policy::PolicyView& view : now.policies) {
    const policy::Condition* applied = view.status.condition("Applied");
    const bool conflict = applied != nullptr && applied->reason == "Conflict";
    ++counts[!view.accepted ? "rejected" : conflict ? "conflict" : "accepted"];
  }
  for (const auto& [state, count] : counts) {
    options_.metrics->gauge(telemetry::kPolicies, {state}).Set(static_cast<double>(count));
  }
}

void PolicyController::enqueue_statuses(base::Duration delay) {
  const auto set = published_.read();
  for (const policy::KnownPolicy& known : set->known()) enqueue_status(known.identity.name, delay);
}

void PolicyController::enqueue_status(const std::string& name, base::Duration delay) {
  const std::string key = std::string(kStatus) + name;
  if (delay == base::Duration::zero()) {
    controller_.enqueue(key);
  } else {
    controller_.queue().add_after(key, delay);
  }
}

Task<Result<Outcome>> PolicyController::reconcile(std::string key) {
  if (key.starts_with(kStatus)) {
    std::string name = key.substr(kStatus.size());
    auto writing = is_leaving() ? leave_status(std::move(name)) : write_status(std::move(name));
    co_return co_await std::move(writing);
  }
  std::size_t index = 0;
  std::from_chars(key.data() + kApply.size(), key.data() + key.size(), index);
  auto applying = apply(index);
  co_return co_await std::move(applying);
}

Task<Result<Outcome>> PolicyController::apply(std::size_t index) {
  policy::PartitionedStore* store = nullptr;
  policy::PartitionPlan plan;
  std::uint64_t turn = 0;
  {
    const base::MonotonicTime now = clock_.now();
    base::Lock lock(mutex_);
    Target& target = targets_[index];
    if (target.applied_turn == target.wanted_turn) co_return Outcome{};
    if (target.started && now - *target.started < options_.apply_interval) {
      co_return Outcome{.requeue_after = *target.started + options_.apply_interval - now};
    }
    target.started = now;
    store = target.store;
    plan = target.wanted;
    turn = target.wanted_turn;
  }
  auto applying = store->apply(std::move(plan));
  const auto outcome = co_await std::move(applying);
  applied(index, turn, outcome);
  enqueue_statuses(base::Duration::zero());
  if (!outcome) co_return outcome.error();
  co_return Outcome{};
}

void PolicyController::applied(std::size_t index, std::uint64_t turn, const Result<void>& outcome) {
  {
    std::string error = outcome ? std::string() : outcome.error().message;
    base::Lock lock(mutex_);
    Target& target = targets_[index];
    if (outcome) target.applied_turn = turn;
    target.error.swap(error);
  }
  const std::string& store = stores_[index]->name();
  if (options_.metrics != nullptr) {
    options_.metrics
        ->counter(telemetry::kPolicyApplications, {store, outcome ? "success" : "error"})
        .Increment();
  }
  if (outcome) {
    telemetry::log_info("policies_applied", {{"store", store}});
  } else {
    telemetry::log_warn("policies_not_applied", {{"store", store}, {"err", outcome.error()}});
  }
}

Task<Result<Outcome>> PolicyController::write_status(std::string name) {
  const state::RecordRef record = policies_.get(allowed_, {.namespace_ = {}, .name = name});
  policy::Board now = board();
  const auto view = std::ranges::find(now.policies, name,
                                      [](const policy::PolicyView& v) { return v.identity.name; });
  if (!record || view == now.policies.end()) co_return Outcome{};
  auto writing = writer_.write(std::move(*view), "{" + record->object().body, options_.leads());
  const auto again = co_await std::move(writing);
  if (!again) co_return again.error();
  co_return Outcome{.requeue_after = *again};
}

bool PolicyController::is_leaving() const {
  base::Lock lock(mutex_);
  return leaving_;
}

Task<void> PolicyController::leave(base::MonotonicTime deadline) {
  const auto set = published_.read();
  {
    base::Lock lock(mutex_);
    leaving_ = true;
    for (const policy::KnownPolicy& known : set->known()) to_leave_.insert(known.identity.name);
    if (to_leave_.empty()) co_return;
  }
  // Through the queue: an entry is given up after the write of it that is under way.
  enqueue_statuses(base::Duration::zero());
  auto leaving = left_.wait_until(deadline);
  if (!co_await std::move(leaving)) telemetry::log_warn("status_entries_left_behind");
}

Task<Result<Outcome>> PolicyController::leave_status(std::string name) {
  auto leaving = writer_.leave(name);
  const auto left = co_await std::move(leaving);
  // Once only: the leader removes in time what stays behind.
  if (!left) {
    telemetry::log_warn("status_entry_left_behind", {{"policy", name}, {"err", left.error()}});
  }
  bool last = false;
  {
    base::Lock lock(mutex_);
    last = to_leave_.erase(name) > 0 && to_leave_.empty();
  }
  if (last) left_.notify();
  co_return Outcome{};
}

policy::Board PolicyController::board() const {
  policy::Board board;
  std::vector<policy::StoreView> stores;
  // First how far the stores are: one that is done by then runs at least that plan.
  {
    base::Lock lock(mutex_);
    board.synced = taken_up_;
    for (const Target& target : targets_) {
      const bool current = taken_up_ && target.applied_turn == target.wanted_turn;
      stores.push_back({.name = {}, .resource = {}, .current = current, .error = target.error});
    }
  }
  for (std::size_t i = 0; i < stores.size(); ++i) {
    stores[i].name = stores_[i]->name();
    stores[i].resource = stores_[i]->resource();
    stores[i].running = stores_[i]->report();
  }
  board.policies = policy::describe(*published_.read(), stores, options_.instance);
  return board;
}

Result<void> PolicyController::check_applied() const {
  base::Lock lock(mutex_);
  for (const Target& target : targets_) {
    if (!taken_up_ || target.applied_turn > 0) continue;
    return base::Error{base::ErrorCode::kUnavailable,
                       "the policies of " + target.store->name() + " are not applied yet" +
                           (target.error.empty() ? "" : ": " + target.error)};
  }
  return {};
}

}  // namespace podkeeper::controllers
