#include "pkg/state/self_audit.h"

#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <optional>
#include <utility>

namespace podkeeper::state {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

/// The mirror's records as of one revision, in key order, a page of them at a time.
class RecordsAt {
 public:
  RecordsAt(Reader reader, access::AuthorizedRead allowed, kube::Revision revision)
      : reader_(reader), allowed_(std::move(allowed)) {
    query_.at = revision;
    query_.limit = kube::MetadataClient::kPageItems;
  }
  /// Null at the end. kExpired where the log does not reach back.
  Result<const Record*> get() {
    if (next_ == page_.size() && more_) {
      if (!page_.empty()) query_.start_after = page_.back()->key_text();
      auto list = reader_.list(allowed_, query_);
      if (!list) return std::move(list).error();
      page_ = std::move(list->records);
      more_ = list->more;
      next_ = 0;
    }
    return next_ < page_.size() ? page_[next_].get() : nullptr;
  }
  void next() { ++next_; }

 private:
  const Reader reader_;
  const access::AuthorizedRead allowed_;
  ListQuery query_;
  std::vector<RecordRef> page_;
  std::size_t next_ = 0;
  bool more_ = true;
};

/// Goes through upstream's pages and the mirror's records side by side.
class Comparison {
 public:
  Comparison(RecordsAt mirror, kube::Revision revision, const kube::Reflector& reflector)
      : mirror_(std::move(mirror)), reflector_(reflector) {
    findings_.revision = revision;
  }

  Result<void> take(const std::vector<std::unique_ptr<kube::Object>>& page) {
    for (const auto& object : page) {
      if (findings_.objects++ > 0 && object->key_text <= last_) {
        return Error{ErrorCode::kProtocol, "upstream's list is not in the order of its keys"};
      }
      last_ = object->key_text;
      if (auto compared = compare(*object); !compared) return compared;
    }
    return {};
  }

  Result<AuditFindings> finish() {
    while (true) {
      auto record = mirror_.get();
      if (!record) return std::move(record).error();
      if (*record == nullptr) return std::move(findings_);
      differs(findings_.extra, (*record)->key_text());
      mirror_.next();
    }
  }

 private:
  Result<void> compare(const kube::Object& object) {
    while (true) {
      auto held = mirror_.get();
      if (!held) return std::move(held).error();
      const Record* record = *held;
      if (record == nullptr || record->key_text() > object.key_text) {
        if (!reflector_.quarantined(object.key_text)) differs(findings_.missing, object.key_text);
        return {};
      }
      mirror_.next();
      if (record->key_text() == object.key_text) {
        const kube::Object& ours = record->object();
        if (ours.uid != object.uid || ours.revision != object.revision) {
          differs(findings_.stale, object.key_text);
        }
        return {};
      }
      differs(findings_.extra, record->key_text());
    }
  }

  void differs(std::size_t& count, std::string_view key) {
    ++count;
    if (findings_.keys.size() < AuditFindings::kKeysMax) findings_.keys.emplace_back(key);
  }

  RecordsAt mirror_;
  const kube::Reflector& reflector_;
  AuditFindings findings_;
  std::string last_;
};

std::string joined(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "" : " ") + key;
  return text;
}

}  // namespace

struct SelfAudit::State {
  State(base::World& in_world, telemetry::Metrics& metrics, Store& of_store,
        access::AuthorizedRead by, std::shared_ptr<Currency> with_currency,
        std::shared_ptr<kube::MetadataClient> of_upstream,
        std::shared_ptr<kube::Reflector> by_reflector, SelfAuditOptions with)
      : world(in_world),
        store(of_store),
        reader(of_store),
        allowed(std::move(by)),
        currency(std::move(with_currency)),
        upstream(std::move(of_upstream)),
        reflector(std::move(by_reflector)),
        options(with),
        name(reader.resource().plural_group()),
        runs(metrics.counter(telemetry::kStoreAuditRuns, {name})),
        divergent(metrics.counter(telemetry::kStoreAuditDivergent, {name})),
        repairs(metrics.counter(telemetry::kStoreAuditRepairs, {name})) {}

  base::Task<Result<AuditFindings>> compare();
  /// The revision at which a LIST of `listed` can be compared: its own, or the silent mirror's.
  base::Task<Result<kube::Revision>> common(kube::Revision listed);
  void repair(const AuditFindings& findings);

