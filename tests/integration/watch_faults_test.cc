#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/faults/record.h"
#include "tests/integration/faulted.h"

// What can befall a watch, against the whole lower half of a replica.
namespace podkeeper {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

simkube::SimKubeOptions busy(base::Duration cut_every) {
  auto options = Faulted::quiet();
  options.churn = 20;
  options.cut_every = cut_every;
  options.churn_for = 20s;
  return options;
}

TEST(WatchFaults, CutsLoseDoubleAndReorderNothing) {
  for (const base::Duration every : {50ms, 200ms, 1000ms, 5000ms}) {
    Faulted faulted("[]", busy(every));
    faulted.world.run_for(21s);
    const auto recovery = faulted.recovery();
    ASSERT_TRUE(recovery.has_value()) << every.count();
    EXPECT_EQ(faulted.mirror.stats().disorders, 0) << every.count();
    EXPECT_EQ(faulted.mirror.stats().stale_events, 0) << every.count();
    EXPECT_EQ(faulted.events("STALE_EVENT"), 0) << every.count();
    EXPECT_EQ(faulted.relists(), 0) << every.count();
    faults::record({.row = 17,
                    .outcome = "resumed each time without a LIST; no event is lost, doubled or "
                               "out of order",
                    .evidence = "podkeeper_reflector_watches_total{result=\"error\"}; watch "
                                "broke, going on",
                    .recovery = recovery});
  }
}

TEST(WatchFaults, ACutAtEachByteOfAWatchLosesNothing) {
  for (int after = 0; after < 900; after += 41) {
    Faulted faulted(R"([{"when": {"verb": "watch", "nth": 1}, "do": {"cut": )" +
                    std::to_string(after) + "}}]");
    faulted.world.run_for(1s);
    faulted.write(after);
    const auto recovery = faulted.recovery();
    ASSERT_TRUE(recovery.has_value()) << after;
    EXPECT_EQ(faulted.relists(), 0) << after;
    faults::record({.row = 17,
                    .outcome = "cut within head, chunk size, line or between: resumed from the "
                               "last revision",
                    .evidence = "podkeeper_reflector_watches_total{result=\"error\"}",
                    .recovery = recovery});
  }
}

TEST(WatchFaults, A410ListsAgainAndDeletesOnceWhatWentMeanwhile) {
  for (const std::string what :
       {R"({"answer": {"status": 410}})", R"({"insert": {"error": 410}})"}) {
    Faulted faulted(R"([{"when": {"verb": "watch", "nth": 1}, "do": {"cut": 0}},
      {"when": {"verb": "watch", "nth": 2}, "do": )" +
                    what + "}]");
    faulted.world.run_for(100ms);
    auto& pods = faulted.cluster->cluster();
    const auto key = pods.keys(kube::pods(), "").at(0);
    ASSERT_TRUE(pods.forget(kube::pods(), key, ""));
    const auto recovery = faulted.recovery();
    ASSERT_TRUE(recovery.has_value()) << what;
    EXPECT_FALSE(faulted.held().contains(to_string(key)));
    EXPECT_LE(faulted.relists(), 1) << what;
    EXPECT_EQ(faulted.watches("expired"), 1) << what;
    faults::record({.row = 18,
                    .outcome = "listed again; what was deleted meanwhile is gone, once",
                    .evidence = "podkeeper_reflector_watches_total{result=\"expired\"}; "
                                "podkeeper_reflector_relists_total",
                    .recovery = recovery});
  }
}

TEST(WatchFaults, AHalfOpenConnectionIsNoticedWithinNinetySeconds) {
  for (const int after : {0, 50, 2000}) {
    Faulted faulted(R"([{"when": {"verb": "watch", "nth": 1}, "do": {"halfOpen": )" +
                    std::to_string(after) + "}}]");
    faulted.world.run_for(1s);
    for (int i = 0; i < 20; ++i) faulted.write(i);
    faulted.world.run_for(1s);
    ASSERT_FALSE(faulted.equal()) << after;
    const auto recovery = faulted.recovery();
    ASSERT_TRUE(recovery.has_value()) << after;
    EXPECT_LE(recovery->count(), 95) << after;
    EXPECT_EQ(faulted.relists(), 0) << after;
    faults::record({.row = 21,
                    .outcome = "no byte for 90 s: the watch is begun anew and misses nothing",
                    .evidence = "podkeeper_reflector_watches_total{result=\"error\"}; no byte "
                                "for 90 s",
                    .recovery = recovery});
  }
}

TEST(WatchFaults, DoubledStaleAndUnknownEventsChangeNothing) {
  const std::string ghost =
      R"(\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"ghost\",)"
      R"(\"namespace\":\"shop\",\"uid\":\"u\",\"resourceVersion\":\"2\"},\"spec\":{},)"
      R"(\"status\":{}}})";
  const auto line = [&](const std::string& type) {
    return R"({"do": {"insert": {"after": 1, "line": "{\"type\":\")" + type + R"(\",)" + ghost +
           R"("}}, "when": {"verb": "watch"}})";
  };
  Faulted faulted(R"([{"when": {"verb": "watch"}, "do": {"repeat": 1}},)" + line("MODIFIED") + "," +
                  line("DELETED") + "," + line("ADDED") + "]");
  ASSERT_TRUE(faulted.recovery().has_value());
  faulted.write(1);
  faulted.write(2);
  const auto recovery = faulted.recovery();
  ASSERT_TRUE(recovery.has_value());
  faulted.world.run_for(5s);
  EXPECT_TRUE(faulted.equal());
  EXPECT_EQ(faulted.events("STALE_EVENT"), 4);
  EXPECT_EQ(faulted.relists(), 0);
  EXPECT_EQ(faulted.watches("error"), 0);
  faults::record({.row = 23,
                  .outcome = "a doubled event, and events of an object that is not there, of an "
                             "old revision, change nothing",
                  .evidence = "podkeeper_reflector_events_total{type=\"STALE_EVENT\"}",
                  .recovery = recovery});
}

