#include "pkg/controllers/policy_status_writer.h"

#include "pkg/policy/parse.h"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::controllers {
namespace {

using policy::Condition;
using policy::Status;

policy::Identity identity_of(const std::string& object) { return policy::parse(object).identity; }

/// The status to write over `held`: what is wanted, with the times of what did not change and the
/// entries of the other instances.
Status merged(const Status& held, Status wanted, std::int64_t now) {
  wanted.conditions = policy::carry_times(held.conditions, std::move(wanted.conditions), now);
  policy::InstanceStatus ours = std::move(wanted.instances.front());
  wanted.instances = policy::with_instance(held.instances, std::move(ours));
  return wanted;
}

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
                     .reason = "Rejected",
                     .message = acceptance->reason + ": " + acceptance->message};
  }
  if (application == nullptr || says_the_same(before.condition("Applied"), application)) {
    return std::nullopt;
  }
  if (!application->holds && application->reason == "Pending") return std::nullopt;
  return EventText{.warning = !application->holds,
                   .reason = application->reason,
                   .message = application->message};
}

}  // namespace

PolicyStatusWriter::PolicyStatusWriter(base::Clock& clock, kube::ObjectClient& client,
                                       std::string instance, base::Duration counts_interval)
    : clock_(clock),
      client_(client),
      counts_interval_(counts_interval),
      events_(clock, client, std::move(instance)) {}

void PolicyStatusWriter::forget(const std::string& name) {
  base::Lock lock(mutex_);
  known_.erase(name);
}

void PolicyStatusWriter::remember(const std::string& name, std::string body, bool written) {
  const kube::Revision revision = identity_of(body).revision;
  const base::MonotonicTime now = clock_.now();
  base::Lock lock(mutex_);
  Known& known = known_[name];
  known.revision = revision;
  known.body = std::move(body);
  if (!written) return;
  known.written = now;
  known.ever_written = true;
}

PolicyStatusWriter::Known PolicyStatusWriter::newest(const policy::PolicyView& view,
                                                     std::string body) {
  Known newest{.revision = view.identity.revision, .body = std::move(body)};
  base::Lock lock(mutex_);
  const auto at = known_.find(view.identity.name);
  if (at == known_.end()) return newest;
  if (at->second.revision > newest.revision) return at->second;
  newest.written = at->second.written;
  newest.ever_written = at->second.ever_written;
  return newest;
}

bool PolicyStatusWriter::worth_writing(const Known& known, const Status& held,
                                       const Status& wanted) const {
  if (held == wanted) return false;
  if (!policy::same_but_counts(held, wanted)) return true;
  return !known.ever_written || clock_.now() - known.written >= counts_interval_;
}

base::Task<base::Result<void>> PolicyStatusWriter::write(policy::PolicyView view,
                                                         std::string body) {
  const kube::ObjectKey key{.namespace_ = {}, .name = view.identity.name};
  const kube::Resource& resource = kube::concurrent_map_policies();
  Known known = newest(view, std::move(body));
  for (int conflicts = 0;; ++conflicts) {
    // Another object of the same name has another history; the mirror will bring it.
    if (identity_of(known.body).uid != view.identity.uid) co_return base::Result<void>();
    const Status held = policy::read_status(known.body);
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall_now());
    const Status wanted = merged(held, view.status, now.time_since_epoch().count());
    if (!worth_writing(known, held, wanted)) co_return base::Result<void>();
    auto patching =
        client_.merge_patch(resource, key, "status", policy::status_patch(wanted, known.revision));
    auto patched = co_await std::move(patching);
    if (patched) {
      remember(key.name, *std::move(patched), true);
      auto telling = tell(view, held, wanted);
      co_await std::move(telling);
      co_return base::Result<void>();
    }
    if (patched.error().code == base::ErrorCode::kNotFound) co_return base::Result<void>();
    if (patched.error().code != base::ErrorCode::kConflict || conflicts >= kConflictsMax) {
      co_return patched.error();
    }
    auto getting = client_.get(resource, key);
    auto got = co_await std::move(getting);
    if (!got) co_return got.error();
    known.revision = identity_of(*got).revision;
    known.body = *got;
    remember(key.name, *std::move(got), false);
  }
}

base::Task<void> PolicyStatusWriter::tell(policy::PolicyView view, Status before, Status now) {
  auto text = news(before, now);
  if (!text) co_return;
  EventSubject subject{.resource = kube::concurrent_map_policies(),
                       .name = view.identity.name,
                       .uid = view.identity.uid,
                       .revision = view.identity.revision};
  auto recording = events_.record(std::move(subject), *std::move(text));
  co_await std::move(recording);
}

}  // namespace podkeeper::controllers