  base::World& world;
  Store& store;
  const Reader reader;
  const access::AuthorizedRead allowed;
  const std::shared_ptr<Currency> currency;
  const std::shared_ptr<kube::MetadataClient> upstream;
  const std::shared_ptr<kube::Reflector> reflector;
  const SelfAuditOptions options;
  const std::string name;
  telemetry::Counter& runs;
  telemetry::Counter& divergent;
  telemetry::Counter& repairs;
};

base::Task<Result<kube::Revision>> SelfAudit::State::common(kube::Revision listed) {
  const auto before = reader.freshness().revision;
  auto reaching = currency->reach(listed, world.clock().now() + options.wait_max);
  const bool there = co_await std::move(reaching);
  if (there) co_return listed;
  const bool silent = reader.freshness().revision == before && reflector->watching();
  if (silent) co_return before;
  co_return Error{ErrorCode::kTimeout, "the mirror is behind, and on its way"};
}

base::Task<Result<AuditFindings>> SelfAudit::State::compare() {
  if (!reader.freshness().synced || !reflector->watching()) {
    co_return Error{ErrorCode::kUnavailable, "the mirror is not in step with upstream"};
  }
  const auto sent = world.clock().now();
  auto first = upstream->page({}, sent + options.page_timeout);
  auto page = co_await std::move(first);
  if (!page) co_return std::move(page).error();
  const kube::Revision listed = page->revision;
  auto finding = common(listed);
  const auto at = co_await std::move(finding);
  if (!at) co_return at.error();
  store.confirm(listed, sent);
  Comparison comparison(RecordsAt(reader, allowed, *at), *at, *reflector);
  while (true) {
    if (auto taken = comparison.take(page->items); !taken) co_return std::move(taken).error();
    if (page->continue_token.empty()) break;
    auto next =
        upstream->page(std::move(page->continue_token), world.clock().now() + options.page_timeout);
    page = co_await std::move(next);
    if (!page) co_return std::move(page).error();
    if (page->revision != listed) {
      co_return Error{ErrorCode::kProtocol, "the list's pages are of different revisions"};
    }
  }
  const bool moved =
      *at != listed && (reader.freshness().revision != *at || !reflector->watching());
  if (moved) co_return Error{ErrorCode::kTimeout, "the mirror was behind, and moved meanwhile"};
  co_return comparison.finish();
}

void SelfAudit::State::repair(const AuditFindings& findings) {
  divergent.Increment(static_cast<double>(findings.divergent()));
  repairs.Increment();
  const std::string keys =
      options.tell_keys ? joined(findings.keys) : std::string("not told: they are confidential");
  telemetry::log_error("the mirror differs from upstream, listing again",
                       {{"resource", name},
                        {"revision", findings.revision.value},
                        {"missing", findings.missing},
                        {"stale", findings.stale},
                        {"extra", findings.extra},
                        {"keys", keys}});
  reflector->relist("the self-audit found " + std::to_string(findings.divergent()) +
                    " objects that differ");
}

SelfAudit::SelfAudit(base::World& world, telemetry::Metrics& metrics, Store& store,
                     access::AuthorizedRead allowed, std::shared_ptr<Currency> currency,
                     std::shared_ptr<kube::MetadataClient> upstream,
                     std::shared_ptr<kube::Reflector> reflector, SelfAuditOptions options)
    : state_(std::make_unique<State>(world, metrics, store, std::move(allowed), std::move(currency),
                                     std::move(upstream), std::move(reflector), options)) {}

SelfAudit::~SelfAudit() = default;

base::Task<Result<AuditFindings>> SelfAudit::audit() {
  State& state = *state_;
  auto comparing = state.compare();
  auto findings = co_await std::move(comparing);
  if (!findings) co_return findings;
  state.runs.Increment();
  if (findings->divergent() > 0) state.repair(*findings);
  co_return findings;
}

base::Task<void> SelfAudit::run() {
  State& state = *state_;
  while (true) {
    const double part = 1.0 - 0.2 * state.world.random().fraction();
    const auto pause = std::chrono::duration_cast<base::Duration>(state.options.interval * part);
    auto sleep = state.world.clock().sleep_for(pause);
    co_await std::move(sleep);
    auto auditing = audit();
    const auto findings = co_await std::move(auditing);
    if (findings) continue;
    telemetry::log_debug("no self-audit", {{"resource", state.name}, {"err", findings.error()}});
  }
}

}  // namespace podkeeper::state
