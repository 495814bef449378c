#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/faults/record.h"
#include "tests/integration/faulted.h"

// What an API server can answer, against the whole lower half of a replica: what it serves
// meanwhile, how an operator sees it, and how soon it is in step again.
namespace podkeeper {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

constexpr double kLongestWait = 60;  ///< of the backoff: 30 s, up to twice that by jitter

TEST(UpstreamFaults, AServerThatIsAwayLeavesTheLastStateWhichGrowsOld) {
  Faulted faulted("[]");
  ASSERT_TRUE(faulted.recovery().has_value());
  const auto before = faulted.held();
  faulted.stop_upstream();
  faulted.world.run_for(5min);
  EXPECT_EQ(faulted.held(), before);
  EXPECT_GE(faulted.age(), 290s);
  EXPECT_FALSE(faulted.reflector->watching());
  EXPECT_THAT(faulted.reflector->last_error(), HasSubstr("WATCH pods: "));
  EXPECT_THAT(faulted.metrics.render(), HasSubstr(R"(rest_client_requests_total{code="<error>")"));
  faulted.start_upstream();
  const auto back = faulted.world.clock().now();
  ASSERT_TRUE(faulted.world.run_until([&] { return faulted.reflector->watching(); }, 10min));
  const std::chrono::duration<double> recovery = faulted.world.clock().now() - back;
  EXPECT_LE(recovery.count(), kLongestWait + 1);
  EXPECT_EQ(faulted.relists(), 0);
  const auto key = to_string(faulted.write(1));
  const auto heard = [&] { return faulted.held().at(key) != before.at(key); };
  EXPECT_TRUE(faulted.world.run_until(heard, 10s));
  faults::record({.row = 1,
                  .outcome = "the last state is served and its age told; the watch goes on "
                             "without a LIST after at most one wait",
                  .evidence = "rest_client_requests_total{code=\"<error>\"}; "
                              "podkeeper_store_staleness_seconds; upstream failed, trying again",
                  .recovery = recovery});
}

TEST(UpstreamFaults, AStormOf5xxForAMinuteClearsNothing) {
  Faulted faulted(R"([
    {"when": {"nth": 1, "after": "10s", "for": "60s"}, "do": {"answer": {"status": 500}}},
    {"when": {"after": "10s", "for": "60s"}, "do": {"answer": {"status": 503}}}])");
  ASSERT_TRUE(faulted.recovery().has_value());
  const auto before = faulted.held();
  faulted.world.run_for(10s);
  faulted.cluster->cut_connections();
  faulted.write(1);
  for (int second = 0; second < 59; ++second) {
    faulted.world.run_for(1s);
    ASSERT_EQ(faulted.held(), before);
  }
  EXPECT_GE(faulted.done("answer"), 4);
  faulted.world.run_for(2s);
  const auto recovery = faulted.recovery();
  ASSERT_TRUE(recovery.has_value());
  EXPECT_LE(recovery->count(), kLongestWait + 1);
  EXPECT_EQ(faulted.relists(), 0);
  faults::record({.row = 2,
                  .outcome = "the last state is served; after the storm the watch goes on, and "
                             "nothing is listed again",
                  .evidence = "rest_client_requests_total{code=\"503\"}; "
                              "podkeeper_store_staleness_seconds",
                  .recovery = recovery});
}

TEST(UpstreamFaults, A429OnAListIsWaitedOutAsLongAsItAsks) {
  Faulted faulted(R"([{"when": {"verb": "list", "nth": 1},
    "do": {"answer": {"status": 429, "headers": {"Retry-After": "5"}}}}])");
  const auto recovery = faulted.recovery();
  ASSERT_TRUE(recovery.has_value());
  EXPECT_THAT(recovery->count(), AllOf(Ge(5), Le(5.5)));
  EXPECT_EQ(faulted.lists("error"), 1);
  faults::record({.row = 3,
                  .outcome = "the list comes after 5 s, as Retry-After asked",
                  .evidence = "rest_client_requests_total{code=\"429\"}",
                  .recovery = *recovery - 5s});
}

