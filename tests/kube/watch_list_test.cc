#include "pkg/kube/reflector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "tests/kube/scripted_upstream.h"

// The state by a watch (WatchList, KEP-3157), and LIST where upstream does not offer it.
namespace podkeeper::kube {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::bookmark_line;
using ::testing::ElementsAre;
using testing::error_line;
using testing::event_line;
using ::testing::Ge;
using ::testing::HasSubstr;
using testing::http_answer;
using testing::initial_end_line;
using ::testing::Le;
using testing::list_step;
using testing::pod_json;
using testing::Reflecting;
using ::testing::StartsWith;
using testing::Step;
using testing::watch_step;

const std::string kStateTarget =
    "/api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
    "&resourceVersionMatch=NotOlderThan&timeoutSeconds=";
const std::string kListTarget = "/api/v1/pods?limit=500";

struct ByWatch : Reflecting {
  explicit ByWatch(std::vector<Step> script)
      : Reflecting(std::move(script), 1, {.watch_list = true}) {}
};

/// A state of two objects at revision 9, and an event after it.
const std::vector<std::string> kStateLines = {event_line("ADDED", pod_json("a", 7)),
                                              event_line("ADDED", pod_json("b", 3)),
                                              initial_end_line(9)};
const std::string kNews = event_line("ADDED", pod_json("c", 10));

TEST(WatchList, TakesTheStateAtItsEndMarkAndGoesOnWithTheSameWatch) {
  auto lines = kStateLines;
  lines.push_back(kNews);
  lines.push_back(bookmark_line(11));
  ByWatch test({watch_step(lines)});
  ASSERT_TRUE(test.until_noted(3));
  EXPECT_THAT(test.sink.notes,
              ElementsAre("list 9: shop/a@7 shop/b@3", "ADDED shop/c@10", "at 11"));
  EXPECT_EQ(test.upstream.asked().size(), 1U);
  EXPECT_THAT(test.upstream.asked()[0].target, StartsWith(kStateTarget));
  EXPECT_TRUE(test.reflector->synced());
  EXPECT_TRUE(test.reflector->watching());
  EXPECT_THAT(test.metrics.render(),
              AllOf(HasSubstr(R"(reflector_lists_total{resource="pods",result="success"} 1)"),
                    HasSubstr(R"(reflector_events_total{resource="pods",type="ADDED"} 1)")));
}

TEST(WatchList, TakesWhatChangesBeforeTheEndMarkIntoTheState) {
  ByWatch test({watch_step(
      {event_line("ADDED", pod_json("b", 3)), event_line("ADDED", pod_json("d", 4)),
       event_line("MODIFIED", pod_json("b", 12)), event_line("ADDED", pod_json("a", 13)),
       event_line("DELETED", pod_json("d", 14)), initial_end_line(14)})});
  ASSERT_TRUE(test.until_noted(1));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 14: shop/a@13 shop/b@12"));
}

TEST(WatchList, TakesAnEmptyState) {
  ByWatch test({watch_step({initial_end_line(9), kNews})});
  ASSERT_TRUE(test.until_noted(2));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "ADDED shop/c@10"));
}

TEST(WatchList, IsInSyncOnlyAtTheEndMark) {
  ByWatch test({watch_step({event_line("ADDED", pod_json("a", 7))})});
  ASSERT_TRUE(test.until_asked(1));
  test.world.run_for(30s);
  EXPECT_FALSE(test.reflector->synced());
  EXPECT_FALSE(test.reflector->watching());
  EXPECT_TRUE(test.sink.notes.empty());
}

TEST(WatchList, GoesOnFromTheEndMarkWhereTheWatchBreaksAfterIt) {
  ByWatch test({watch_step(kStateLines, Step::End::kClose), watch_step({kNews})});
  ASSERT_TRUE(test.until_noted(2));
  EXPECT_THAT(test.upstream.asked()[1].target, HasSubstr("&resourceVersion=9&"));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9: shop/a@7 shop/b@3", "ADDED shop/c@10"));
}

TEST(WatchList, AsksForItAgainAfterItsRevisionExpired) {
  auto lines = kStateLines;
  lines.push_back(error_line(410, "Expired"));
  ByWatch test({watch_step(lines), watch_step({initial_end_line(20)})});
  ASSERT_TRUE(test.until_noted(2));
  EXPECT_THAT(test.upstream.asked()[1].target, StartsWith(kStateTarget));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9: shop/a@7 shop/b@3", "list 20:"));
}

