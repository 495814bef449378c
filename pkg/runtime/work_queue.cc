#include "pkg/runtime/work_queue.h"

#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace podkeeper::runtime {

namespace {

double seconds(base::Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

WorkQueueMetrics::WorkQueueMetrics(telemetry::Metrics* metrics, std::string_view name) {
  if (metrics == nullptr) return;
  depth_ = &metrics->gauge(telemetry::kWorkqueueDepth, {name});
  adds_ = &metrics->counter(telemetry::kWorkqueueAdds, {name});
  retries_ = &metrics->counter(telemetry::kWorkqueueRetries, {name});
  queue_seconds_ = &metrics->histogram(telemetry::kWorkqueueQueueDuration, {name});
  work_seconds_ = &metrics->histogram(telemetry::kWorkqueueWorkDuration, {name});
  unfinished_ = &metrics->gauge(telemetry::kWorkqueueUnfinishedWork, {name});
  longest_ = &metrics->gauge(telemetry::kWorkqueueLongestRunning, {name});
}

void WorkQueueMetrics::added() {
  if (adds_ != nullptr) adds_->Increment();
}
void WorkQueueMetrics::retried() {
  if (retries_ != nullptr) retries_->Increment();
}
void WorkQueueMetrics::depth(std::size_t waiting) {
  if (depth_ != nullptr) depth_->Set(static_cast<double>(waiting));
}
void WorkQueueMetrics::taken(base::Duration waited) {
  if (queue_seconds_ != nullptr) queue_seconds_->Observe(seconds(waited));
}
void WorkQueueMetrics::done(base::Duration worked) {
  if (work_seconds_ != nullptr) work_seconds_->Observe(seconds(worked));
}
void WorkQueueMetrics::in_work(base::Duration all, base::Duration longest) {
  if (unfinished_ == nullptr) return;
  unfinished_->Set(seconds(all));
  longest_->Set(seconds(longest));
}

base::Duration retry_delay(const WorkQueueOptions& options, std::size_t failures) {
  // As a double, which holds any power that could matter: no overflow to guard against.
  const double wait = static_cast<double>(options.backoff_first.count()) *
                      std::pow(2.0, static_cast<double>(std::min<std::size_t>(failures, 1000)));
  if (wait >= static_cast<double>(options.backoff_max.count())) return options.backoff_max;
  return base::Duration(static_cast<std::int64_t>(wait));
}

}  // namespace podkeeper::runtime
