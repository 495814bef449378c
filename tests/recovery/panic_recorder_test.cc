#include "pkg/base/panic.h"
#include "pkg/recovery/guard.h"
#include "pkg/recovery/panic_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <source_location>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace podkeeper::recovery {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ManualClock final : public base::Clock {
 public:
  [[nodiscard]] base::MonotonicTime now() const override { return time; }
  [[nodiscard]] base::WallTime wall_now() const override {
    return base::WallTime(1'700'000'000s) + time.time_since_epoch();
  }
  TimerId call_at(base::MonotonicTime, base::Executor, Callback) override { return 0; }
  bool cancel(TimerId) override { return false; }
  base::MonotonicTime time{1h};
};

/// The process's recorder with a clock that the test moves.
class PanicRecorderTest : public testing::Test {
 protected:
  PanicRecorderTest() { recorder.set_clock(&clock); }
  ~PanicRecorderTest() override { recorder.set_clock(nullptr); }

  static base::TraceContext trace(std::uint8_t n) { return {.trace_id = {n}, .span_id = {1}}; }
  static std::string trace_id(const char* first_byte) {
    return std::string(first_byte) + std::string(30, '0');
  }
  PanicReport recorded() {
    recorder.record({});
    return recorder.last().front();
  }

  ManualClock clock;
  PanicRecorder& recorder = PanicRecorder::instance();
};

TEST_F(PanicRecorderTest, KeepsTheLastReportsNewestFirst) {
  const auto before = recorder.total();
  for (std::size_t i = 0; i < PanicRecorder::kReportsMax + 10; ++i) recorder.record({});
  const auto reports = recorder.last();
  ASSERT_THAT(reports, SizeIs(PanicRecorder::kReportsMax));
  EXPECT_EQ(recorder.total(), before + PanicRecorder::kReportsMax + 10);
  EXPECT_EQ(reports.front().id, recorder.total());
  EXPECT_EQ(reports.back().id, recorder.total() - PanicRecorder::kReportsMax + 1);
}

TEST_F(PanicRecorderTest, GivesReportsTheirTime) {
  EXPECT_EQ(recorded().when, clock.wall_now());
  recorder.set_clock(nullptr);
  EXPECT_EQ(recorded().when, base::WallTime{});
}

TEST_F(PanicRecorderTest, TellsTheTracesOfTheLastThreeSeconds) {
  clock.time += 10s;
  recorder.note_trace(trace(1));
  clock.time += 2s;
  recorder.note_trace(trace(2));
  recorder.note_trace(trace(3));
  recorder.note_trace(trace(2));
  EXPECT_THAT(recorded().active_traces,
              ElementsAre(trace_id("02"), trace_id("03"), trace_id("01")));
  clock.time += 1500ms;
  EXPECT_THAT(recorded().active_traces, ElementsAre(trace_id("02"), trace_id("03")));
  clock.time += 1600ms;
  EXPECT_THAT(recorded().active_traces, IsEmpty());
}

