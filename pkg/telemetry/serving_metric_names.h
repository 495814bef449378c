#pragma once

#include "pkg/telemetry/metric_buckets.h"
#include "pkg/telemetry/metrics.h"

/// The families of what is answered, and of what is refused for want of memory; a part of
/// metric_names.h.
namespace podkeeper::telemetry {

// Serving. verb: get, list, watch, other; scope: resource, namespace, cluster or empty.
inline const MetricDesc kHttpRequests{MetricType::kCounter,
                                      "podkeeper_http_requests_total",
                                      "Answered HTTP requests.",
                                      {"verb", "resource", "scope", "code"}};
inline const MetricDesc kHttpRequestDuration{
    MetricType::kHistogram,
    "podkeeper_http_request_duration_seconds",
    "Time from a request's head to the last byte of its answer; streams are not counted.",
    {"verb", "resource", "scope"},
    buckets::kRequestSeconds};
inline const MetricDesc kHttpResponseBytes{MetricType::kHistogram,
                                           "podkeeper_http_response_bytes",
                                           "Size of answers' bodies; streams are not counted.",
                                           {"verb", "resource", "scope"},
                                           buckets::kBodyBytes};
inline const MetricDesc kHttpInflightRequests{
    MetricType::kGauge,
    "podkeeper_http_inflight_requests",
    "Requests being answered now, by kind (request or stream).",
    {"kind"}};
inline const MetricDesc kHttpRejected{
    MetricType::kCounter,
    "podkeeper_http_rejected_total",
    "Requests and connections refused before they reached a handler, by reason.",
    {"reason"}};
inline const MetricDesc kHttpTimeouts{
    MetricType::kCounter,
    "podkeeper_http_timeouts_total",
    "Connections cut at a deadline, by phase (header, body, idle, write, stream).",
    {"phase"}};
inline const MetricDesc kHttpConnections{MetricType::kGauge, "podkeeper_http_connections",
                                         "Open client connections."};
inline const MetricDesc kHttpAcceptErrors{
    MetricType::kCounter, "podkeeper_http_accept_errors_total",
    "Failed accepts, for example for want of file descriptors."};

// Memory. action: shed_list, evict_slow, refuse.
inline const MetricDesc kOverloadState{
    MetricType::kGauge, "podkeeper_overload_state",
    "0: all is served; 1: lists are refused; 2: slow clients are cut, too; 3: all is refused."};
inline const MetricDesc kOverloadActions{
    MetricType::kCounter,
    "podkeeper_overload_actions_total",
    "Requests refused and clients cut for want of memory, by action.",
    {"action"}};
inline const MetricDesc kMemoryUsed{
    MetricType::kGauge, "podkeeper_memory_used_bytes",
    "Memory in use that counts against podkeeper_memory_limit_bytes; none without a limit."};
inline const MetricDesc kMemoryLimit{
    MetricType::kGauge, "podkeeper_memory_limit_bytes",
    "The nearest of the limits on memory: the cgroup's, RLIMIT_AS, --memory-limit."};

}  // namespace podkeeper::telemetry
