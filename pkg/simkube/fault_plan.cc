#include "pkg/simkube/fault_plan.h"

#include "pkg/http/message.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::simkube {
namespace {

/// What is left of a path below its group and version.
struct Below {
  std::string group;
  std::size_t at = 0;  ///< the segment of the plural
  bool legacy_watch = false;
};

Below below_version(const std::vector<std::string>& segments) {
  Below below;
  const bool core = segments[0] == "api";
  if (!core && segments.size() > 1) below.group = segments[1];
  below.at = core ? 2 : 3;
  below.legacy_watch = below.at < segments.size() && segments[below.at] == "watch";
  if (below.legacy_watch) ++below.at;
  // A namespace itself is named by two segments, what lies in it by more.
  if (below.at + 2 < segments.size() && segments[below.at] == "namespaces" &&
      segments[below.at + 2] != "status" && segments[below.at + 2] != "finalize") {
    below.at += 2;
  }
  return below;
}

std::string verb_of(std::string_view method, bool watch, bool named) {
  if (method == "GET") return watch ? "watch" : named ? "get" : "list";
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return "";
}

}  // namespace

Asked asked_by(std::string_view request_line) {
  const std::size_t first = request_line.find(' ');
  const std::size_t second = request_line.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return {};
  const auto method = request_line.substr(0, first);
  const auto target = http::parse_target(request_line.substr(first + 1, second - first - 1));
  if (!target) return {};
  const auto& segments = target->segments;
  if (segments.empty() || (segments[0] != "api" && segments[0] != "apis")) {
    return {.verb = verb_of(method, false, true), .resource = ""};
  }
  const auto below = below_version(segments);
  if (below.at >= segments.size()) return {.verb = verb_of(method, false, true), .resource = ""};
  const auto watch = target->query_value("watch");
  const bool watches = below.legacy_watch || watch == "true" || watch == "1";
  auto resource = segments[below.at];
  if (!below.group.empty()) resource += "." + below.group;
  return {.verb = verb_of(method, watches, below.at + 1 < segments.size()),
          .resource = std::move(resource)};
}

FaultPlan::FaultPlan(base::Clock& clock, telemetry::Metrics& metrics, std::vector<FaultRule> rules)
    : clock_(clock), start_(clock.now()), rules_(std::move(rules)), matched_(rules_.size()) {
  for (const auto& rule : rules_) {
    counters_.push_back(&metrics.counter(telemetry::kSimkubeFaults, {name_of(rule.what)}));
  }
}

std::vector<FaultDo> FaultPlan::befalls(const Asked& asked) {
  const auto since = clock_.now() - start_;
  std::vector<FaultDo> found;
  base::Lock lock(mutex_);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const auto& when = rules_[i].when;
    if (!when.verb.empty() && when.verb != asked.verb) continue;
    if (!when.resource.empty() && when.resource != asked.resource) continue;
    if (since < when.after) continue;
    if (when.lasts > base::Duration::zero() && since - when.after >= when.lasts) continue;
    ++matched_[i];
    if (when.nth != 0 && matched_[i] != when.nth) continue;
    counters_[i]->Increment();
    found.push_back(rules_[i].what);
  }
  return found;
}

}  // namespace podkeeper::simkube