TEST(UpstreamFaults, AnAnswerThatIsNoListIsRefusedAndAskedForAgain) {
  Faulted faulted(R"([
    {"when": {"verb": "list", "nth": 1}, "do": {"answer": {"status": 200,
      "headers": {"Content-Type": "text/html"}, "body": "<html>Log in</html>"}}},
    {"when": {"verb": "list", "nth": 2}, "do": {"answer": {"status": 200, "body": ""}}},
    {"when": {"verb": "list", "nth": 3}, "do": {"answer": {"status": 200, "body": "x",
      "headers": {"Content-Encoding": "br"}}}},
    {"when": {"verb": "watch", "nth": 1}, "do": {"answer": {"status": 200, "body": "x",
      "headers": {"Content-Encoding": "gzip"}}}},
    {"when": {"verb": "watch", "nth": 2}, "do": {"answer": {"status": 200, "body": "<html>",
      "headers": {"Content-Type": "text/html"}}}},
    {"when": {"verb": "watch", "nth": 3}, "do": {"answer": {"status": 200, "body": ""}}}])");
  EXPECT_TRUE(faulted.world.run_until([&] { return faulted.done("answer") == 3; }, 1min));
  EXPECT_TRUE(faulted.held().empty());
  EXPECT_TRUE(faulted.world.run_until([&] { return faulted.done("answer") == 6; }, 5min));
  const auto recovery = faulted.recovery();
  ASSERT_TRUE(recovery.has_value());
  EXPECT_EQ(faulted.lists("error"), 3);
  EXPECT_GE(faulted.watches("error"), 3);
  faults::record({.row = 15,
                  .outcome =
                      "HTML, nothing and packed bytes are refused, as list and as watch, and "
                      "asked for again after a wait",
                  .evidence = "podkeeper_reflector_lists_total{result=\"error\"}; "
                              "podkeeper_reflector_decode_errors_total; last error in the log",
                  .recovery = recovery});
}

TEST(UpstreamFaults, AListCutAnywhereLeavesTheOldState) {
  // Cut before its first byte, it would be asked for again on another connection at once.
  for (const int after : {1, 20, 150, 400}) {
    Faulted faulted(R"([
      {"when": {"verb": "watch", "nth": 1}, "do": {"insert": {"error": 410}}},
      {"when": {"verb": "list", "nth": 4}, "do": {"cut": )" +
                    std::to_string(after) + "}}]");
    ASSERT_TRUE(faulted.world.run_until([&] { return faulted.done("cut") == 1; }, 1min)) << after;
    EXPECT_EQ(faulted.held().size(), faulted.cluster->cluster().keys(kube::pods(), "").size());
    const auto recovery = faulted.recovery();
    ASSERT_TRUE(recovery.has_value()) << after;
    EXPECT_LE(recovery->count(), 4) << after;
    EXPECT_EQ(faulted.lists("error"), 1) << after;
    faults::record({.row = 8,
                    .outcome = "the old state stays while the cut list is asked for again",
                    .evidence = "podkeeper_reflector_lists_total{result=\"error\"}",
                    .recovery = recovery});
  }
}

TEST(UpstreamFaults, AServerRestoredFromABackupIsBelievedOnceItSaysSoTwice) {
  Faulted faulted(R"([{"when": {"verb": "watch", "nth": 2}, "do": {"restore": true}}])");
  ASSERT_TRUE(faulted.recovery().has_value());
  const auto first = faulted.held();
  for (int i = 0; i < 5; ++i) faulted.write(i);
  ASSERT_TRUE(faulted.recovery().has_value());
  ASSERT_NE(faulted.held(), first);
  faulted.cluster->cut_connections();
  ASSERT_TRUE(faulted.world.run_until([&] { return faulted.done("restore") == 1; }, 10min));
  const auto recovery = faulted.recovery();
  ASSERT_TRUE(recovery.has_value());
  EXPECT_EQ(faulted.held(), first);
  EXPECT_EQ(faulted.mirror.stats().restores, 1);
  faults::record({.row = 18,
                  .outcome = "revisions that went back with a restore lead to LISTs, and the "
                             "second that confirms them is taken",
                  .evidence = "upstream was restored to an older state, which was taken",
                  .recovery = recovery});
}

}  // namespace
}  // namespace podkeeper
