#include "pkg/controllers/derive.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace podkeeper::controllers {
namespace {

using kube::UnixSeconds;
using state::StuckReason;

/// Asks whether points in time have come, and remembers the next one that has not.
class Deadlines {
 public:
  explicit Deadlines(UnixSeconds now) : now_(now) {}
  bool passed(UnixSeconds at) {
    if (at <= now_) return true;
    next_ = next_ ? std::min(*next_, at) : at;
    return false;
  }
  [[nodiscard]] std::optional<UnixSeconds> next() const { return next_; }

 private:
  UnixSeconds now_;
  std::optional<UnixSeconds> next_;
};

/// A pod may be heard of before its node, on another watch: a missing node gets the grace from the
/// pod's creation.
bool node_lost(const kube::Object& pod, const state::Record* node, Deadlines& deadlines,
               const DeriveOptions& options) {
  const kube::NodeFields* fields = node == nullptr ? nullptr : node->object().node();
  if (fields == nullptr) return deadlines.passed(pod.created + options.node_grace.count());
  if (fields->ready == "True") return false;
  const UnixSeconds since =
      fields->ready_transition != 0 ? fields->ready_transition : node->object().created;
  return deadlines.passed(since + options.node_grace.count());
}

StuckReason stuck(const kube::Object& pod, const kube::PodFields& fields, Deadlines& deadlines,
                  const DeriveOptions& options) {
  if (pod.deleted != 0) {
    const bool late = deadlines.passed(pod.deleted + options.terminating_max.count());
    return late ? StuckReason::kTerminating : StuckReason::kNone;
  }
  if (fields.phase != "Pending") return StuckReason::kNone;
  if (fields.node_name.empty()) {
    const bool late = deadlines.passed(pod.created + options.pending_max.count());
    return late ? StuckReason::kPending : StuckReason::kNone;
  }
  const UnixSeconds since = fields.start_time != 0 ? fields.start_time : pod.created;
  const bool late = deadlines.passed(since + options.container_creating_max.count());
  return late ? StuckReason::kContainerCreating : StuckReason::kNone;
}

/// The newest moment at which we know that something about the pod changed.
UnixSeconds last_transition(const kube::Object& pod, const kube::PodFields& fields) {
  return std::max({pod.created, fields.start_time, fields.ready_transition, fields.last_restart,
                   fields.finished});
}

}  // namespace

std::optional<UnixSeconds> terminal_expiry(const kube::Object& pod, std::chrono::seconds ttl) {
  const kube::PodFields* fields = pod.pod();
  if (fields == nullptr || ttl.count() <= 0 || !state::terminal(*fields)) return std::nullopt;
  return (fields->finished != 0 ? fields->finished : last_transition(pod, *fields)) + ttl.count();
}

Derived derive(const state::RecordRef& pod, const state::Record* node, UnixSeconds now,
               const DeriveOptions& options) {
  const kube::Object& object = pod->object();
  const kube::PodFields& fields = *object.pod();
  Deadlines deadlines(now);
  state::PodState state;
  state.pod = pod;
  state.reason = fields.display_status;
  state.last_transition_at = last_transition(object, fields);
  state.terminating = object.deleted != 0;
  const bool ended = state::terminal(fields);
  if (const auto expiry = terminal_expiry(object, options.terminal_ttl)) {
    state.expires_at = *expiry;
    if (deadlines.passed(state.expires_at)) return {};
  }
  state.ready = fields.ready_condition && !ended;
  state.node_lost =
      !ended && !fields.node_name.empty() && node_lost(object, node, deadlines, options);
  state.stuck = stuck(object, fields, deadlines, options);
  return {std::move(state), deadlines.next()};
}

}  // namespace podkeeper::controllers
