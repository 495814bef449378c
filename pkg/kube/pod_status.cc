// The derived half of PodReader: what `kubectl get pods` shows, decided as kubectl's printer on the
// server decides it.
#include "pkg/kube/object.h"
#include "pkg/kube/pod_reader.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace podkeeper::kube {
namespace {

std::uint32_t count(std::int64_t value) noexcept {
  constexpr std::int64_t kMax = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(value, 0, kMax));
}

/// "OOMKilled", or "Signal:9", or "ExitCode:1".
std::string why_terminated(std::string_view reason, std::int64_t signal, std::int64_t exit_code) {
  if (!reason.empty()) return std::string(reason);
  if (signal != 0) return "Signal:" + std::to_string(signal);
  return "ExitCode:" + std::to_string(exit_code);
}

}  // namespace

void PodReader::Tally::add_restarts(const ContainerStatus& status) noexcept {
  restarts +=
      std::clamp<std::int64_t>(status.restart_count, 0, std::numeric_limits<std::uint32_t>::max());
  last_restart = std::max(last_restart, status.last_finished);
}

bool PodReader::restartable(std::string_view init_container) const noexcept {
  return std::ranges::any_of(init_, [&](const InitContainer& each) {
    return each.restartable && each.name == init_container;
  });
}

bool PodReader::condition_true(std::string_view type) const noexcept {
  const auto found = std::ranges::find(conditions_, type, &Condition::type);
  return found != conditions_.end() && found->status == "True";
}

bool PodReader::tally_init(Tally& all, Tally& restartable_only, std::string& status) const {
  std::size_t done = 0;
  for (const ContainerStatus& container : init_statuses_) {
    const bool stays = restartable(container.name);
    all.add_restarts(container);
    if (stays) restartable_only.add_restarts(container);
    const std::size_t index = done++;
    if (container.terminated && container.exit_code == 0) continue;
    if (stays && container.started) {
      if (container.ready) ++restartable_only.ready;
      continue;
    }
    if (container.terminated) {
      status = "Init:" +
               why_terminated(container.terminated_reason, container.signal, container.exit_code);
    } else if (container.waiting && !container.waiting_reason.empty() &&
               container.waiting_reason != "PodInitializing") {
      status = "Init:" + std::string(container.waiting_reason);
    } else {
      status = "Init:" + std::to_string(index) + "/" + std::to_string(init_.size());
    }
    return true;
  }
  return false;
}

void PodReader::tally_containers(Tally& tally, std::string& status) const {
  bool running = false;
  // From the last to the first: the first container that has something to say has the last word.
  for (auto at = statuses_.rbegin(); at != statuses_.rend(); ++at) {
    tally.add_restarts(*at);
    if (at->waiting && !at->waiting_reason.empty()) {
      status = at->waiting_reason;
    } else if (at->terminated) {
      status = why_terminated(at->terminated_reason, at->signal, at->exit_code);
    } else if (at->ready && at->running) {
      running = true;
      ++tally.ready;
    }
  }
  if (status == "Completed" && running) {
    status = condition_true("Ready") ? "Running" : "NotReady";
  }
}

void PodReader::finish(PodFields& pod, bool deleted) {
  std::string status(pod.status_reason.empty() ? pod.phase : pod.status_reason);
  if (std::ranges::any_of(conditions_, [](const Condition& each) {
        return each.type == "PodScheduled" && each.reason == "SchedulingGated";
      })) {
    status = "SchedulingGated";
  }
  Tally shown;
  Tally restartable_only;
  const bool initializing = tally_init(shown, restartable_only, status);
  // While the pod initialises every init container's restarts count; after that only of those that
  // stay.
  shown.ready = restartable_only.ready;
  if (!initializing || condition_true("Initialized")) {
    shown = restartable_only;
    tally_containers(shown, status);
  }
  if (deleted && pod.status_reason == "NodeLost") {
    status = "Unknown";
  } else if (deleted && pod.phase != "Succeeded" && pod.phase != "Failed") {
    status = "Terminating";
  }
  pod.display_status = std::move(status);
  pod.restarts = count(shown.restarts);
  pod.last_restart = shown.last_restart;
  pod.containers_ready = count(shown.ready);
  for (const auto* statuses : {&init_statuses_, &statuses_}) {
    for (const ContainerStatus& each : *statuses)
      pod.finished = std::max(pod.finished, each.finished);
  }
  pod.readiness_gates_total = count(static_cast<std::int64_t>(gates_.size()));
  pod.readiness_gates_true = count(
      std::ranges::count_if(gates_, [&](std::string_view gate) { return condition_true(gate); }));
}

}  // namespace podkeeper::kube
