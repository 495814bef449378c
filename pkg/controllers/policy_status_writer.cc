#include "pkg/controllers/policy_status_writer.h"

#include "pkg/policy/parse.h"
#include "pkg/telemetry/log.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace podkeeper::controllers {
namespace {

using base::Result;
using base::Task;
using policy::Condition;
using policy::Gap;
using policy::Status;

policy::Identity identity_of(const std::string& object) { return policy::parse(object).identity; }

bool says_the_same(const Condition* a, const Condition* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->holds == b->holds && a->reason == b->reason && a->message == b->message &&
         a->observed_generation == b->observed_generation;
}

/// What a person should hear of a change: a refusal, a lost conflict, a failure, an application.
std::optional<EventText> news(const Status& before, const Status& now) {
  const Condition* acceptance = now.condition("Accepted");
  const Condition* application = now.condition("Applied");
  if (acceptance != nullptr && !acceptance->holds) {
    if (says_the_same(before.condition("Accepted"), acceptance)) return std::nullopt;
    return EventText{.warning = true,
                     .action = "Accept",
                     .reason = "Rejected",
                     .note = acceptance->reason + ": " + acceptance->message};
  }
  if (application == nullptr || says_the_same(before.condition("Applied"), application)) {
    return std::nullopt;
  }
  if (!application->holds && application->reason == "Pending") return std::nullopt;
  return EventText{.warning = !application->holds,
                   .action = "Apply",
                   .reason = application->reason,
                   .note = application->message};
}

/// Whether an apply was refused because of other managers, and not by the race of two writes.
bool names_managers(const base::Error& error) {
  return error.code == base::ErrorCode::kConflict &&
         (error.message.find("conflict with \"") != std::string::npos ||
          error.message.find("conflicts with \"") != std::string::npos);
}

/// The server's own words, without what was asked.
std::string_view conflict_of(std::string_view message) {
  const auto at = message.find("Apply failed");
  return at == std::string_view::npos ? message : message.substr(at);
}

EventText taken(const std::string& conflict) {
  return {.warning = true,
          .action = "WriteStatus",
          .reason = "StatusConflict",
          .note = "podkeeper takes back fields of the status, which is its own: " + conflict};
}

kube::ObjectKey key_of(std::string name) { return {.namespace_ = {}, .name = std::move(name)}; }

}  // namespace

PolicyStatusWriter::PolicyStatusWriter(base::Clock& clock, kube::ObjectClient& client,
                                       EventRecorder& events, PolicyStatusWriterOptions options)
    : clock_(clock),
      client_(client),
      leaders_client_(options.leaders_client == nullptr ? client : *options.leaders_client),
      events_(events),
      options_(std::move(options)),
      manager_((kLeaderManager + ("-" + options_.instance)).substr(0, kManagerBytesMax)) {}

void PolicyStatusWriter::forget(const std::string& name) {
  base::Lock lock(mutex_);
  records_.erase(name);
}

std::shared_ptr<PolicyStatusWriter::Record> PolicyStatusWriter::record_of(const std::string& name) {
  base::Lock lock(mutex_);
  std::shared_ptr<Record>& record = records_[name];
  if (!record) record = std::make_shared<Record>();
  return record;
}

void PolicyStatusWriter::take(Record& record, kube::Revision revision, std::string body) {
  record.revision = revision;
  if (body == record.body) return;
  record.body = std::move(body);
  record.held = policy::read_status(record.body);
}

void PolicyStatusWriter::take_answer(Record& record, std::string body) {
  const kube::Revision revision = identity_of(body).revision;
  take(record, revision, std::move(body));
  record.answered = clock_.now();
}

std::int64_t PolicyStatusWriter::now_seconds() const {
  return std::chrono::floor<std::chrono::seconds>(clock_.wall_now()).time_since_epoch().count();
}

