#include "pkg/state/store.h"

#include "pkg/base/panic.h"
#include "pkg/state/resync.h"
#include "pkg/state/store_state.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::state {
namespace {

using kube::EventType;

constexpr auto kRelaxed = std::memory_order_relaxed;

/// A counter with one writer and many readers.
void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  counter.store(counter.load(kRelaxed) + by, kRelaxed);
}

}  // namespace

void Store::State::put(RecordRef record, const Record* held) {
  const Record& now = *record;
  std::size_t bytes = record_bytes.load(kRelaxed) + now.bytes();
  map.put(record);
  by_key.put(now);
  if (held != nullptr) {
    bytes -= held->bytes();
    if (!held->node().empty() && held->node() != now.node()) {
      by_node.erase(index_key(IndexOrder::kNode, *held));
    }
    replaced.records.push_back(RecordRef::adopt(held));
  }
  if (!now.node().empty()) by_node.put(now);
  (void)record.release();  // the indexes' count
  record_bytes.store(bytes, kRelaxed);
}

void Store::State::erase(const Record& held) {
  map.erase(held.key());
  by_key.erase(index_key(IndexOrder::kKey, held));
  if (!held.node().empty()) by_node.erase(index_key(IndexOrder::kNode, held));
  record_bytes.store(record_bytes.load(kRelaxed) - held.bytes(), kRelaxed);
  replaced.records.push_back(RecordRef::adopt(&held));
}

void Store::State::log_event(EventType type, kube::Revision at, RecordRef object,
                             RecordRef previous, base::MonotonicTime arrived) {
  if (at < logged) {
    count(disorders);
    at = logged;
  }
  logged = at;
  auto event = base::make_ref<Event>();
  event->type = type;
  event->revision = at;
  event->object = std::move(object);
  event->previous = std::move(previous);
  event->arrived = arrived;
  log.append(std::move(event));
}

void Store::State::publish() {
  auto next = std::make_unique<Root>();
  next->revision = revision;
  next->log_next = log.head();
  next->evidence = evidence;
  next->synced = synced;
  next->gaps = gaps;
  next->lost = lost;
  next->by_key = by_key.directory();
  next->by_node = by_node.directory();
  const Root* old = root.exchange(next.release(), std::memory_order_acq_rel);
  if (old == nullptr) return;
  by_key.take_garbage(replaced.index);
  by_node.take_garbage(replaced.index);
  // Readers of the old root never look at its `replaced`. The records' bytes are the log's to count
  // while it holds them.
  auto* mine = const_cast<Root*>(old);
  mine->replaced = std::exchange(replaced, {});
  base::Epoch::retire(
      mine, [](const void* p) { delete static_cast<const Root*>(p); },
      sizeof(Root) + mine->replaced.index.bytes);
}

void Store::State::add_gap(kube::Revision next) {
  std::vector<Gap> kept = gaps ? *gaps : std::vector<Gap>{};
  std::erase_if(kept, [&](const Gap& gap) { return gap.before <= log.floor(); });
  if (revision.value + 1 < next.value) kept.push_back({.after = revision, .before = next});
  gaps = std::make_shared<const std::vector<Gap>>(std::move(kept));
}

RecordRef Store::State::deleted(const Record& record, kube::Revision at) const {
  const kube::Object& object = record.object();
  if (object.revision_length == 0) return RecordRef(&record);
  std::string json = "{" + object.body;
  json.replace(object.revision_offset + 1, object.revision_length, to_string(at));
  kube::Resource resource = options.resource;
  resource.namespaced = namespaced.load(std::memory_order_relaxed);
  auto decoded = kube::decode_object(resource, json);
  if (!decoded) return RecordRef(&record);
  return base::make_ref<const Record>(*std::move(decoded));
}

Store::Store(base::Clock& clock, StoreOptions options)
    : state_(std::make_unique<State>(clock, std::move(options))) {
  state_->publish();
}

Store::~Store() {
  State& s = *state_;
  for (auto cursor = s.by_key.view().seek({}); cursor.get() != nullptr; cursor.next()) {
    s.replaced.records.push_back(RecordRef::adopt(cursor.get()));
  }
  delete s.root.load(std::memory_order_relaxed);
}

kube::WatchProof Store::replace(std::vector<std::unique_ptr<kube::Object>> objects,
                                kube::Revision revision) {
  State& s = *state_;
  auto proof = kube::WatchProof::kNone;
  {
    const base::Lock lock(s.writing);
    proof = s.replace(std::move(objects), revision);
  }
  s.wakeups.notify_all();
  return proof;
}

kube::WatchProof Store::State::replace(std::vector<std::unique_ptr<kube::Object>> objects,
                                       kube::Revision at) {
  const base::MonotonicTime now = clock.now();
  const bool first = !synced && by_key.view().size() == 0;
  Resync resync = diff(by_key.view(), std::move(objects), at, revision);
  // Without a history that is worth telling, the log starts at this LIST.
  const bool silent = first || resync.proof != kube::WatchProof::kNone;
  count(stale, resync.stale);
  if (resync.proof == kube::WatchProof::kUntold) count(untold);
  if (resync.proof == kube::WatchProof::kRestored) {
    count(restores);
    lost = std::max(lost, revision);
  }
  if (silent) {
    log.reset(at);
    logged = at;
    gaps = nullptr;
  } else {
    add_gap(at);
  }
  for (const ResyncChange& change : resync.changes) {
    RecordRef held(change.held);
    if (!silent) {
      RecordRef shown = change.object ? change.object : deleted(*held, change.revision);
      log_event(change.type, change.revision, std::move(shown), std::move(held), now);
    }
  }
  take(resync);
  revision = at;
  evidence = now;
  synced = true;
  publish();
  return resync.proof;
}