TEST(WatchFaults, ADeletionThatWasLostShowsWhenTheNameComesBackAsAnother) {
  Faulted faulted(R"([{"when": {"verb": "watch", "resource": "pods"}, "do": {"drop": 1}}])");
  ASSERT_TRUE(faulted.recovery().has_value());
  auto& cluster = faulted.cluster->cluster();
  const auto key = cluster.keys(kube::pods(), "").at(0);
  auto again = *cluster.find(kube::pods(), key);
  const auto old_uid = again["metadata"]["uid"].get<std::string>();
  ASSERT_TRUE(cluster.forget(kube::pods(), key, ""));
  faulted.world.run_for(1s);
  ASSERT_TRUE(faulted.held().contains(to_string(key))) << "its DELETED was lost";
  again["metadata"] = {{"name", key.name}, {"namespace", key.namespace_}};
  again.erase("status");
  const auto made = cluster.create(kube::pods(), key.namespace_, again, {});
  ASSERT_TRUE(made.has_value()) << made.error().message;
  const auto recovery = faulted.recovery();
  ASSERT_TRUE(recovery.has_value());
  EXPECT_THAT(faulted.held().at(to_string(key)), ::testing::Not(HasSubstr(old_uid)));
  EXPECT_EQ(faulted.done("drop"), 1);
  faults::record({.row = 23,
                  .outcome = "the same name with another uid replaces the one whose end was lost",
                  .evidence = "podkeeper_reflector_events_total{type=\"ADDED\"}",
                  .recovery = recovery});
}