bool PolicyStatusWriter::due(Gap gap, std::optional<base::MonotonicTime> written) const {
  if (gap != Gap::kCounts) return gap == Gap::kContent;
  return !written || clock_.now() - *written >= options_.counts_interval;
}

bool PolicyStatusWriter::wait_for(Record& record, runtime::Pace& pace) {
  const base::MonotonicTime now = clock_.now();
  const base::Duration wait = pace.take(now);
  if (wait == base::Duration::zero()) return false;
  record.held_off_until = std::max(record.held_off_until, now + wait);
  return true;
}

Task<Result<base::Duration>> PolicyStatusWriter::write(policy::PolicyView view, std::string body,
                                                       bool leads) {
  const std::shared_ptr<Record> record = record_of(view.identity.name);
  const bool mirrored = clock_.now() - record->answered >= options_.mirror_lag_max;
  // Another object of the same name has another history; the mirror will bring it.
  if (mirrored || view.identity.revision >= record->revision) {
    take(*record, view.identity.revision, std::move(body));
  } else if (identity_of(record->body).uid != view.identity.uid) {
    co_return options_.counts_interval;
  }
  const auto step_allowed = [&] { return clock_.now() >= record->held_off_until; };
  if (step_allowed()) {
    auto writing = write_instance(record, view, leads);
    auto written = co_await std::move(writing);
    if (!written) co_return written.error();
  }
  if (leads && step_allowed()) {
    auto writing = write_summary(record, view);
    auto written = co_await std::move(writing);
    if (!written) co_return written.error();
  }
  if (leads && step_allowed()) {
    auto pruning = prune(record, view);
    auto pruned = co_await std::move(pruning);
    if (!pruned) co_return pruned.error();
  }
  if (step_allowed()) co_return options_.counts_interval;
  co_return record->held_off_until - clock_.now();
}

Task<Result<bool>> PolicyStatusWriter::write_instance(std::shared_ptr<Record> record,
                                                      policy::PolicyView view, bool leads) {
  const Status& held = record->held;
  policy::InstanceStatus wanted = view.status.instances.front();
  const auto ours =
      std::ranges::find(held.instances, wanted.instance, &policy::InstanceStatus::instance);
  const auto* const found = ours == held.instances.end() ? nullptr : &*ours;
  const std::int64_t now = now_seconds();
  const bool fresh = found != nullptr && found->heartbeat &&
                     std::chrono::seconds(std::abs(now - *found->heartbeat)) < options_.heartbeat;
  const Gap gap = policy::instance_gap(found, wanted);
  if (fresh && !due(gap, record->instance_written)) co_return false;
  wanted.heartbeat = now;
  Application application{
      .manager = manager_,
      .configuration = policy::instance_configuration(view.identity.name, wanted),
      .leads = leads};
  auto applying = apply(record, view.identity, std::move(application));
  auto applied = co_await std::move(applying);
  if (applied && *applied) record->instance_written = clock_.now();
  co_return applied;
}

Task<Result<bool>> PolicyStatusWriter::write_summary(std::shared_ptr<Record> record,
                                                     policy::PolicyView view) {
  const Status held = record->held;  // the write replaces it
  Status wanted = view.status;
  wanted.conditions =
      policy::carry_times(held.conditions, std::move(wanted.conditions), now_seconds());
  if (!due(policy::summary_gap(held, wanted), record->summary_written)) co_return false;
  Application application{
      .manager = kLeaderManager,
      .configuration = policy::summary_configuration(view.identity.name, wanted),
      .leads = true};
  auto applying = apply(record, view.identity, std::move(application));
  auto applied = co_await std::move(applying);
  if (!applied || !*applied) co_return applied;
  record->summary_written = clock_.now();
  if (auto text = news(held, wanted)) {
    auto telling = tell(view.identity, *std::move(text));
    co_await std::move(telling);
  }
  co_return true;
}

