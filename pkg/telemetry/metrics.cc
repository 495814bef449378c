#include "pkg/telemetry/metrics.h"

#include "pkg/base/mutex.h"
#include "pkg/base/panic.h"
#include "pkg/telemetry/metric_names.h"

#include <prometheus/family.h>
#include <prometheus/labels.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <zlib.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

namespace podkeeper::telemetry {
namespace {

using Refresh = std::function<void()>;

/// What runs before a scrape. Apart from the registry, since a handle keeps it.
struct Refreshes {
  /// Held while refreshes run, one scrape at a time: the one lock under which others' code runs, so
  /// that a refresh never runs beside itself and a dropped one has ended.
  base::Mutex scrape;
  base::Mutex mutex;
  std::vector<std::shared_ptr<const Refresh>> list PK_GUARDED_BY(mutex);

  void add(std::shared_ptr<const Refresh> refresh) {
    base::Lock lock(mutex);
    list.push_back(std::move(refresh));
  }
  void remove(const std::shared_ptr<const Refresh>& refresh) {
    {
      base::Lock lock(mutex);
      std::erase(list, refresh);
    }
    base::Lock until_idle(scrape);
  }
  void run_all() {
    base::Lock running(scrape);
    std::vector<std::shared_ptr<const Refresh>> refreshes;
    {
      base::Lock lock(mutex);
      refreshes = list;
    }
    for (const auto& refresh : refreshes) (*refresh)();
  }
};

prometheus::Labels labels_of(const MetricDesc& desc, std::span<const std::string_view> values) {
  prometheus::Labels labels;
  for (std::size_t i = 0; i < values.size(); ++i) {
    labels.emplace(desc.labels[i], values[i].substr(0, Metrics::kLabelValueBytesMax));
  }
  return labels;
}

prometheus::Labels other_labels(const MetricDesc& desc) {
  prometheus::Labels labels;
  for (const char* label : desc.labels) labels.emplace(label, "other");
  return labels;
}

void check_use(const MetricDesc& desc, MetricType type, std::size_t values) {
  PK_CHECK(std::ranges::find(all_metrics(), &desc) != all_metrics().end(),
           std::string("metric ") + desc.name + " is not declared in metric_names.h");
  PK_CHECK(desc.type == type, std::string("metric ") + desc.name + " is of another type");
  PK_CHECK(desc.labels.size() == values, std::string("metric ") + desc.name + " has " +
                                             std::to_string(desc.labels.size()) + " labels, got " +
                                             std::to_string(values));
}

/// One family of the registry and the label sets it has, so that their number stays bounded.
template <class T>
struct BoundedFamily {
  prometheus::Family<T>* family = nullptr;
  std::set<prometheus::Labels> children;
};

std::string gzip(std::string_view text) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;
  PK_CHECK(
      deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK,
      "zlib did not start");
  std::string packed(deflateBound(&stream, text.size()), '\0');
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): zlib reads it only.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int ended = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  PK_CHECK(ended == Z_STREAM_END, "zlib did not finish");
  return packed;
}

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  std::shared_ptr<Refreshes> refreshes = std::make_shared<Refreshes>();

  base::Mutex mutex;
  std::map<const MetricDesc*, BoundedFamily<Counter>> counters PK_GUARDED_BY(mutex);
  std::map<const MetricDesc*, BoundedFamily<Gauge>> gauges PK_GUARDED_BY(mutex);
  std::map<const MetricDesc*, BoundedFamily<Histogram>> histograms PK_GUARDED_BY(mutex);

  /// Finds or makes the child. `build` makes the family, `args` a new child.
  template <class T, class Build, class... Args>
  T& child(std::map<const MetricDesc*, BoundedFamily<T>>& families, Build build,
           const MetricDesc& desc, std::span<const std::string_view> values, const Args&... args)
      PK_REQUIRES(mutex) {
    BoundedFamily<T>& bounded = families[&desc];
    if (bounded.family == nullptr) {
      bounded.family = &build().Name(desc.name).Help(desc.help).Register(registry);
    }
    auto labels = labels_of(desc, values);
    if (!bounded.children.contains(labels)) {
      if (bounded.children.size() >= kChildrenMax) labels = other_labels(desc);
      bounded.children.insert(labels);
    }
    return bounded.family->Add(labels, args...);
  }

  template <class T>
  void remove(std::map<const MetricDesc*, BoundedFamily<T>>& families, const MetricDesc& desc,
              std::span<const std::string_view> values) PK_REQUIRES(mutex) {
    const auto found = families.find(&desc);
    if (found == families.end()) return;
    BoundedFamily<T>& bounded = found->second;
    const auto labels = labels_of(desc, values);
    if (bounded.children.erase(labels) == 0) return;
    // Add() of the same labels gives the child that is there; only its pointer takes it away.
    if constexpr (std::is_same_v<T, Histogram>) {
      bounded.family->Remove(&bounded.family->Add(labels, desc.buckets));
    } else {
      bounded.family->Remove(&bounded.family->Add(labels));
    }
  }
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(const MetricDesc& desc, std::initializer_list<std::string_view> values) {
  check_use(desc, MetricType::kCounter, values.size());
  base::Lock lock(state_->mutex);
  return state_->child(state_->counters, prometheus::BuildCounter, desc, values);
}

Gauge& Metrics::gauge(const MetricDesc& desc, std::initializer_list<std::string_view> values) {
  check_use(desc, MetricType::kGauge, values.size());
  base::Lock lock(state_->mutex);
  return state_->child(state_->gauges, prometheus::BuildGauge, desc, values);
}

Histogram& Metrics::histogram(const MetricDesc& desc,
                              std::initializer_list<std::string_view> values) {
  check_use(desc, MetricType::kHistogram, values.size());
  base::Lock lock(state_->mutex);
  return state_->child(state_->histograms, prometheus::BuildHistogram, desc, values, desc.buckets);
}

void Metrics::remove(const MetricDesc& desc, std::initializer_list<std::string_view> values) {
  check_use(desc, desc.type, values.size());
  base::Lock lock(state_->mutex);
  state_->remove(state_->counters, desc, values);
  state_->remove(state_->gauges, desc, values);
  state_->remove(state_->histograms, desc, values);
}

std::shared_ptr<void> Metrics::on_scrape(std::function<void()> refresh) {
  PK_CHECK(refresh != nullptr, "a refresh must be callable");
  auto entry = std::make_shared<const Refresh>(std::move(refresh));
  state_->refreshes->add(entry);
  return {nullptr,
          [refreshes = state_->refreshes, entry](std::nullptr_t) { refreshes->remove(entry); }};
}

std::string Metrics::render() const {
  state_->refreshes->run_all();
  auto families = state_->registry.Collect();
  std::erase_if(families, [](const prometheus::MetricFamily& f) { return f.metric.empty(); });
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return std::move(text).str();
}

std::string Metrics::render_gzip() const { return gzip(render()); }

std::span<const MetricDesc* const> all_metrics() { return kAllMetrics; }

}  // namespace podkeeper::telemetry