TEST_F(PanicRecorderTest, BoundsTheTracesOfAReport) {
  clock.time += 10s;
  for (int i = 0; i < 1'000; ++i)
    recorder.note_trace(trace(static_cast<std::uint8_t>(i % 100 + 1)));
  EXPECT_THAT(recorded().active_traces, SizeIs(PanicRecorder::kActiveTracesMax));
}

TEST_F(PanicRecorderTest, HandsEveryReportToEverySinkUntilItIsRemoved) {
  std::vector<std::uint64_t> first;
  int second = 0;
  const auto a = recorder.add_sink([&](const PanicReport& report) { first.push_back(report.id); });
  const auto b = recorder.add_sink([&](const PanicReport&) { ++second; });
  const auto id = recorder.record({});
  recorder.remove_sink(a);
  recorder.record({});
  recorder.remove_sink(b);
  recorder.remove_sink(b);
  recorder.record({});
  EXPECT_THAT(first, ElementsAre(id));
  EXPECT_EQ(second, 2);
}

TEST_F(PanicRecorderTest, OutlivesASinkThatThrowsOrPanicsAgain) {
  int called = 0;
  const auto bad = recorder.add_sink([](const PanicReport&) { throw std::runtime_error("sink"); });
  const auto good = recorder.add_sink([&](const PanicReport&) { ++called; });
  EXPECT_EQ(guard(base::Handler::kHttp, [] { throw 1; }).error().code, base::ErrorCode::kInternal);
  recorder.remove_sink(bad);
  recorder.remove_sink(good);
  EXPECT_EQ(called, 1);
}

TEST_F(PanicRecorderTest, HasALimitedNumberOfSinks) {
  std::vector<std::uint64_t> ids;
  for (std::size_t i = 0; i < PanicRecorder::kSinksMax; ++i) {
    ids.push_back(recorder.add_sink([](const PanicReport&) {}));
  }
  EXPECT_THROW(recorder.add_sink([](const PanicReport&) {}), base::Panic);
  EXPECT_THROW(recorder.add_sink(nullptr), base::Panic);
  for (const auto id : ids) recorder.remove_sink(id);
}

TEST_F(PanicRecorderTest, AsksForTheMapsAuditBeforeItTellsTheSinks) {
  std::vector<std::string> told;
  const auto sink = recorder.add_sink([&](const PanicReport& r) { told = r.map_audit; });
  recorder.set_map_audit([](const PanicReport& report) {
    EXPECT_NE(std::current_exception(), nullptr) << "the panic is still being handled";
    return std::vector<std::string>{"of " + report.message, std::string(10'000, 'x')};
  });
  (void)guard(base::Handler::kEvent, [] { throw std::runtime_error("a"); });
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told[0], "of a");
  EXPECT_EQ(told[1].size(), PanicReport::kMapAuditLineBytesMax + 3);
  recorder.set_map_audit([](const PanicReport&) { return std::vector<std::string>(1000, "l"); });
  EXPECT_THAT(recorded().map_audit, SizeIs(PanicReport::kMapAuditLinesMax));
  recorder.set_map_audit(
      [](const PanicReport&) -> std::vector<std::string> { throw std::runtime_error("b"); });
  EXPECT_THAT(recorded().map_audit, IsEmpty());
  recorder.set_map_audit(nullptr);
  EXPECT_THAT(recorded().map_audit, IsEmpty());
  recorder.remove_sink(sink);
}

TEST_F(PanicRecorderTest, NamesBothPartiesOfAMisuse) {
  const auto task = base::make_ref<base::TaskContext>(
      std::uint64_t{7}, std::uint64_t{1}, std::string("sweeper"), base::Handler::kTimer,
      base::MonotonicTime{}, std::source_location::current());
  const base::TaskScope scope(task.get());
  (void)guard(base::Handler::kTimer, [] {
    throw base::Misuse("two writers in one shard",
                       base::misuse_by_current_task("erase", nullptr, "a.cc:1"),
                       base::MisuseParty{.doing = "put",
                                         .task_id = 3,
                                         .task_name = "worker",
                                         .created_by = "b.cc:2",
                                         .call_site = "c.cc:3"});
  });
  const PanicReport report = recorder.last().front();
  EXPECT_EQ(report.kind, base::PanicKind::kMisuse);
  ASSERT_THAT(report.parties, SizeIs(2));
  EXPECT_EQ(report.parties[0].task_name, "sweeper");
  EXPECT_NE(report.parties[0].created_by.find("panic_recorder_test.cc:"), std::string::npos);
  EXPECT_EQ(report.parties[1].task_id, 3U);
  EXPECT_TRUE(report.message.starts_with("two writers in one shard: erase of task sweeper#7 ("))
      << report.message;
  EXPECT_TRUE(
      report.message.ends_with("at a.cc:1 met put of task worker#3 (created by b.cc:2) at c.cc:3"))
      << report.message;
}

TEST_F(PanicRecorderTest, LosesNoPanicOfManyThreadsWhileSinksComeAndGo) {
  std::atomic<std::uint64_t> seen{0};
  const auto before = recorder.total();
  const auto id = recorder.add_sink([&](const PanicReport&) { ++seen; });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 250; ++i) {
        recorder.note_trace(trace(7));
        (void)guard(base::Handler::kEvent, [] { throw std::runtime_error("storm"); });
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    const auto gone = std::make_unique<std::atomic<int>>(0);  // its use after removal is a fault
    const auto passing = recorder.add_sink([&](const PanicReport&) { ++*gone; });
    recorder.remove_sink(passing);
  }
  for (auto& thread : threads) thread.join();
  recorder.remove_sink(id);
  EXPECT_EQ(recorder.total(), before + 1'000);
  EXPECT_EQ(seen, 1'000U);
}

}  // namespace
}  // namespace podkeeper::recovery
