#include "daemon/panic_sinks.h"

#include "pkg/cmap/audit_report.h"
#include "pkg/recovery/panic_report.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::daemon {
namespace {

constexpr base::Duration kLineInterval = std::chrono::milliseconds(200);
constexpr std::uint32_t kLineBurst = 20;

/// Raw addresses: names cost milliseconds and are resolved where a report is read.
std::vector<std::string> addresses(const std::vector<void*>& stack) {
  std::vector<std::string> texts;
  for (const void* address : stack) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "%p", address);
    texts.emplace_back(text.data());
  }
  return texts;
}

void say(const recovery::PanicReport& report, std::uint64_t suppressed) {
  const auto stack = addresses(report.stack);
  const std::string task = report.task_name + "#" + std::to_string(report.task_id);
  const telemetry::LogField request[] = {{"method", report.request.method},
                                         {"path", report.request.path},
                                         {"user", report.request.user},
                                         {"region", report.request.region}};
  telemetry::log_error("panic_recovered",
                       {{"handler", base::to_string(report.handler)},
                        {"kind", base::to_string(report.kind)},
                        {"report", report.id},
                        {"type", report.type},
                        {"err", report.message},
                        {"task", task},
                        {"createdBy", report.task_created_by},
                        {"stack", stack},
                        {"activeTraces", report.active_traces},
                        {"mapAudit", report.map_audit},
                        {"request", std::span<const telemetry::LogField>(request)},
                        {"suppressed", suppressed}});
}

}  // namespace

PanicSinks::PanicSinks(base::Clock& clock, telemetry::Metrics& metrics) {
  auto& recorder = recovery::PanicRecorder::instance();
  recorder.set_clock(&clock);
  // A series that is born with its first panic has not increased: the alert would miss that one.
  for (const base::Handler handler : base::kHandlers) {
    for (const base::PanicKind kind : base::kPanicKinds) {
      metrics.counter(telemetry::kPanics, {base::to_string(handler), base::to_string(kind)});
    }
  }
  metrics.counter(telemetry::kMapMisuse);
  auto limiter = std::make_shared<telemetry::RateLimiter>(clock, kLineInterval, kLineBurst);
  sink_ = recorder.add_sink([limiter, &metrics](const recovery::PanicReport& report) {
    metrics
        .counter(telemetry::kPanics,
                 {base::to_string(report.handler), base::to_string(report.kind)})
        .Increment();
    if (report.kind == base::PanicKind::kMisuse) metrics.counter(telemetry::kMapMisuse).Increment();
    if (const auto suppressed = limiter->admit()) {
      say(report, *suppressed);
    } else {
      metrics.counter(telemetry::kPanicsSuppressed).Increment();
    }
  });
}

PanicSinks::~PanicSinks() {
  auto& recorder = recovery::PanicRecorder::instance();
  recorder.remove_sink(sink_);
  recorder.set_clock(nullptr);
}

PanicAudit::PanicAudit(cmap::MapDirectory maps) {
  recovery::PanicRecorder::instance().set_map_audit(
      [maps = std::move(maps)](const recovery::PanicReport& report) {
        return cmap::audit_lines(maps(), report.task_id, cmap::take_panicked_operation());
      });
}

PanicAudit::~PanicAudit() { recovery::PanicRecorder::instance().set_map_audit(nullptr); }

}  // namespace podkeeper::daemon