TEST(WatchFaults, ALineOfSixteenMebibytesIsGivenUp) {
  Faulted faulted(
      R"([{"when": {"verb": "watch", "nth": 1}, "do": {"insert": {"bytes": 17825792}}}])");
  ASSERT_TRUE(faulted.world.run_until([&] { return faulted.watches("error") == 1; }, 10min));
  EXPECT_THAT(faulted.reflector->last_error(), HasSubstr("a line is longer than 16777216 bytes"));
  faulted.write(1);
  const auto recovery = faulted.recovery();
  ASSERT_TRUE(recovery.has_value());
  EXPECT_LE(recovery->count(), 3);
  faults::record({.row = 25,
                  .outcome = "given up at 16 MiB, and begun anew after the first wait",
                  .evidence = "podkeeper_reflector_watches_total{result=\"error\"}; a line is "
                              "longer than 16777216 bytes",
                  .recovery = recovery});
}

TEST(WatchFaults, HugeTrailersAndChunkExtensionsAreErrorsAndNoMore) {
  for (const std::string what : {R"({"trailer": 70000})", R"({"chunkExtension": 100000})"}) {
    Faulted faulted(R"([{"when": {"verb": "watch", "nth": 1}, "do": )" + what + "}]");
    faulted.write(1);
    ASSERT_TRUE(faulted.world.run_until([&] { return faulted.watches("error") == 1; }, 1min));
    EXPECT_THAT(faulted.reflector->last_error(), HasSubstr("chunk header or trailer"));
    const auto recovery = faulted.recovery();
    ASSERT_TRUE(recovery.has_value()) << what;
    EXPECT_LE(recovery->count(), 3) << what;
    faults::record({.row = 27,
                    .outcome = "a protocol error; the watch is begun anew after the first wait",
                    .evidence = "podkeeper_reflector_watches_total{result=\"error\"}; chunked "
                                "body: malformed or oversized chunk header or trailer",
                    .recovery = recovery});
  }
}

TEST(WatchFaults, AnUnknownStatusIsToldAndListedAgainAfterAWait) {
  Faulted faulted(R"([{"when": {"verb": "watch", "nth": 1}, "do": {"insert": {"error": 599}}}])");
  ASSERT_TRUE(faulted.world.run_until([&] { return faulted.watches("error") == 1; }, 1min));
  EXPECT_THAT(faulted.reflector->last_error(), HasSubstr("by the fault script"));
  const auto recovery = faulted.recovery();
  ASSERT_TRUE(recovery.has_value());
  EXPECT_LE(recovery->count(), 3);
  EXPECT_EQ(faulted.relists(), 1);
  faults::record({.row = 29,
                  .outcome = "its message is told, and the state listed again after the first wait",
                  .evidence = "podkeeper_reflector_events_total{type=\"ERROR\"}; upstream failed, "
                              "trying again",
                  .recovery = recovery});
}

TEST(WatchFaults, ABookmarkThatGoesBackIsIgnored) {
  const std::string bookmark =
      R"({\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",)"
      R"(\"metadata\":{\"resourceVersion\":\"3\"}}})";
  Faulted faulted(R"([{"when": {"verb": "watch", "nth": 1}, "do": {"insert": {"line": ")" +
                  bookmark +
                  R"("}}}, {"when": {"verb": "watch", "nth": 2}, "do": {"delay": "5s"}}])");
  ASSERT_TRUE(faulted.recovery().has_value());
  EXPECT_TRUE(faulted.world.run_until([&] { return faulted.events("STALE_BOOKMARK") == 1; }, 10s));
  faulted.cluster->cut_connections();
  faulted.write(1);
  const auto recovery = faulted.recovery();
  ASSERT_TRUE(recovery.has_value());
  EXPECT_EQ(faulted.events("STALE_EVENT"), 0);
  EXPECT_EQ(faulted.relists(), 0);
  faults::record({.row = 23,
                  .outcome = "a bookmark that goes back is ignored; the watch resumes from the "
                             "newest revision",
                  .evidence = "podkeeper_reflector_events_total{type=\"STALE_BOOKMARK\"}; bookmark "
                              "goes back, ignored",
                  .recovery = recovery});
}

}  // namespace
}  // namespace podkeeper