std::vector<std::string> PolicyStatusWriter::silent(Record& record) {
  const base::MonotonicTime now = clock_.now();
  std::map<std::string, Heard> heard;
  std::vector<std::string> silent;
  for (const policy::InstanceStatus& instance : record.held.instances) {
    const auto before = record.heard.find(instance.instance);
    const bool same =
        before != record.heard.end() && before->second.heartbeat == instance.heartbeat;
    const Heard last = same ? before->second : Heard{instance.heartbeat, now};
    heard.emplace(instance.instance, last);
    const bool ours = instance.instance == options_.instance;
    if (!ours && now - last.since >= options_.silent_after) silent.push_back(instance.instance);
  }
  record.heard = std::move(heard);
  return silent;
}

Task<Result<bool>> PolicyStatusWriter::prune(std::shared_ptr<Record> record,
                                             policy::PolicyView view) {
  const std::vector<std::string> gone = silent(*record);
  if (gone.empty() || wait_for(*record, record->writes)) co_return false;
  // Not by applying nothing as the silent one's manager: an entry may be of a manager whose name
  // nobody knows.
  auto patching =
      leaders_client_.merge_patch(kube::concurrent_map_policies(), key_of(view.identity.name),
                                  "status", policy::pruning_patch(record->body, gone));
  auto patched = co_await std::move(patching);
  if (!patched) {
    // Somebody wrote meanwhile: the mirror brings it, and the next look decides anew.
    if (patched.error().code == base::ErrorCode::kConflict) co_return false;
    co_return patched.error();
  }
  for (const std::string& instance : gone) {
    telemetry::log_info("silent_instance_removed",
                        {{"policy", view.identity.name}, {"instance", instance}});
  }
  take_answer(*record, *std::move(patched));
  co_return true;
}

Task<Result<bool>> PolicyStatusWriter::apply(std::shared_ptr<Record> record,
                                             policy::Identity policy, Application application) {
  if (wait_for(*record, record->writes)) co_return false;
  kube::ObjectClient& client = application.leads ? leaders_client_ : client_;
  bool force = false;
  while (true) {
    auto applying = client.apply(kube::concurrent_map_policies(), key_of(policy.name), "status",
                                 application.configuration,
                                 {.field_manager = application.manager, .force = force});
    auto applied = co_await std::move(applying);
    if (applied) {
      if (!force) record->conflicts.erase(application.manager);
      take_answer(*record, *std::move(applied));
      co_return true;
    }
    const base::Error& error = applied.error();
    if (error.code == base::ErrorCode::kNotFound) {
      forget(policy.name);
      co_return false;
    }
    if (force || !names_managers(error)) co_return error;
    std::string conflict(conflict_of(error.message));
    if (is_news(*record, application.manager, conflict)) {
      telemetry::log_warn("status_fields_taken", {{"policy", policy.name}, {"err", conflict}});
      if (application.leads) {
        auto telling = tell(policy, taken(conflict));
        co_await std::move(telling);
      }
    }
    if (wait_for(*record, record->forced)) co_return false;
    force = true;
  }
}

bool PolicyStatusWriter::is_news(Record& record, const std::string& manager,
                                 const std::string& conflict) {
  std::string& told = record.conflicts[manager];
  if (told == conflict) return false;
  told = conflict;
  return true;
}

Task<void> PolicyStatusWriter::tell(policy::Identity policy, EventText text) {
  EventSubject subject{.resource = kube::concurrent_map_policies(),
                       .name = policy.name,
                       .uid = policy.uid,
                       .revision = policy.revision};
  auto recording = events_.record(std::move(subject), std::move(text));
  co_await std::move(recording);
}

Task<Result<void>> PolicyStatusWriter::leave(std::string name) {
  auto applying = client_.apply(kube::concurrent_map_policies(), key_of(name), "status",
                                policy::empty_configuration(name), {.field_manager = manager_});
  auto applied = co_await std::move(applying);
  if (applied || applied.error().code == base::ErrorCode::kNotFound) co_return Result<void>();
  co_return applied.error();
}

}  // namespace podkeeper::controllers
