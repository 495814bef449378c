#pragma once

#include "pkg/telemetry/metrics.h"

/// The metric families of the process and its threads: a part of metric_names.h, which is what to
/// include.
namespace podkeeper::telemetry {

// The process, as Prometheus clients name it.
inline const MetricDesc kProcessCpuSeconds{MetricType::kCounter, "process_cpu_seconds_total",
                                           "Total user and system CPU time spent in seconds."};
inline const MetricDesc kProcessResidentMemory{MetricType::kGauge, "process_resident_memory_bytes",
                                               "Resident memory size in bytes."};
inline const MetricDesc kProcessVirtualMemory{MetricType::kGauge, "process_virtual_memory_bytes",
                                              "Virtual memory size in bytes."};
inline const MetricDesc kProcessOpenFds{MetricType::kGauge, "process_open_fds",
                                        "Number of open file descriptors."};
inline const MetricDesc kProcessMaxFds{MetricType::kGauge, "process_max_fds",
                                       "Maximum number of open file descriptors."};
inline const MetricDesc kProcessStartTime{MetricType::kGauge, "process_start_time_seconds",
                                          "Start time of the process since unix epoch in seconds."};
inline const MetricDesc kProcessThreads{MetricType::kGauge, "process_threads",
                                        "Number of threads of the process."};

inline const MetricDesc kCrashes{MetricType::kCounter,
                                 "podkeeper_crashes_total",
                                 "Processes that a signal ended and --supervise replaced.",
                                 {"signal"}};
inline const MetricDesc kRestarts{MetricType::kCounter, "podkeeper_restarts_total",
                                  "Processes that --supervise has started in another's place."};
inline const MetricDesc kWatchdogStalls{
    MetricType::kCounter, "podkeeper_watchdog_stalls_total",
    "Threads of the event loop that were stuck in one piece of work for --watchdog-timeout."};

}  // namespace podkeeper::telemetry
