#include "pkg/kube/reflector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/kube/scripted_upstream.h"

// The reflector on its good days: what it asks, and what its sink is told.
namespace podkeeper::kube {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::bookmark_line;
using ::testing::ElementsAre;
using testing::event_line;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using testing::list_step;
using testing::pod_json;
using testing::Reflecting;
using ::testing::StartsWith;
using testing::Step;
using testing::watch_step;

TEST(Reflector, ListsPageByPageAndWatchesFromTheListsRevision) {
  Reflecting test({list_step(9, {pod_json("a", 3)}, "to/k+n"), list_step(9, {pod_json("b", 4)}),
                   watch_step({})});
  ASSERT_TRUE(test.until_asked(3));
  const auto& asked = test.upstream.asked();
  EXPECT_EQ(asked[0].target, "/api/v1/pods?limit=500");
  EXPECT_EQ(asked[1].target, "/api/v1/pods?limit=500&continue=to%2Fk%2Bn");
  EXPECT_THAT(asked[2].target, StartsWith("/api/v1/pods?watch=true&allowWatchBookmarks=true"
                                          "&resourceVersion=9&timeoutSeconds="));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9: shop/a@3 shop/b@4"));
}

TEST(Reflector, AsksForATimeOutBetweenFiveAndTenMinutes) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Reflecting test({list_step(9, {}), watch_step({})}, seed);
    ASSERT_TRUE(test.until_asked(2));
    const std::string& target = test.upstream.asked()[1].target;
    const int seconds = std::stoi(target.substr(target.rfind('=') + 1));
    EXPECT_THAT(seconds, AllOf(Ge(300), Le(599)));
  }
}

TEST(Reflector, TellsEventsAndBookmarksInOrder) {
  Reflecting test({list_step(9, {pod_json("a", 3)}),
                   watch_step({event_line("ADDED", pod_json("b", 10)),
                               event_line("MODIFIED", pod_json("a", 11)), bookmark_line(15),
                               event_line("DELETED", pod_json("b", 16))})});
  ASSERT_TRUE(test.until_noted(5));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9: shop/a@3", "ADDED shop/b@10",
                                           "MODIFIED shop/a@11", "at 15", "DELETED shop/b@16"));
  EXPECT_TRUE(test.reflector->synced());
  EXPECT_TRUE(test.reflector->watching());
  EXPECT_EQ(test.reflector->last_error(), "");
}

TEST(Reflector, IsInSyncOnlyAfterTheWholeList) {
  Reflecting test({list_step(9, {pod_json("a", 3)}, "more")});
  ASSERT_TRUE(test.until_asked(2));
  EXPECT_FALSE(test.reflector->synced());
  EXPECT_FALSE(test.reflector->watching());
  EXPECT_TRUE(test.sink.notes.empty());
}

TEST(Reflector, GoesOnFromTheLastRevisionWhenTheWatchTimesOut) {
  Step watch = watch_step({event_line("ADDED", pod_json("b", 10)), bookmark_line(20)});
  watch.late = testing::kLastChunk;
  watch.delay = 30s;
  watch.end = Step::End::kKeep;
  Reflecting test({list_step(9, {}), watch, watch_step({bookmark_line(21)})});
  ASSERT_TRUE(test.until_noted(4));
  EXPECT_THAT(test.upstream.asked()[2].target, HasSubstr("resourceVersion=20&"));
  EXPECT_NEAR(test.pause_before(2), 30, 0.1);
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "ADDED shop/b@10", "at 20", "at 21"));
}

TEST(Reflector, WatchesOneNamespaceWhereItIsTold) {
  Reflecting test({list_step(9, {}), watch_step({})}, 1, {.namespace_ = "shop"});
  ASSERT_TRUE(test.until_asked(2));
  EXPECT_THAT(test.upstream.asked()[0].target, StartsWith("/api/v1/namespaces/shop/pods?limit"));
  EXPECT_THAT(test.upstream.asked()[1].target, StartsWith("/api/v1/namespaces/shop/pods?watch"));
}

TEST(Reflector, CountsWhatItDoes) {
  Reflecting test({list_step(9, {}), watch_step({event_line("ADDED", pod_json("b", 10))})});
  ASSERT_TRUE(test.until_noted(2));
  const std::string metrics = test.metrics.render();
  EXPECT_THAT(metrics,
              HasSubstr(R"(podkeeper_reflector_lists_total{resource="pods",result="success"} 1)"));
  EXPECT_THAT(metrics,
              HasSubstr(R"(podkeeper_reflector_events_total{resource="pods",type="ADDED"} 1)"));
  EXPECT_THAT(metrics, HasSubstr(R"(podkeeper_reflector_synced{resource="pods"} 1)"));
}

}  // namespace
}  // namespace podkeeper::kube