void Store::State::take(Resync& resync) {
  for (const ResyncChange& change : resync.changes) {
    if (change.object) {
      map.put(change.object);
    } else {
      map.erase(change.held->key());
    }
  }
  std::vector<const Record*> sorted;
  std::vector<const Record*> on_nodes;
  sorted.reserve(resync.content.size());
  std::size_t bytes = 0;
  // Every old record gives its count back and every new one takes its own; an unchanged one does
  // both.
  for (auto old = by_key.view().seek({}); old.get() != nullptr; old.next()) {
    replaced.records.push_back(RecordRef::adopt(old.get()));
  }
  for (RecordRef& record : resync.content) {
    bytes += record->bytes();
    if (!record->node().empty()) on_nodes.push_back(record.get());
    sorted.push_back(record.release());
  }
  std::ranges::sort(on_nodes, {}, [](const Record* r) { return index_key(IndexOrder::kNode, *r); });
  by_key.build(sorted);
  by_node.build(on_nodes);
  record_bytes.store(bytes, kRelaxed);
}

void Store::apply(EventType type, std::unique_ptr<kube::Object> object) {
  PK_CHECK(type == EventType::kAdded || type == EventType::kModified || type == EventType::kDeleted,
           "a store takes ADDED, MODIFIED and DELETED");
  State& s = *state_;
  {
    const base::Lock lock(s.writing);
    if (!s.apply(type, std::move(object))) return;
  }
  s.wakeups.notify_all();
}

bool Store::State::apply(EventType type, std::unique_ptr<kube::Object> object) {
  const base::MonotonicTime now = clock.now();
  const kube::Revision at = object->revision;
  RecordRef record = base::make_ref<const Record>(std::move(object));
  if (!change(type, std::move(record), now)) return false;
  if (at >= revision) {
    revision = at;
    evidence = now;
  }
  publish();
  return true;
}

bool Store::State::change(EventType type, RecordRef record, base::MonotonicTime now) {
  const base::Epoch::Guard guard;
  const RecordRef held(map.find(guard, record->key()));
  const kube::Object& object = record->object();
  if (!held && type == EventType::kDeleted) {
    count(unknown_deletions);
    return false;
  }
  // An object that is not held and older than what was seen already was deleted since: bringing it
  // back would be wrong.
  const kube::Revision newest = held ? held->object().revision : revision;
  // A deletion may carry the revision that is held, where upstream does not give it one of its own.
  const bool same_counts = !held || type == EventType::kDeleted;
  const bool news = same_counts ? object.revision >= newest : object.revision > newest;
  if (!news) {
    count(stale);
    return false;
  }
  if (type == EventType::kDeleted) {
    log_event(type, object.revision, std::move(record), held, now);
    erase(*held);
    return true;
  }
  if (held && held->object().uid != object.uid) {
    // It went before the new one came, but not before what readers have been told already.
    const kube::Revision before{object.revision.value - 1};
    const kube::Revision gone = before > revision ? before : object.revision;
    log_event(EventType::kDeleted, gone, deleted(*held, gone), held, now);
    log_event(EventType::kAdded, object.revision, record, {}, now);
  } else {
    log_event(held ? EventType::kModified : EventType::kAdded, object.revision, record, held, now);
  }
  put(std::move(record), held.get());
  return true;
}

void Store::progress(kube::Revision revision) {
  State& s = *state_;
  {
    const base::Lock lock(s.writing);
    if (revision < s.revision) return;
    s.advance(revision);
  }
  s.wakeups.notify_all();
}

void Store::State::advance(kube::Revision to) {
  revision = to;
  evidence = clock.now();
  publish();
}

bool Store::confirm(kube::Revision newest, base::MonotonicTime when) {
  State& s = *state_;
  {
    const base::Epoch::Guard guard;
    const Root& root = s.current(guard);
    if (!root.synced || root.revision < newest) return false;
  }
  auto known = s.confirmed.load(kRelaxed);
  while (known < when && !s.confirmed.compare_exchange_weak(known, when, kRelaxed)) {
  }
  return true;
}

bool Store::confirm_quiet(kube::Revision held, kube::Revision until) {
  State& s = *state_;
  {
    const base::Lock lock(s.writing);
    // Below `held` upstream was restored meanwhile: what was said is of another history.
    if (!s.synced || s.revision < held) return false;
    if (s.revision >= until) return true;
    s.advance(until);
  }
  s.wakeups.notify_all();
  return true;
}

void Store::set_namespaced(bool namespaced) noexcept {
  state_->namespaced.store(namespaced, std::memory_order_relaxed);
}

Partitions& Store::partitions() noexcept { return state_->map.partitions(); }

StoreStats Store::stats() const {
  const State& s = *state_;
  const base::Epoch::Guard guard;
  const Root& root = s.current(guard);
  StoreStats stats;
  stats.objects = root.keys().size();
  stats.bytes = s.record_bytes.load(kRelaxed);
  stats.log_bytes = s.log.bytes();
  stats.log_floor = s.log.floor();
  stats.log_events = s.log.size();
  stats.index_bytes = root.keys().bytes() + root.nodes().bytes();
  stats.stale_events = s.stale.load(kRelaxed);
  stats.unknown_deletions = s.unknown_deletions.load(kRelaxed);
  stats.disorders = s.disorders.load(kRelaxed);
  stats.untold = s.untold.load(kRelaxed);
  stats.restores = s.restores.load(kRelaxed);
  return stats;
}

}  // namespace podkeeper::state
