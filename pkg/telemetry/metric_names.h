#pragma once

#include "pkg/telemetry/metric_buckets.h"
#include "pkg/telemetry/metrics.h"
#include "pkg/telemetry/process_metric_names.h"
#include "pkg/telemetry/serving_metric_names.h"
#include "pkg/telemetry/upstream_metric_names.h"

#include <vector>

/// Every metric family of podkeeper: name, help, labels and buckets are declared here and nowhere
/// else. Names that Kubernetes or the Prometheus clients use are reused verbatim; all others begin
/// with podkeeper_. Every label's values form a closed set.
namespace podkeeper::telemetry {

// Work queues, as Kubernetes names them.
inline const MetricDesc kWorkqueueDepth{
    MetricType::kGauge, "workqueue_depth", "Current depth of workqueue", {"name"}};
inline const MetricDesc kWorkqueueAdds{MetricType::kCounter,
                                       "workqueue_adds_total",
                                       "Total number of adds handled by workqueue",
                                       {"name"}};
inline const MetricDesc kWorkqueueQueueDuration{
    MetricType::kHistogram,
    "workqueue_queue_duration_seconds",
    "How long in seconds an item stays in workqueue before being requested.",
    {"name"},
    buckets::kQueueSeconds};
inline const MetricDesc kWorkqueueWorkDuration{
    MetricType::kHistogram,
    "workqueue_work_duration_seconds",
    "How long in seconds processing an item from workqueue takes.",
    {"name"},
    buckets::kQueueSeconds};
inline const MetricDesc kWorkqueueUnfinishedWork{
    MetricType::kGauge,
    "workqueue_unfinished_work_seconds",
    "How many seconds of work is in progress and not yet observed by work_duration. Large values "
    "indicate stuck workers.",
    {"name"}};
inline const MetricDesc kWorkqueueLongestRunning{
    MetricType::kGauge,
    "workqueue_longest_running_processor_seconds",
    "How many seconds has the longest running processor for workqueue been running.",
    {"name"}};
inline const MetricDesc kWorkqueueRetries{MetricType::kCounter,
                                          "workqueue_retries_total",
                                          "Total number of retries handled by workqueue",
                                          {"name"}};

// Controllers, as controller-runtime names them. result: success, error, requeue, requeue_after.
inline const MetricDesc kReconcileTotal{MetricType::kCounter,
                                        "controller_runtime_reconcile_total",
                                        "Total number of reconciliations per controller",
                                        {"controller", "result"}};
inline const MetricDesc kReconcileErrors{MetricType::kCounter,
                                         "controller_runtime_reconcile_errors_total",
                                         "Total number of reconciliation errors per controller",
                                         {"controller"}};
inline const MetricDesc kReconcilePanics{MetricType::kCounter,
                                         "controller_runtime_reconcile_panics_total",
                                         "Total number of reconciliation panics per controller",
                                         {"controller"}};
inline const MetricDesc kReconcileTime{MetricType::kHistogram,
                                       "controller_runtime_reconcile_time_seconds",
                                       "Length of time per reconciliation per controller",
                                       {"controller"},
                                       buckets::kReconcileSeconds};
inline const MetricDesc kMaxConcurrentReconciles{
    MetricType::kGauge,
    "controller_runtime_max_concurrent_reconciles",
    "Maximum number of concurrent reconciles per controller",
    {"controller"}};
inline const MetricDesc kActiveWorkers{MetricType::kGauge,
                                       "controller_runtime_active_workers",
                                       "Number of currently used workers per controller",
                                       {"controller"}};

// Health, as component-base names it. type: healthz, livez, readyz; status: success, error.
inline const MetricDesc kHealthcheck{MetricType::kGauge,
                                     "kubernetes_healthcheck",
                                     "This metric records the result of a single healthcheck.",
                                     {"name", "type"}};
inline const MetricDesc kHealthchecks{MetricType::kCounter,
                                      "kubernetes_healthchecks_total",
                                      "This metric records the results of all healthcheck.",
                                      {"name", "type", "status"}};

// What we are, and our own faults. handler: base::Handler; kind: base::PanicKind (panics),
// base::Handler (tasks).
inline const MetricDesc kBuildInfo{MetricType::kGauge,
                                   "podkeeper_build_info",
                                   "Always 1; what is running stands in the labels.",
                                   {"version", "commit", "compiler"}};
inline const MetricDesc kPanics{MetricType::kCounter,
                                "podkeeper_panics_total",
                                "Panics recovered at a handler boundary.",
                                {"handler", "kind"}};
inline const MetricDesc kPanicsSuppressed{
    MetricType::kCounter, "podkeeper_panics_suppressed_total",
    "Recovered panics whose log line was left out by the rate limit."};
inline const MetricDesc kTasks{
    MetricType::kGauge, "podkeeper_tasks", "Tasks that have begun and not ended.", {"kind"}};
inline const MetricDesc kTaskQueueDelay{MetricType::kHistogram,
                                        "podkeeper_task_queue_delay_seconds",
                                        "How long work that is ready waits for a thread.",
                                        {},
                                        buckets::kDelaySeconds};

// Following upstream. result: success, error, expired, cancelled; type: ADDED, MODIFIED, DELETED,
// BOOKMARK, ERROR; beside these STALE_BOOKMARK and STALE_EVENT for what is older than what came.
inline const MetricDesc kReflectorLists{MetricType::kCounter,
                                        "podkeeper_reflector_lists_total",
                                        "LISTs of a whole resource, all pages counting as one.",
                                        {"resource", "result"}};
inline const MetricDesc kReflectorWatches{MetricType::kCounter,
                                          "podkeeper_reflector_watches_total",
                                          "WATCH streams that ended.",
                                          {"resource", "result"}};
inline const MetricDesc kReflectorRelists{
    MetricType::kCounter,
    "podkeeper_reflector_relists_total",
    "LISTs after the first one: gaps that a resync had to close.",
    {"resource", "result"}};
inline const MetricDesc kReflectorEvents{MetricType::kCounter,
                                         "podkeeper_reflector_events_total",
                                         "Watch events received.",
                                         {"resource", "type"}};
inline const MetricDesc kReflectorEventLag{
    MetricType::kHistogram,
    "podkeeper_reflector_event_lag_seconds",
    "Time from an event's last byte to its being visible to readers.",
    {"resource"},
    buckets::kDelaySeconds};
inline const MetricDesc kReflectorListDuration{MetricType::kHistogram,
                                               "podkeeper_reflector_list_duration_seconds",
                                               "Time for a LIST, all pages.",
                                               {"resource"},
                                               buckets::kClientSeconds};
inline const MetricDesc kReflectorDecodeErrors{
    MetricType::kCounter,
    "podkeeper_reflector_decode_errors_total",
    "Objects or events from upstream that could not be decoded.",
    {"resource"}};
inline const MetricDesc kReflectorSynced{
    MetricType::kGauge,
    "podkeeper_reflector_synced",
    "1 after the first complete LIST and while the watch is alive, else 0.",
    {"resource"}};

// What we hold.
inline const MetricDesc kStoreObjects{
    MetricType::kGauge, "podkeeper_store_objects", "Objects in the mirror.", {"resource"}};
inline const MetricDesc kStoreBytes{
    MetricType::kGauge, "podkeeper_store_bytes", "Bytes of the mirrored objects.", {"resource"}};
inline const MetricDesc kStoreRevision{
    MetricType::kGauge,
    "podkeeper_store_revision",
    "The 15 least significant decimal digits of the mirror's revision.",
    {"resource"}};
inline const MetricDesc kStoreStaleness{
    MetricType::kGauge,
    "podkeeper_store_staleness_seconds",
    "Time since the last evidence that the mirror's revision was upstream's.",
    {"resource"}};
inline const MetricDesc kStoreAuditRuns{
    MetricType::kCounter,
    "podkeeper_store_audit_runs_total",
    "Self-audits that compared the whole mirror with upstream (--audit-interval).",
    {"resource"}};
inline const MetricDesc kStoreAuditDivergent{
    MetricType::kCounter,
    "podkeeper_store_audit_divergent_objects_total",
    "Objects that a self-audit found missing, stale or left over in the mirror.",
    {"resource"}};
inline const MetricDesc kStoreAuditRepairs{
    MetricType::kCounter,
    "podkeeper_store_audit_repairs_total",
    "LISTs that a self-audit asked for, because the mirror differed from upstream.",
    {"resource"}};
inline const MetricDesc kConsistencyReads{
    MetricType::kCounter,
    "podkeeper_consistency_reads_total",
    "Reads that named a consistency, an age or a revision; result: met, unmet.",
    {"resource", "consistency", "result"}};
inline const MetricDesc kConsistencyProbes{
    MetricType::kCounter,
    "podkeeper_consistency_probes_total",
    "Requests for upstream's newest revision, each for all reads that waited for one.",
    {"resource", "result"}};
inline const MetricDesc kConsistencyForwards{
    MetricType::kCounter,
    "podkeeper_consistency_forwards_total",
    "Unmet reads that upstream was asked in its place; result: answered, failed, refused.",
    {"result"}};

// Policies. state: accepted, rejected, conflict (accepted, but others govern all it targets).
inline const MetricDesc kPolicies{MetricType::kGauge,
                                  "podkeeper_policies",
                                  "ConcurrentMapPolicies, by what became of them.",
                                  {"state"}};
inline const MetricDesc kPolicyRejected{MetricType::kCounter,
                                        "podkeeper_policy_rejected_total",
                                        "Versions of policies that were not accepted.",
                                        {"reason"}};
inline const MetricDesc kPolicyApplications{MetricType::kCounter,
                                            "podkeeper_policy_applications_total",
                                            "Plans that stores were given, by how it ended.",
                                            {"store", "result"}};

// Concurrent maps. partition: "<plural>.<group>", or "<plural>.<group>~<policy>"; op: find, put,
// erase, scan.
inline const MetricDesc kMapInfo{MetricType::kGauge,
                                 "podkeeper_map_info",
                                 "Always 1; how the partition synchronizes stands in the labels.",
                                 {"partition", "strategy", "hash"}};
inline const MetricDesc kMapEntries{
    MetricType::kGauge, "podkeeper_map_entries", "Entries of the map.", {"partition"}};
inline const MetricDesc kMapBytes{MetricType::kGauge,
                                  "podkeeper_map_bytes",
                                  "Bytes of the map's own tables, without its records.",
                                  {"partition"}};
inline const MetricDesc kMapShards{
    MetricType::kGauge, "podkeeper_map_shards", "Shards of the map.", {"partition"}};
inline const MetricDesc kMapOperations{MetricType::kCounter,
                                       "podkeeper_map_operations_total",
                                       "Operations on the map.",
                                       {"partition", "op"}};
inline const MetricDesc kMapContended{MetricType::kCounter,
                                      "podkeeper_map_contended_total",
                                      "Times a lock of the map was not free at once.",
                                      {"partition"}};
inline const MetricDesc kMapMisuse{
    MetricType::kCounter, "podkeeper_map_misuse_total",
    "Panics because a map was used against its contract, such as two writers at once."};
inline const MetricDesc kMapReclaimPending{
    MetricType::kGauge, "podkeeper_map_reclaim_pending_bytes",
    "Bytes of replaced records that wait for the last reader who could see them."};

// Watchers of ours. reason: client, timeout, gone, slow, shutdown, error.
inline const MetricDesc kWatchStreams{
    MetricType::kGauge, "podkeeper_watch_streams", "Open watch streams.", {"resource"}};
inline const MetricDesc kWatchParkedStreams{MetricType::kGauge, "podkeeper_watch_parked_streams",
                                            "Open watch streams that wait for the next change."};
inline const MetricDesc kWatchEventsSent{MetricType::kCounter,
                                         "podkeeper_watch_events_sent_total",
                                         "Events written to watch streams.",
                                         {"resource"}};
inline const MetricDesc kWatchTerminated{MetricType::kCounter,
                                         "podkeeper_watch_terminated_total",
                                         "Watch streams that ended, by reason.",
                                         {"reason"}};

// Logs. level: error, warn, info, debug.
inline const MetricDesc kLogMessages{MetricType::kCounter,
                                     "podkeeper_log_messages_total",
                                     "Log lines accepted for writing.",
                                     {"level"}};
inline const MetricDesc kLogDropped{
    MetricType::kCounter, "podkeeper_log_dropped_total",
    "Log lines dropped because the output did not take them in time."};

/// In the order above. A test compares this list with the declarations.
inline const MetricDesc* const kAllMetrics[] = {&kProcessCpuSeconds,
                                                &kProcessResidentMemory,
                                                &kProcessVirtualMemory,
                                                &kProcessOpenFds,
                                                &kProcessMaxFds,
                                                &kProcessStartTime,
                                                &kProcessThreads,
                                                &kRestClientRequests,
                                                &kRestClientRequestDuration,
                                                &kRestClientRequestRetries,
                                                &kRestClientResponseSize,
                                                &kWorkqueueDepth,
                                                &kWorkqueueAdds,
                                                &kWorkqueueQueueDuration,
                                                &kWorkqueueWorkDuration,
                                                &kWorkqueueUnfinishedWork,
                                                &kWorkqueueLongestRunning,
                                                &kWorkqueueRetries,
                                                &kReconcileTotal,
                                                &kReconcileErrors,
                                                &kReconcilePanics,
                                                &kReconcileTime,
                                                &kMaxConcurrentReconciles,
                                                &kActiveWorkers,
                                                &kHealthcheck,
                                                &kHealthchecks,
                                                &kBuildInfo,
                                                &kRestClientRateLimiterDuration,
                                                &kTlsErrors,
                                                &kTlsReloads,
                                                &kLeaderElectionMaster,
                                                &kLeaderElectionSlowPath,
                                                &kPodCleanUps,
                                                &kTokenReloads,
                                                &kSimkubeFaults,
                                                &kPanics,
                                                &kPanicsSuppressed,
                                                &kCrashes,
                                                &kRestarts,
                                                &kWatchdogStalls,
                                                &kTasks,
                                                &kTaskQueueDelay,
                                                &kHttpRequests,
                                                &kHttpRequestDuration,
                                                &kHttpResponseBytes,
                                                &kHttpInflightRequests,
                                                &kHttpRejected,
                                                &kHttpTimeouts,
                                                &kHttpConnections,
                                                &kHttpAcceptErrors,
                                                &kOverloadState,
                                                &kOverloadActions,
                                                &kMemoryUsed,
                                                &kMemoryLimit,
                                                &kReflectorLists,
                                                &kReflectorWatches,
                                                &kReflectorRelists,
                                                &kReflectorEvents,
                                                &kReflectorEventLag,
                                                &kReflectorListDuration,
                                                &kReflectorDecodeErrors,
                                                &kReflectorSynced,
                                                &kReflectorQuarantined,
                                                &kResourceOffered,
                                                &kStoreObjects,
                                                &kStoreBytes,
                                                &kStoreRevision,
                                                &kStoreStaleness,
                                                &kStoreAuditRuns,
                                                &kStoreAuditDivergent,
                                                &kStoreAuditRepairs,
                                                &kConsistencyReads,
                                                &kConsistencyProbes,
                                                &kConsistencyForwards,
                                                &kPolicies,
                                                &kPolicyRejected,
                                                &kPolicyApplications,
                                                &kMapInfo,
                                                &kMapEntries,
                                                &kMapBytes,
                                                &kMapShards,
                                                &kMapOperations,
                                                &kMapContended,
                                                &kMapMisuse,
                                                &kMapReclaimPending,
                                                &kWatchStreams,
                                                &kWatchParkedStreams,
                                                &kWatchEventsSent,
                                                &kWatchTerminated,
                                                &kLogMessages,
                                                &kLogDropped};

}  // namespace podkeeper::telemetry
