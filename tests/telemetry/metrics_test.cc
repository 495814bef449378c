#include "pkg/telemetry/metrics.h"

#include "pkg/base/panic.h"
#include "pkg/telemetry/metric_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace podkeeper::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string gunzip(const std::string& packed) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string text(1 << 20, '\0');
  std::string input = packed;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

TEST(Metrics, RendersThePrometheusTextFormat) {
  Metrics metrics;
  metrics.counter(kPanics, {"http", "exception"}).Increment(3);
  metrics.gauge(kHttpConnections).Set(7);
  auto& latency = metrics.histogram(kHttpRequestDuration, {"list", "pods", "cluster"});
  latency.Observe(0.0006);
  latency.Observe(100);
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("# HELP podkeeper_panics_total Panics recovered at a handler "
                              "boundary.\n# TYPE podkeeper_panics_total counter\n"
                              "podkeeper_panics_total{handler=\"http\",kind=\"exception\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("\npodkeeper_http_connections 7\n"));
  const std::string bucket =
      "podkeeper_http_request_duration_seconds_bucket{resource=\"pods\","
      "scope=\"cluster\",verb=\"list\",le=";
  EXPECT_THAT(text, HasSubstr(bucket + "\"0.0005\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(bucket + "\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(bucket + "\"+Inf\"} 2\n"));
}

TEST(Metrics, GivesTheSameChildForTheSameValues) {
  Metrics metrics;
  EXPECT_EQ(&metrics.gauge(kTasks, {"http"}), &metrics.gauge(kTasks, {"http"}));
  EXPECT_NE(&metrics.gauge(kTasks, {"http"}), &metrics.gauge(kTasks, {"stream"}));
}

TEST(Metrics, KeepsALabelWhateverBecomesOfTheTextItCameFrom) {
  Metrics metrics;
  std::string kind = "http";
  Gauge& gauge = metrics.gauge(kTasks, {kind});
  kind = "gone";
  gauge.Set(3);
  EXPECT_THAT(metrics.render(), HasSubstr("podkeeper_tasks{kind=\"http\"} 3\n"));
  EXPECT_EQ(&gauge, &metrics.gauge(kTasks, {"http"}));
}

TEST(Metrics, GivesThreadsThatFillItAtStartTheSameChildren) {
  Metrics metrics;
  {
    std::vector<std::jthread> rooms;
    for (int t = 0; t < 4; ++t) {
      rooms.emplace_back([&] {
        for (int i = 0; i < 100; ++i) metrics.gauge(kStoreObjects, {std::to_string(i)}).Increment();
      });
    }
  }
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(metrics.gauge(kStoreObjects, {std::to_string(i)}).Value(), 4);
}

TEST(Metrics, RendersOnlyFamiliesThatAreUsedAndInOrderOfTheirNames) {
  Metrics metrics;
  EXPECT_EQ(metrics.render(), "");
  metrics.gauge(kWorkqueueDepth, {"pods"});
  metrics.gauge(kHealthcheck, {"ping", "livez"});
  const std::string text = metrics.render();
  EXPECT_LT(text.find("kubernetes_healthcheck{"), text.find("workqueue_depth{"));
  EXPECT_THAT(text, Not(HasSubstr("podkeeper_")));
}

TEST(Metrics, RefusesAUseThatDoesNotFitTheDeclaration) {
  Metrics metrics;
  EXPECT_THROW(metrics.counter(kPanics, {"http"}), base::Panic);
  EXPECT_THROW(metrics.counter(kPanics, {"http", "exception", "more"}), base::Panic);
  EXPECT_THROW(metrics.gauge(kPanics, {"http", "exception"}), base::Panic);
  const MetricDesc undeclared{MetricType::kCounter, "podkeeper_other_total", "Not declared."};
  EXPECT_THROW(metrics.counter(undeclared), base::Panic);
}

TEST(Metrics, BoundsTheChildrenOfAFamily) {
  Metrics metrics;
  for (std::size_t i = 0; i < Metrics::kChildrenMax; ++i) {
    metrics.gauge(kStoreObjects, {std::to_string(i)});
  }
  auto& first_beyond = metrics.gauge(kStoreObjects, {"beyond"});
  EXPECT_EQ(&first_beyond, &metrics.gauge(kStoreObjects, {"further"}));
  first_beyond.Set(5);
  EXPECT_THAT(metrics.render(), HasSubstr("podkeeper_store_objects{resource=\"other\"} 5\n"));
  EXPECT_NE(&first_beyond, &metrics.gauge(kStoreObjects, {"7"}));
}

TEST(Metrics, TakesAwayAChildAndCountsAnewWhenItComesBack) {
  Metrics metrics;
  metrics.gauge(kMapEntries, {"pods"}).Set(3);
  metrics.gauge(kMapEntries, {"pods~batch"}).Set(2);
  metrics.remove(kMapEntries, {"pods~batch"});
  metrics.remove(kMapEntries, {"never was"});
  EXPECT_THAT(metrics.render(), HasSubstr("podkeeper_map_entries{partition=\"pods\"} 3"));
  EXPECT_THAT(metrics.render(), testing::Not(HasSubstr("batch")));
  metrics.gauge(kMapEntries, {"pods~batch"}).Increment();
  EXPECT_THAT(metrics.render(), HasSubstr("podkeeper_map_entries{partition=\"pods~batch\"} 1"));
}

TEST(Metrics, EscapesLabelValues) {
  Metrics metrics;
  metrics.gauge(kStoreObjects, {"a\"b\\c\nd"}).Set(1);
  EXPECT_THAT(metrics.render(), HasSubstr(R"({resource="a\"b\\c\nd"} 1)"));
}

TEST(Metrics, RefreshesBeforeEveryScrapeUntilTheHandleIsDropped) {
  Metrics metrics;
  int runs = 0;
  auto handle = metrics.on_scrape([&] { metrics.gauge(kHttpConnections).Set(++runs); });
  EXPECT_THAT(metrics.render(), HasSubstr("podkeeper_http_connections 1\n"));
  EXPECT_THAT(metrics.render(), HasSubstr("podkeeper_http_connections 2\n"));
  handle.reset();
  EXPECT_THAT(metrics.render(), HasSubstr("podkeeper_http_connections 2\n"));
}

TEST(Metrics, LetsGoOfARefreshOnlyWhenItDoesNotRun) {
  Metrics metrics;
  std::thread scraper([&] {
    for (int i = 0; i < 200; ++i) (void)metrics.render();
  });
  for (int i = 0; i < 200; ++i) {
    auto owned = std::make_unique<int>(0);  // a use after its end is a race that the sanitizers see
    auto handle = metrics.on_scrape([&owned] { ++*owned; });
    handle.reset();
  }
  scraper.join();
}

TEST(Metrics, KeepsARefreshUsableAfterOneThatThrows) {
  Metrics metrics;
  auto bad = metrics.on_scrape([] { throw 1; });
  EXPECT_THROW((void)metrics.render(), int);
  bad.reset();
  EXPECT_EQ(metrics.render(), "");
}

TEST(Metrics, PacksTheSameTextAsGzip) {
  Metrics metrics;
  for (int i = 0; i < 100; ++i) metrics.gauge(kStoreObjects, {std::to_string(i)}).Set(i);
  EXPECT_EQ(gunzip(metrics.render_gzip()), metrics.render());
}

TEST(MetricNames, ListsEveryDeclarationOnce) {
  std::stringstream source;
  for (const char* name : {"metric_names.h", "process_metric_names.h", "serving_metric_names.h",
                           "upstream_metric_names.h"}) {
    source << std::ifstream(std::string(PK_SOURCE_DIR "/pkg/telemetry/") + name).rdbuf();
  }
  const std::string text = source.str();
  const std::regex declaration("inline const MetricDesc k");
  const auto declared = std::distance(std::sregex_iterator(text.begin(), text.end(), declaration),
                                      std::sregex_iterator());
  EXPECT_EQ(static_cast<std::size_t>(declared), all_metrics().size());
  std::set<std::string> names;
  for (const MetricDesc* metric : all_metrics()) names.insert(metric->name);
  EXPECT_EQ(names.size(), all_metrics().size());
}

bool ends_with_any(std::string_view name, std::initializer_list<const char*> suffixes) {
  return std::ranges::any_of(suffixes, [&](const char* suffix) { return name.ends_with(suffix); });
}

TEST(MetricNames, FollowTheConventions) {
  const std::regex valid_name("[a-z][a-z0-9_]*");
  const std::set<std::string> reused = {"process",    "rest",   "workqueue", "controller",
                                        "kubernetes", "leader", "podkeeper"};
  for (const MetricDesc* metric : all_metrics()) {
    SCOPED_TRACE(metric->name);
    const std::string name = metric->name;
    EXPECT_TRUE(std::regex_match(name, valid_name));
    EXPECT_TRUE(reused.contains(name.substr(0, name.find('_'))));
    EXPECT_FALSE(std::string_view(metric->help).empty());
    EXPECT_EQ(name.ends_with("_total"), metric->type == MetricType::kCounter);
    EXPECT_FALSE(ends_with_any(name, {"_count", "_sum", "_bucket", "_ms", "_us", "_milliseconds",
                                      "_mib", "_kb", "_minutes", "_gauge", "_histogram"}));
    if (metric->type == MetricType::kHistogram) {
      EXPECT_TRUE(ends_with_any(name, {"_seconds", "_bytes"}));
    }
  }
}

TEST(MetricNames, HaveLabelsAndBucketsThatFit) {
  const std::regex valid_label("[a-z][a-z0-9_]*");
  for (const MetricDesc* metric : all_metrics()) {
    SCOPED_TRACE(metric->name);
    std::set<std::string> labels;
    for (const std::string label : metric->labels) {
      EXPECT_TRUE(std::regex_match(label, valid_label)) << label;
      EXPECT_TRUE(label != "le" && label != "quantile" && !label.starts_with("__"));
      EXPECT_TRUE(labels.insert(label).second) << label << " twice";
    }
    EXPECT_EQ(metric->type == MetricType::kHistogram, !metric->buckets.empty());
    EXPECT_TRUE(std::ranges::adjacent_find(metric->buckets, std::greater_equal<>{}) ==
                metric->buckets.end());
  }
}

}  // namespace
}  // namespace podkeeper::telemetry
