#pragma once

#include "pkg/telemetry/metric_buckets.h"
#include "pkg/telemetry/metrics.h"

/// The families of what is asked of kube-apiserver; a part of metric_names.h.
namespace podkeeper::telemetry {

// Calls to kube-apiserver, as client-go names them.
inline const MetricDesc kRestClientRequests{
    MetricType::kCounter,
    "rest_client_requests_total",
    "Number of HTTP requests, partitioned by status code, method, and host.",
    {"code", "method", "host"}};
inline const MetricDesc kRestClientRequestDuration{
    MetricType::kHistogram,
    "rest_client_request_duration_seconds",
    "Request latency in seconds, to the response's head. Broken down by verb, and host.",
    {"verb", "host"},
    buckets::kClientSeconds};
inline const MetricDesc kRestClientRequestRetries{
    MetricType::kCounter,
    "rest_client_request_retries_total",
    "Number of request retries, partitioned by status code, verb, and host.",
    {"code", "verb", "host"}};
inline const MetricDesc kRestClientResponseSize{
    MetricType::kHistogram,
    "rest_client_response_size_bytes",
    "Response size in bytes. Broken down by verb and host.",
    {"verb", "host"},
    buckets::kBodyBytes};

inline const MetricDesc kRestClientRateLimiterDuration{
    MetricType::kHistogram,
    "rest_client_rate_limiter_duration_seconds",
    "Client side rate limiter latency in seconds. Broken down by verb, and host.",
    {"verb", "host"},
    buckets::kClientSeconds};

inline const MetricDesc kReflectorQuarantined{
    MetricType::kGauge,
    "podkeeper_reflector_quarantined_objects",
    "Objects that upstream has and that cannot be read: they are left out of the mirror.",
    {"resource"}};

// Discovery.
inline const MetricDesc kResourceOffered{
    MetricType::kGauge,
    "podkeeper_resource_offered",
    "1 while upstream offers a resource of --resources and it is mirrored, else 0.",
    {"resource"}};

// Leader election, as client-go names it.
inline const MetricDesc kLeaderElectionMaster{
    MetricType::kGauge,
    "leader_election_master_status",
    "Whether this process leads by the relevant lease: 1 for the leader, 0 for a candidate. 'name' "
    "is the lease's.",
    {"name"}};
inline const MetricDesc kLeaderElectionSlowPath{
    MetricType::kCounter,
    "leader_election_slowpath_total",
    "Renewals of a held lease that had to read it first. 'name' is the lease's.",
    {"name"}};

// What podkeeper deletes.
inline const MetricDesc kPodCleanUps{
    MetricType::kCounter,
    "podkeeper_pod_clean_ups_total",
    "Requests to delete an expired pod at the API server, by result: deleted, dry_run, gone (404), "
    "conflict (409: changed meanwhile), forbidden, error.",
    {"result"}};

// TLS and credentials towards kube-apiserver.
inline const MetricDesc kTlsErrors{
    MetricType::kCounter,
    "podkeeper_tls_errors_total",
    "TLS connections to the API server that failed, by reason: authority, name, expired, "
    "certificate, version, client_certificate, protocol, cut, timeout.",
    {"reason"}};
inline const MetricDesc kTlsReloads{
    MetricType::kCounter,
    "podkeeper_tls_reloads_total",
    "Times that certificates and keys were new and were taken (success) or could not be (error).",
    {"result"}};
inline const MetricDesc kTokenReloads{
    MetricType::kCounter,
    "podkeeper_token_reload_total",
    "Times that a token was new and was taken (success) or could not be had (error), by source: "
    "file, exec.",
    {"source", "result"}};

// The embedded API server.
inline const MetricDesc kSimkubeFaults{MetricType::kCounter,
                                       "podkeeper_simkube_faults_total",
                                       "Faults that simkube's fault script did, by kind.",
                                       {"fault"}};

}  // namespace podkeeper::telemetry