TEST(WatchList, ListsAtOnceAndFromThenOnWhereItIsRefused) {
  for (const int status : {400, 422}) {
    ByWatch test({{.bytes = http_answer(status, "no")},
                  list_step(9, {}),
                  watch_step({error_line(410, "Expired")}),
                  list_step(20, {})});
    ASSERT_TRUE(test.until_noted(2));
    EXPECT_EQ(test.upstream.asked()[1].target, kListTarget);
    EXPECT_LT(test.pause_before(1), 0.1);
    EXPECT_EQ(test.upstream.asked()[3].target, kListTarget);
  }
}

TEST(WatchList, ListsWhereTheEndMarkDoesNotCome) {
  Step waiting = watch_step({event_line("ADDED", pod_json("a", 7))});
  ByWatch test({waiting, list_step(9, {pod_json("b", 3)}), watch_step({kNews})});
  ASSERT_TRUE(test.until_noted(2));
  EXPECT_EQ(test.upstream.asked()[1].target, kListTarget);
  EXPECT_NEAR(test.pause_before(1), 60, 0.2);
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9: shop/b@3", "ADDED shop/c@10"));
}

TEST(WatchList, ListsWhereOrdinaryBookmarksComeAsOfAServerThatKnowsNoInitialEvents) {
  ByWatch test({watch_step({event_line("ADDED", pod_json("a", 7)), bookmark_line(8)}),
                list_step(9, {pod_json("b", 3)})});
  ASSERT_TRUE(test.until_noted(1));
  EXPECT_EQ(test.upstream.asked()[1].target, kListTarget);
  EXPECT_LT(test.pause_before(1), 0.1);
}

TEST(WatchList, ListsOnceAfterAnyOtherFailureThenAsksForItAgain) {
  const std::vector<Step> failures = {
      {.bytes = http_answer(503, "away")},
      watch_step({event_line("ADDED", pod_json("a", 7)), error_line(500, "InternalError")}),
      watch_step({"{}\n"})};
  for (const Step& failure : failures) {
    ByWatch test({failure, list_step(9, {}), watch_step({error_line(410, "Expired")}),
                  watch_step({initial_end_line(20)})});
    ASSERT_TRUE(test.until_noted(2));
    EXPECT_EQ(test.upstream.asked()[1].target, kListTarget);
    EXPECT_THAT(test.pause_before(1), AllOf(Ge(0.8), Le(1.7)));
    EXPECT_THAT(test.upstream.asked()[3].target, StartsWith(kStateTarget));
    EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "list 20:"));
  }
}

TEST(WatchList, TakesAnOlderStateOnlyOnceAListConfirmsIt) {
  auto lines = kStateLines;
  lines.push_back(error_line(410, "Expired"));
  ByWatch test({watch_step(lines), watch_step({initial_end_line(5)}), list_step(5, {})});
  ASSERT_TRUE(test.until_noted(2));
  EXPECT_EQ(test.upstream.asked()[2].target, kListTarget);
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9: shop/a@7 shop/b@3", "list 5:"));
}

TEST(WatchList, GivesTheWholeStateOnceWhereverTheStreamIsCut) {
  const std::size_t state_bytes = watch_step(kStateLines).bytes.size() - 2;  // but for CR LF
  auto lines = kStateLines;
  lines.push_back(kNews);
  Step whole = watch_step(lines, Step::End::kClose);
  const std::size_t news_bytes = whole.bytes.size() - 2;
  for (std::size_t cut = 0; cut <= whole.bytes.size(); ++cut) {
    std::vector<Step> script = {whole};
    script.front().bytes.resize(cut);
    if (cut < state_bytes) script.push_back(list_step(9, {pod_json("a", 7), pod_json("b", 3)}));
    script.push_back(
        watch_step(cut < news_bytes ? std::vector{kNews} : std::vector<std::string>{}));
    ByWatch test(std::move(script));
    ASSERT_TRUE(test.until_noted(2));
    test.world.run_for(1min);
    ASSERT_THAT(test.sink.notes, ElementsAre("list 9: shop/a@7 shop/b@3", "ADDED shop/c@10"))
        << "cut after " << cut << " bytes";
  }
}

}  // namespace
}  // namespace podkeeper::kube
