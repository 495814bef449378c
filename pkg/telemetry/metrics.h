#pragma once

#include "pkg/base/lifetime.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::telemetry {

using Counter = prometheus::Counter;
using Gauge = prometheus::Gauge;
using Histogram = prometheus::Histogram;

enum class MetricType { kCounter, kGauge, kHistogram };

/// One metric family, declared once in metric_names.h and nowhere else.
struct MetricDesc {
  MetricType type;
  const char* name;
  const char* help;
  std::vector<const char*> labels = {};
  std::vector<double> buckets = {};  ///< upper bounds, ascending, without +Inf; histograms only
};

/// The process's metrics. Label values come from closed sets and are resolved once, to a reference
/// that stays valid as long as the Metrics; a hot path only touches the reference. Thread-safe.
class Metrics {
 public:
  /// Children of one family. One more is the child whose every label is "other", so that a mistake
  /// in a label's values costs precision and not memory.
  static constexpr std::size_t kChildrenMax = 2'000;
  static constexpr std::size_t kLabelValueBytesMax = 200;  ///< longer values are cut

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// The child of `desc` with these label values, in the order of desc.labels; the same values give
  /// the same child. Slow (a lock and a look-up): call it when a room is set up. PK_CHECKs that the
  /// values fit the labels and that desc is one of all_metrics(), of this type.
  Counter& counter(const MetricDesc& desc,
                   std::initializer_list<std::string_view> values = {}) PK_LIFETIME_BOUND;
  Gauge& gauge(const MetricDesc& desc,
               std::initializer_list<std::string_view> values = {}) PK_LIFETIME_BOUND;
  Histogram& histogram(const MetricDesc& desc,
                       std::initializer_list<std::string_view> values = {}) PK_LIFETIME_BOUND;

  /// Takes the child with these label values away, where there is one: what it told of is gone. The
  /// reference that counter(), gauge() or histogram() gave is dead after this.
  void remove(const MetricDesc& desc, std::initializer_list<std::string_view> values);

  /// Runs before every scrape, in the order of registration, to set gauges that are read rather
  /// than kept; it must not block. Dropping the last copy of the handle removes it: once that
  /// returns, `refresh` does not run and never will again. Not from inside a refresh, and not after
  /// the Metrics.
  [[nodiscard]] std::shared_ptr<void> on_scrape(std::function<void()> refresh);

  /// Prometheus text format 0.0.4, families by name; only families that have a child. What a
  /// refresh throws, this throws.
  [[nodiscard]] std::string render() const;
  /// The same, as one gzip member.
  [[nodiscard]] std::string render_gzip() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Every family, for the reference in docs and for the drift test.
std::span<const MetricDesc* const> all_metrics();

}  // namespace podkeeper::telemetry
