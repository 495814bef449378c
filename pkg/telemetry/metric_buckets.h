#pragma once

#include <vector>

/// The upper bounds of histograms, by what they measure.
namespace podkeeper::telemetry::buckets {

/// Answers, in seconds: half a millisecond to a minute, with a bound at 1 s for an objective.
inline const std::vector<double> kRequestSeconds = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
/// Calls to kube-apiserver, as client-go has them.
inline const std::vector<double> kClientSeconds = {0.005, 0.025, 0.1, 0.25, 0.5, 1,
                                                   2,     4,     8,   15,   30,  60};
/// Body sizes, as client-go has them.
inline const std::vector<double> kBodyBytes = {64,    256,    512,     1024,    4096,    16384,
                                               65536, 262144, 1048576, 4194304, 16777216};
/// Work queues: 10 ns to 1,000 s by powers of ten, as controller-runtime has them.
inline const std::vector<double> kQueueSeconds = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3,
                                                  1e-2, 1e-1, 1,    10,   100,  1000};
/// Reconciles, as controller-runtime has them.
inline const std::vector<double> kReconcileSeconds = {
    0.005, 0.01, 0.025, 0.05, 0.1,  0.15, 0.2,  0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6,
    0.7,   0.8,  0.9,   1,    1.25, 1.5,  1.75, 2,    2.5, 3,    3.5, 4,    4.5, 5,
    6,     7,    8,     9,    10,   15,   20,   25,   30,  40,   50,  60};
/// How long something ready waits for a thread.
inline const std::vector<double> kDelaySeconds = {0.00001, 0.0001, 0.001, 0.005, 0.01, 0.05,
                                                  0.1,     0.5,    1,     5,     10};

}  // namespace podkeeper::telemetry::buckets
