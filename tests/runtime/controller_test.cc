#include "pkg/runtime/controller.h"

#include "pkg/base/panic.h"
#include "pkg/recovery/panic_report.h"
#include "pkg/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/faults/record.h"
#include "tests/runtime/harness.h"

namespace podkeeper::runtime {
namespace {

using namespace std::chrono_literals;
using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;
using testing::ElementsAre;
using testing::HasSubstr;

/// A controller whose reconciles do what `behave` says; it notes when each came.
struct Bench {
  using Behave = std::function<Result<Outcome>(const std::string& key, std::size_t attempt)>;
  explicit Bench(Behave b, ControllerOptions options = {.name = "pods"})
      : behave(std::move(b)), controller(h.world, with_metrics(options), [this](std::string key) {
          return reconcile(std::move(key));
        }) {
    EXPECT_TRUE(controller.start(h.group).has_value());
  }
  ~Bench() {
    h.group.stop();
    h.world.run();
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ControllerOptions with_metrics(ControllerOptions options) {
    options.metrics = &metrics;
    return options;
  }
  Task<Result<Outcome>> reconcile(std::string key) {
    times[key].push_back(h.now() - start);
    co_return behave(key, times[key].size());
  }
  void runs(const std::string& line) { EXPECT_THAT(metrics.render(), HasSubstr(line)); }

  Harness h;
  telemetry::Metrics metrics;
  Behave behave;
  std::map<std::string, std::vector<base::Duration>> times;
  base::MonotonicTime start = h.now();
  Controller controller;
};

TEST(Controller, TriesATransientErrorAgainWithBackoffUntilItGoesWell) {
  Bench bench([](const std::string&, std::size_t attempt) -> Result<Outcome> {
    if (attempt < 4) return Error{ErrorCode::kUnavailable, "the peer is away"};
    return Outcome{};
  });
  bench.controller.enqueue("a");
  bench.h.world.run();
  EXPECT_THAT(bench.times["a"], ElementsAre(0ms, 5ms, 15ms, 35ms));
  EXPECT_EQ(bench.controller.queue().failures("a"), 0u);
  bench.runs("controller_runtime_reconcile_total{controller=\"pods\",result=\"error\"} 3\n");
  bench.runs("controller_runtime_reconcile_total{controller=\"pods\",result=\"success\"} 1\n");
  bench.runs("controller_runtime_reconcile_errors_total{controller=\"pods\"} 3\n");
  bench.runs("controller_runtime_active_workers{controller=\"pods\"} 0\n");
}

TEST(Controller, WaitsAsLongAsThePeerAsked) {
  Bench bench([](const std::string&, std::size_t attempt) -> Result<Outcome> {
    if (attempt == 1) return Error{ErrorCode::kTooManyRequests, "slow down", 7s};
    return Outcome{};
  });
  bench.controller.enqueue("a");
  bench.h.world.run();
  EXPECT_THAT(bench.times["a"], ElementsAre(0s, 7s));
}

TEST(Controller, ADomainErrorIsTriedAgainTooForItsCauseMayBeCorrected) {
  Bench bench([](const std::string&, std::size_t attempt) -> Result<Outcome> {
    if (attempt == 1) return Error{ErrorCode::kUnprocessable, "spec.replicas: not a number"};
    return Outcome{};
  });
  bench.controller.enqueue("a");
  bench.h.world.run();
  EXPECT_THAT(bench.times["a"], ElementsAre(0ms, 5ms));
  bench.runs("controller_runtime_reconcile_errors_total{controller=\"pods\"} 1\n");
  bench.runs("controller_runtime_reconcile_panics_total{controller=\"pods\"} 0\n");
}

TEST(Controller, RequeuesWhenTheOutcomeAsksForIt) {
  Bench bench([](const std::string&, std::size_t attempt) -> Result<Outcome> {
    if (attempt == 1) return Outcome{.requeue_after = 10s};
    if (attempt == 2) return Outcome{.requeue = true};
    return Outcome{};
  });
  bench.controller.enqueue("a");
  bench.h.world.run();
  EXPECT_THAT(bench.times["a"], ElementsAre(0ms, 10s, 10s + 5ms));
  bench.runs("{controller=\"pods\",result=\"requeue_after\"} 1\n");
  bench.runs("{controller=\"pods\",result=\"requeue\"} 1\n");
}

TEST(Controller, QuarantinesAKeyThatPanicsAgainAndAgainAndNoOther) {
  Bench bench([](const std::string& key, std::size_t) -> Result<Outcome> {
    if (key == "bad") throw std::runtime_error("a bug");
    return Outcome{};
  });
  const auto panics = recovery::PanicRecorder::instance().total();
  bench.controller.enqueue("bad");
  bench.h.world.run_for(1min);
  EXPECT_THAT(bench.times["bad"], ElementsAre(0ms, 5ms, 15ms, 35ms, 75ms));
  EXPECT_THAT(bench.controller.quarantined(), ElementsAre("bad"));
  bench.controller.enqueue("bad");  // an event does not break the quarantine
  bench.controller.enqueue("good");
  bench.h.world.run_for(8min);
  EXPECT_EQ(bench.times["bad"].size(), 5u);
  EXPECT_EQ(bench.times["good"].size(), 1u);
  bench.h.world.run_for(12min);  // its end gives one try, and a new quarantine
  EXPECT_EQ(bench.times["bad"].size(), 7u);
  EXPECT_EQ(bench.times["bad"][5], 10min + 75ms);
  EXPECT_EQ(recovery::PanicRecorder::instance().total(), panics + 7);
  bench.runs("controller_runtime_reconcile_panics_total{controller=\"pods\"} 7\n");
  faults::record(
      {.row = 44,
       .outcome =
           "five tries with backoff, then 10 minutes of quarantine; other keys are not held up",
       .evidence = "controller_runtime_reconcile_panics_total",
       .recovery = {}});
}

TEST(Controller, ASuccessForgivesEarlierPanics) {
  Bench bench([](const std::string&, std::size_t attempt) -> Result<Outcome> {
    if (attempt % 5 != 0) PK_CHECK(false, "a bug in four of five");
    return attempt == 20 ? Outcome{} : Outcome{.requeue_after = 1s};
  });
  bench.controller.enqueue("a");
  bench.h.world.run_for(1h);
  EXPECT_EQ(bench.times["a"].size(), 20u);
  EXPECT_THAT(bench.controller.quarantined(), ElementsAre());
}

TEST(Controller, CountsAPanicThatWasRecordedFurtherInAsOne) {
  Bench bench([](const std::string&, std::size_t attempt) -> Result<Outcome> {
    if (attempt == 1) return Error{ErrorCode::kInternal, "see the panic report"};
    return Outcome{};
  });
  bench.controller.enqueue("a");
  bench.h.world.run();
  bench.runs("controller_runtime_reconcile_panics_total{controller=\"pods\"} 1\n");
}

TEST(Controller, WorksOnSeveralKeysAtOnceAndNeverTwiceOnOne) {
  Harness h;
  std::map<std::string, int> in_work;
  std::size_t most = 0;
  std::size_t runs = 0;
  auto reconcile = [&](std::string key) -> Task<Result<Outcome>> {
    EXPECT_EQ(in_work[key]++, 0);
    std::size_t now = 0;
    for (const auto& [k, count] : in_work) now += static_cast<std::size_t>(count);
    most = std::max(most, now);
    auto sleep = h.pause(1s);
    co_await std::move(sleep);
    --in_work[key];
    ++runs;
    co_return Outcome{};
  };
  Controller controller(h.world, {.name = "pods", .workers = 3}, reconcile);
  ASSERT_TRUE(controller.start(h.group).has_value());
  for (int i = 0; i < 40; ++i) controller.enqueue(std::to_string(i % 4));
  h.world.run_for(500ms);
  for (int i = 0; i < 4; ++i) controller.enqueue(std::to_string(i));
  controller.shut_down();
  h.world.run();
  EXPECT_EQ(most, 3u);
  EXPECT_EQ(runs, 7u) << "four keys, of which three were added again while in work";
  EXPECT_EQ(h.group.size(), 0u);
}

TEST(Controller, AStopInTheMiddleOfAReconcileEndsTheWorkersAndIsNoPanic) {
  const auto panics = recovery::PanicRecorder::instance().total();
  Harness h;
  auto reconcile = [&](std::string) -> Task<Result<Outcome>> {
    auto sleep = h.pause(1h);
    co_await std::move(sleep);
    co_return Outcome{};
  };
  Controller controller(h.world, {.name = "pods", .workers = 2}, reconcile);
  ASSERT_TRUE(controller.start(h.group).has_value());
  for (const char* key : {"a", "b", "c"}) controller.enqueue(key);
  h.world.run_for(1min);
  h.group.stop();
  h.world.run_for(1min);
  EXPECT_EQ(h.group.size(), 0u);
  EXPECT_EQ(controller.queue().in_work(), 0u);
  EXPECT_EQ(recovery::PanicRecorder::instance().total(), panics);
}

}  // namespace
}  // namespace podkeeper::runtime
