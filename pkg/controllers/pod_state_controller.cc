#include "pkg/controllers/pod_state_controller.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/cmap/record.h"
#include "pkg/recovery/guard.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/telemetry/log.h"

#include <set>
#include <utility>

namespace podkeeper::controllers {
namespace {

using state::PodStateRecord;
using state::RecordRef;

constexpr std::size_t kFeedEventsMax = 1024;  ///< read from a log at once
/// Pods that catch_up() looks at before it lets others run: about a millisecond.
constexpr std::size_t kCatchUpBatch = 512;
/// A feed whose batch panicked, or whose queue was full, waits this long and then looks at
/// everything.
constexpr auto kFeedPause = std::chrono::seconds(1);

kube::ObjectKey object_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  PK_CHECK(slash != std::string_view::npos, "a pod's key is namespace/name");
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

/// Whether a node's change can change what is said about its pods: heartbeats do not.
bool concerns_pods(const state::Event& event) {
  if (event.type != kube::EventType::kModified || !event.previous) return true;
  const kube::Object& before = event.previous->object();
  const kube::Object& after = event.object->object();
  const kube::NodeFields* old = before.node();
  const kube::NodeFields* now = after.node();
  return old == nullptr || now == nullptr || old->ready != now->ready ||
         old->ready_transition != now->ready_transition || before.created != after.created;
}

}  // namespace

PodStateController::PodStateController(base::World& world, state::Reader pods,
                                       access::AuthorizedRead pods_allowed, state::Reader nodes,
                                       access::AuthorizedRead nodes_allowed,
                                       state::PodStates& states, PodStateControllerOptions options)
    : clock_(world.clock()),
      pods_(pods),
      pods_allowed_(std::move(pods_allowed)),
      nodes_(nodes),
      nodes_allowed_(std::move(nodes_allowed)),
      states_(states),
      options_(options),
      controller_(world,
                  {.name = "pod-state", .workers = options.workers, .metrics = options.metrics},
                  [this](std::string key) { return reconcile(std::move(key)); }) {}

base::Result<void> PodStateController::start(runtime::TaskGroup& group) {
  using base::Handler;
  auto workers = controller_.start(group);
  if (!workers) return workers;
  const Feed of_pods{pods_, pods_allowed_, &PodStateController::take_pod, {}};
  auto pods =
      group.spawn("pod-state/pods", Handler::kEvent, [this, of_pods] { return follow(of_pods); });
  if (!pods) return pods;
  const Feed of_nodes{nodes_, nodes_allowed_, &PodStateController::take_node, {}};
  auto nodes = group.spawn("pod-state/nodes", Handler::kEvent,
                           [this, of_nodes] { return follow(of_nodes); });
  if (!nodes) return nodes;
  return group.spawn("pod-state/sweeper", Handler::kTimer, [this] { return sweep(); });
}

base::Task<base::Result<runtime::Outcome>> PodStateController::reconcile(std::string key) {
  co_return runtime::Outcome{.requeue_after = update_status(key)};
}

std::optional<base::Duration> PodStateController::update_status(std::string_view key) {
  if (!synced()) return std::nullopt;  // the feeds put in everything once they are
  // A key that panics counts too: it must not hold back the others.
  struct Look {
    PodStateController& controller;
    std::string_view key;
    ~Look() { controller.looked_at(key); }
  } const look{*this, key};
  const kube::ObjectKey name = object_key(key);
  const cmap::Key map_key = cmap::make_key(key);
  auto& map = states_.map();
  while (true) {
    const base::Epoch::Guard guard;
    // The map first, the mirror second: if the map still holds `held` when we write, no other
    // writer has seen a newer mirror than we have.
    const PodStateRecord* held = map.find(guard, map_key);
    const RecordRef pod = pods_.get(pods_allowed_, name);
    Derived derived = pod ? derive_now(pod) : Derived{};
    std::optional<base::Duration> due;
    if (derived.next_change) due = std::chrono::seconds(*derived.next_change - now());
    if (!derived.state) {
      if (held == nullptr || map.compare_and_erase(guard, map_key, held)) return due;
    } else {
      if (held != nullptr && held->state() == *derived.state) return due;
      auto next = base::make_ref<const PodStateRecord>(*std::move(derived.state));
      if (map.compare_and_put(guard, held, std::move(next))) return due;
    }
  }
}

Derived PodStateController::derive_now(const RecordRef& pod) const {
  RecordRef node;
  if (!pod->node().empty()) node = nodes_.get(nodes_allowed_, {{}, std::string(pod->node())});
  return derive(pod, node.get(), now(), options_.derive);
}

std::size_t PodStateController::cleanup_expired() {
  const kube::UnixSeconds time = now();
  std::size_t removed = 0;
  const base::Epoch::Guard guard;
  states_.map().for_each(guard, [&](const PodStateRecord& record) {
    const kube::UnixSeconds expires = record.state().expires_at;
    if (expires == 0 || expires > time) return;
    if (states_.map().compare_and_erase(guard, record.key(), &record)) ++removed;
  });
  return removed;
}

base::Task<void> PodStateController::sweep() {
  while (true) {
    auto nap = clock_.sleep_for(options_.sweep_interval);
    co_await std::move(nap);
    const auto removed =
        recovery::guard(base::Handler::kTimer, [this] { return cleanup_expired(); });
    if (removed && *removed > 0) {
      telemetry::log_debug("pod_states_expired", {{"count", *removed}});
    }
  }
}

base::Task<void> PodStateController::follow(Feed feed) {
  runtime::Wakeup wakeup(clock_);
  const auto subscription = feed.reader.subscribe(wakeup);
  while (true) {
    const auto fed = recovery::guard(base::Handler::kEvent, [&] { return advance(feed); });
    if (!fed || controller_.queue().take_overflowed()) {
      feed.position.reset();
      auto pause = clock_.sleep_for(kFeedPause);
      co_await std::move(pause);
    } else if (!*fed) {
      auto wait = wakeup.wait();
      co_await std::move(wait);
    }
  }
}

bool PodStateController::advance(Feed& feed) {
  if (!feed.position) {
    // The position first: what changes while everything is put in comes as an event again.
    const auto listed = feed.reader.list_and_position(feed.allowed, {.limit = 1});
    PK_CHECK(listed.has_value(), "the present can always be listed");
    enqueue_everything();
    feed.position = listed->position;
    return true;
  }
  const auto events = feed.reader.events(feed.allowed, *feed.position, kFeedEventsMax);
  if (!events) {
    feed.position.reset();
    return true;
  }
  for (const state::EventRef& event : *events) {
    (this->*feed.take)(*event);
    feed.position = event->index + 1;
  }
  return !events->empty();
}

void PodStateController::take_pod(const state::Event& event) {
  controller_.enqueue(std::string(event.object->key_text()));
}

void PodStateController::take_node(const state::Event& event) {
  if (!concerns_pods(event)) return;
  state::ListQuery on_node;
  on_node.fields.require(kube::pods(), "spec.nodeName", std::string(event.object->object().name()));
  const auto pods = pods_.list(pods_allowed_, on_node);
  PK_CHECK(pods.has_value(), "the present can always be listed");
  for (const RecordRef& pod : pods->records) controller_.enqueue(std::string(pod->key_text()));
}

std::vector<std::string> PodStateController::every_key() const {
  std::vector<std::string> keys;
  const auto pods = pods_.list(pods_allowed_, {});
  PK_CHECK(pods.has_value(), "the present can always be listed");
  keys.reserve(pods->records.size());
  for (const RecordRef& pod : pods->records) keys.emplace_back(pod->key_text());
  const base::Epoch::Guard guard;
  states_.map().for_each(guard, [&](const PodStateRecord& record) {
    if (!pods_.get(pods_allowed_, object_key(record.key_text()))) {
      keys.emplace_back(record.key_text());
    }
  });
  return keys;
}

void PodStateController::enqueue_everything() {
  const bool of_synced = synced();
  auto keys = every_key();
  if (of_synced && !states_.complete()) await(keys);
  for (std::string& key : keys) controller_.enqueue(std::move(key));
}

base::Task<void> PodStateController::catch_up(std::string key) {
  std::vector<std::string> keys;
  if (key.empty()) {
    keys = every_key();
  } else {
    keys.push_back(std::move(key));
  }
  std::size_t done = 0;
  for (const std::string& one : keys) {
    (void)update_status(one);  // when it is due again, its own worker knows
    if (++done % kCatchUpBatch != 0) continue;
    auto others = clock_.sleep_for(base::Duration{});
    co_await std::move(others);
  }
}

void PodStateController::await(const std::vector<std::string>& keys) {
  std::unordered_set<std::string> all(keys.begin(), keys.end());
  base::Lock lock(mutex_);
  if (awaited_.known) {
    std::erase_if(awaited_.keys, [&](const std::string& key) { return !all.contains(key); });
  } else {
    awaited_.keys.swap(all);
    awaited_.known = true;
  }
  if (awaited_.keys.empty()) states_.set_complete();
}

void PodStateController::looked_at(std::string_view key) {
  if (states_.complete()) return;
  const std::string name(key);
  base::Lock lock(mutex_);
  awaited_.keys.erase(name);
  if (awaited_.known && awaited_.keys.empty()) states_.set_complete();
}

base::Result<void> PodStateController::check_complete() const {
  if (states_.complete()) return {};
  base::Lock lock(mutex_);
  if (!awaited_.known) {
    return base::Error{base::ErrorCode::kUnavailable, "pods and nodes are not listed yet"};
  }
  return base::Error{base::ErrorCode::kUnavailable,
                     std::to_string(awaited_.keys.size()) + " pods have no state yet"};
}

std::vector<std::string> PodStateController::differences(std::size_t max) const {
  std::set<std::string> found;
  const auto pods = pods_.list(pods_allowed_, {});
  PK_CHECK(pods.has_value(), "the present can always be listed");
  std::vector<cmap::Key> keys;
  keys.reserve(pods->records.size());
  for (const RecordRef& pod : pods->records) keys.push_back(pod->key());
  std::vector<const cmap::Record*> states(keys.size());
  const base::Epoch::Guard guard;
  states_.map().find_many(guard, keys, states);
  for (std::size_t i = 0; i < states.size(); ++i) {
    const RecordRef& pod = pods->records[i];
    const Derived expected = derive_now(pod);
    const auto* held = static_cast<const PodStateRecord*>(states[i]);
    const std::string key(pod->key_text());
    if (!expected.state && held != nullptr) found.insert(key + ": has expired");
    if (expected.state && held == nullptr) found.insert(key + ": is missing");
    if (expected.state && held != nullptr && !(held->state() == *expected.state)) {
      found.insert(key + ": is that of revision " + to_string(held->state().revision()) +
                   ", the mirror is at " + to_string(expected.state->revision()));
    }
  }
  states_.map().for_each(guard, [&](const PodStateRecord& record) {
    if (!pods_.get(pods_allowed_, object_key(record.key_text()))) {
      found.insert(std::string(record.key_text()) + ": its pod is gone");
    }
  });
  std::vector<std::string> lines(found.begin(), found.end());
  if (lines.size() > max) lines.resize(max);
  return lines;
}

std::size_t PodStateController::backlog() {
  return controller_.queue().length() + controller_.queue().in_work();
}

bool PodStateController::synced() const {
  return pods_.freshness().synced && nodes_.freshness().synced;
}

kube::UnixSeconds PodStateController::now() const {
  return std::chrono::floor<std::chrono::seconds>(clock_.wall_now()).time_since_epoch().count();
}

}  // namespace podkeeper::controllers
