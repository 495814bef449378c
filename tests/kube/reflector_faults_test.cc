#include "pkg/kube/reflector.h"
#include "pkg/kube/shared_doubt.h"
#include "pkg/telemetry/metric_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/faults/record.h"
#include "tests/kube/scripted_upstream.h"

// What upstream can do to a reflector, each with what the sink saw and how long was waited.
namespace podkeeper::kube {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::bookmark_line;
using testing::chunk;
using ::testing::ElementsAre;
using testing::error_line;
using testing::event_line;
using ::testing::Ge;
using ::testing::HasSubstr;
using testing::http_answer;
using testing::kLastChunk;
using testing::kWatchHead;
using ::testing::Le;
using testing::list_step;
using ::testing::Not;
using testing::pod_json;
using testing::Reflecting;
using testing::Step;
using testing::watch_step;

constexpr double kFirstWait = 0.8;  ///< the backoff's first, up to twice that by jitter

/// The first wait of the backoff, with the network's latency.
auto first_wait() { return AllOf(Ge(kFirstWait), Le(2 * kFirstWait + 0.1)); }

const std::string kExpiredStatus =
    R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)"
    R"("message":"too old","reason":"Expired","code":410})";

TEST(ReflectorFaults, WaitsLongerAndLongerWhileListingFails) {
  std::vector<Step> script(8, {.bytes = http_answer(503, "away")});
  script.push_back(list_step(9, {}));
  Reflecting test(script);
  ASSERT_TRUE(test.until_noted(1));
  double least = kFirstWait;
  for (std::size_t i = 1; i <= 8; ++i) {
    EXPECT_THAT(test.pause_before(i), AllOf(Ge(least), Le(2 * least + 0.1))) << i;
    least = std::min(least * 2, 30.0);
  }
}

TEST(ReflectorFaults, SaysWhyItIsNotInStepUntilTheWatchIsUp) {
  Reflecting test({{.bytes = http_answer(500, "<html>\n<b>oops</b>")}, list_step(9, {})});
  ASSERT_TRUE(test.until_asked(1));
  test.world.run_for(100ms);
  EXPECT_EQ(test.reflector->last_error(), "LIST pods: HTTP 500: <html> <b>oops</b>");
}

TEST(ReflectorFaults, NamesVerbAndResourceWhereItIsForbidden) {
  const std::string status =
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)"
      R"("message":"pods is forbidden","reason":"Forbidden","code":403})";
  Reflecting test({{.bytes = http_answer(403, status)}});
  ASSERT_TRUE(test.until_asked(1));
  test.world.run_for(100ms);
  EXPECT_EQ(
      test.reflector->last_error(),
      "LIST pods: pods is forbidden; give podkeeper's user, by a ClusterRole, the missing rule "
      "{apiGroups: [\"\"], resources: [\"pods\"], verbs: [\"list\"]}");
}

TEST(ReflectorFaults, WaitsAsLongAsRetryAfterAsksAndDoesNotListAgain) {
  for (const int status : {429, 503}) {
    Reflecting test({list_step(9, {}),
                     {.bytes = http_answer(status, "Too many requests", "Retry-After: 7\r\n")},
                     watch_step({bookmark_line(10)})});
    ASSERT_TRUE(test.until_noted(2));
    EXPECT_NEAR(test.pause_before(2), 7, 0.1);
    EXPECT_THAT(test.upstream.asked()[2].target, HasSubstr("watch=true"));
    EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "at 10"));
  }
  faults::record(
      {.row = 3,
       .outcome =
           "a watch's 429 or 503 is waited out as asked and the watch goes on, without a LIST",
       .evidence = "rest_client_requests_total{code=\"429\"}; upstream failed, trying again",
       .recovery = {}});
}

TEST(ReflectorFaults, CutsARetryAfterOfDaysDown) {
  Reflecting test({{.bytes = http_answer(429, "", "Retry-After: 999999\r\n")}, list_step(9, {})});
  ASSERT_TRUE(test.until_noted(1));
  EXPECT_NEAR(test.pause_before(1), 300, 0.1);
}

TEST(ReflectorFaults, ListsFromTheStartWhenAContinueTokenExpires) {
  Reflecting test({list_step(9, {pod_json("a", 3)}, "more"),
                   {.bytes = http_answer(410, kExpiredStatus)},
                   list_step(12, {pod_json("b", 11)})});
  ASSERT_TRUE(test.until_noted(1));
  EXPECT_EQ(test.upstream.asked()[2].target, "/api/v1/pods?limit=500");
  EXPECT_THAT(test.sink.notes, ElementsAre("list 12: shop/b@11"));
  faults::record(
      {.row = 6,
       .outcome = "the list starts over at once; the sink gets the whole of it or nothing",
       .evidence = "podkeeper_reflector_lists_total{result=\"expired\"}; listing from the start",
       .recovery = {}});
}

TEST(ReflectorFaults, ListsWithoutPagesWhenTokensKeepExpiring) {
  const Step page = list_step(9, {pod_json("a", 3)}, "more");
  const Step expired{.bytes = http_answer(410, kExpiredStatus)};
  Reflecting test({page, expired, page, expired, list_step(12, {})});
  ASSERT_TRUE(test.until_noted(1));
  EXPECT_EQ(test.upstream.asked()[4].target, "/api/v1/pods");
}

TEST(ReflectorFaults, ListsAtOnceAfterA410ThatComesLongAfterTheLastList) {
  std::vector<Step> script{list_step(9, {})};
  for (int i = 0; i < 6; ++i) script.push_back({.bytes = http_answer(500, "away")});
  script.push_back({.bytes = http_answer(410, kExpiredStatus)});
  script.push_back(list_step(12, {}));
  Reflecting test(script);
  ASSERT_TRUE(test.until_noted(2));
  EXPECT_LT(test.pause_before(8), 0.1);
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "list 12:"));
}

/// A pod whose spec is none.
std::string bad_pod_json(const std::string& name, std::uint64_t revision) {
  std::string pod = pod_json(name, revision);
  return pod.replace(pod.find(R"("spec":{})"), 9, R"("spec":7)");
}

TEST(ReflectorFaults, LeavesOutWhatCannotBeReadAndNothingElse) {
  Reflecting test({list_step(9, {pod_json("a", 3), bad_pod_json("b", 4), pod_json("c", 5)}),
                   watch_step({"{\"type\":\"MODIFIED\",\"object\":" + bad_pod_json("a", 10) + "}\n",
                               event_line("MODIFIED", pod_json("b", 11))})});
  ASSERT_TRUE(test.until_noted(3));
  EXPECT_THAT(test.sink.notes,
              ElementsAre("list 9: shop/a@3 shop/c@5", "DELETED shop/a@10", "MODIFIED shop/b@11"));
  EXPECT_TRUE(test.reflector->quarantined("shop/a"));
  EXPECT_FALSE(test.reflector->quarantined("shop/b"));
  EXPECT_EQ(test.metrics.gauge(telemetry::kReflectorQuarantined, {"pods"}).Value(), 1);
}

TEST(ReflectorFaults, GivesNoPartOfAListToTheSink) {
  const std::string whole = list_step(9, {pod_json("a", 3), pod_json("b", 4)}).bytes;
  for (const std::size_t left : {std::size_t{1}, std::size_t{40}, whole.size() / 2}) {
    Reflecting test({{.bytes = whole.substr(0, whole.size() - left), .end = Step::End::kClose},
                     list_step(10, {pod_json("a", 3)})});
    ASSERT_TRUE(test.until_noted(1));
    EXPECT_THAT(test.sink.notes, ElementsAre("list 10: shop/a@3"));
  }
  faults::record({.row = 8,
                  .outcome = "the cut list is thrown away and asked for again after the first wait",
                  .evidence = "podkeeper_reflector_lists_total{result=\"error\"}",
                  .recovery = {}});
}

TEST(ReflectorFaults, RefusesPagesOfDifferentRevisions) {
  Reflecting test({list_step(9, {pod_json("a", 3)}, "more"), list_step(11, {pod_json("b", 4)}),
                   list_step(12, {})});
  ASSERT_TRUE(test.until_noted(1));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 12:"));
}

TEST(ReflectorFaults, ListsAgainAtOnceAfterA410InTheStreamOrAsStatus) {
  const Step in_stream = watch_step({error_line(410, "Expired")});
  const Step as_status{.bytes = http_answer(410, kExpiredStatus)};
  for (const Step& expired : {in_stream, as_status}) {
    Reflecting test({list_step(9, {pod_json("a", 3)}),
                     watch_step({event_line("ADDED", pod_json("b", 10))}, Step::End::kClose),
                     expired, list_step(20, {pod_json("b", 10)}), watch_step({bookmark_line(21)})});
    ASSERT_TRUE(test.until_noted(4));
    EXPECT_LT(test.pause_before(3), 0.1);
    EXPECT_EQ(test.upstream.asked()[3].target, "/api/v1/pods?limit=500");
    EXPECT_THAT(test.upstream.asked()[4].target, HasSubstr("resourceVersion=20&"));
    EXPECT_THAT(test.sink.notes,
                ElementsAre("list 9: shop/a@3", "ADDED shop/b@10", "list 20: shop/b@10", "at 21"));
  }
  faults::record({.row = 18,
                  .outcome = "listed again at once, and what went meanwhile is gone once",
                  .evidence = "podkeeper_reflector_relists_total; listing again",
                  .recovery = 0s});
}

TEST(ReflectorFaults, WaitsBeforeListingAgainWhereEveryWatchIsTooOld) {
  const Step expired = watch_step({error_line(410, "Expired")});
  constexpr std::size_t kLists = 10;
  std::vector<Step> script;
  for (std::size_t i = 0; i < kLists; ++i) {
    script.push_back(list_step(9 + i, {}));
    script.push_back(expired);
  }
  Reflecting test(std::move(script));
  ASSERT_TRUE(test.until_noted(kLists));
  EXPECT_THAT(test.pause_before(2), first_wait());
  EXPECT_GE(test.pause_before(4), 2 * kFirstWait);
  EXPECT_NEAR(test.pause_before(2 * kLists - 2), 30, 1) << "the longest backoff would be 60 s";
}

TEST(ReflectorFaults, ListsAgainAfterAWaitWhereTheErrorIsAnother) {
  for (const std::string& line : {error_line(500, "InternalError"), error_line(599, "Unheard"),
                                  std::string("{\"type\":\"ODD\",\"object\":{}}\n"),
                                  std::string("no JSON\n"), event_line("ADDED", "{}")}) {
    Reflecting test({list_step(9, {}), watch_step({line}), list_step(20, {})});
    ASSERT_TRUE(test.until_noted(2)) << line;
    EXPECT_THAT(test.pause_before(2), first_wait());
    EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "list 20:"));
  }
  faults::record(
      {.row = 29,
       .outcome = "told, and listed again after a wait; the same for what is no event",
       .evidence = "podkeeper_reflector_decode_errors_total; upstream failed, trying again",
       .recovery = std::chrono::duration<double>(2 * kFirstWait)});
}

TEST(ReflectorFaults, ResumesAtOnceWhereACutWatchHadBroughtSomething) {
  Reflecting test({list_step(9, {}),
                   watch_step({event_line("ADDED", pod_json("b", 10))}, Step::End::kClose),
                   watch_step({bookmark_line(11)})});
  ASSERT_TRUE(test.until_noted(3));
  EXPECT_LT(test.pause_before(2), 0.1);
  EXPECT_THAT(test.upstream.asked()[2].target, HasSubstr("resourceVersion=10&"));
}

TEST(ReflectorFaults, WaitsBeforeResumingAWatchThatBroughtNothing) {
  const Step ends_at_once{.bytes = kWatchHead + kLastChunk};
  const Step is_cut = watch_step({}, Step::End::kClose);
  for (const Step& bad : {ends_at_once, is_cut}) {
    Reflecting test({list_step(9, {}), bad, bad, watch_step({bookmark_line(10)})});
    ASSERT_TRUE(test.until_noted(2));
    EXPECT_THAT(test.pause_before(2), first_wait());
    EXPECT_GE(test.pause_before(3), 2 * kFirstWait);
    EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "at 10"));
  }
}

TEST(ReflectorFaults, StartsItsWaitsOverAfterProgress) {
  const Step cut = watch_step({}, Step::End::kClose);
  Reflecting test({list_step(9, {}), cut, cut, cut,
                   watch_step({bookmark_line(10)}, Step::End::kClose), cut, watch_step({})});
  ASSERT_TRUE(test.until_asked(7));
  EXPECT_GE(test.pause_before(4), 4 * kFirstWait);
  EXPECT_THAT(test.pause_before(6), first_wait());
}

TEST(ReflectorFaults, ReconnectsAfterNinetySilentSeconds) {
  Reflecting test({list_step(9, {}), watch_step({}), watch_step({bookmark_line(10)})});
  ASSERT_TRUE(test.until_asked(2));
  test.world.run_for(89s);
  EXPECT_TRUE(test.reflector->watching());
  test.world.run_for(1500ms);
  EXPECT_FALSE(test.reflector->watching());
  EXPECT_EQ(test.reflector->last_error(), "WATCH pods: no byte for 90 s");
  ASSERT_TRUE(test.until_noted(2));
  EXPECT_THAT(test.upstream.asked()[2].target, HasSubstr("resourceVersion=9&"));
  faults::record(
      {.row = 21,
       .outcome = "after 90 s without a byte the watch is begun anew from its revision",
       .evidence = "podkeeper_reflector_watches_total{result=\"error\"}; no byte for 90 s",
       .recovery = 90s});
}

TEST(ReflectorFaults, ListsAgainAtOnceWhereItsWatchIsInDoubt) {
  Reflecting test({list_step(9, {pod_json("a", 3)}), watch_step({}),
                   list_step(12, {pod_json("b", 11)}), watch_step({bookmark_line(13)})});
  ASSERT_TRUE(test.until_asked(2));
  test.world.run_for(20s);
  test.reflector->relist("somebody knows better");
  ASSERT_TRUE(test.until_noted(3));
  EXPECT_LT(test.pause_before(2), 20.1);
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9: shop/a@3", "list 12: shop/b@11", "at 13"));
  EXPECT_TRUE(test.reflector->watching());
}

TEST(ReflectorFaults, ListsOnceForADoubtThatCameBeforeTheListBegan) {
  Reflecting test(
      {{.bytes = http_answer(503, "away")}, list_step(9, {}), watch_step({bookmark_line(10)})});
  ASSERT_TRUE(test.until_asked(1));
  test.reflector->relist("somebody knows better");
  ASSERT_TRUE(test.until_noted(2));
  test.world.run_for(20s);
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "at 10"));
}

TEST(ReflectorFaults, ListsWhereWatchesStaySilentAsThoseOfARestoredUpstream) {
  SharedDoubt shared_doubt;
  runtime::SimulatedWorld elsewhere(1);
  ReflectorDoubt nodes(elsewhere.clock());
  shared_doubt.add(nodes);
  Reflecting test({list_step(9, {}), watch_step({bookmark_line(30)}, Step::End::kClose),
                   watch_step({}), watch_step({}), list_step(20, {pod_json("old", 2)}),
                   list_step(20, {pod_json("old", 2)}), watch_step({bookmark_line(21)})},
                  1, {.shared_doubt = &shared_doubt});
  ASSERT_TRUE(test.until_noted(4));
  EXPECT_EQ(test.upstream.asked()[4].target, "/api/v1/pods?limit=500");
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "at 30", "list 20: shop/old@2", "at 21"));
  EXPECT_EQ(nodes.reason(), "upstream was restored, as the list of pods shows");
}

TEST(ReflectorFaults, ReconnectsWhereALineNeverEnds) {
  const std::string endless(3000, 'x');
  Reflecting test({list_step(9, {}), watch_step({endless}), watch_step({bookmark_line(10)})}, 1,
                  {.line_bytes_max = 2000});
  ASSERT_TRUE(test.until_noted(2));
  EXPECT_THAT(test.pause_before(2), first_wait());
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "at 10"));
}

TEST(ReflectorFaults, IgnoresAndCountsABookmarkThatGoesBack) {
  Reflecting test({list_step(9, {}),
                   watch_step({bookmark_line(12), bookmark_line(11)}, Step::End::kClose),
                   watch_step({})});
  ASSERT_TRUE(test.until_asked(3));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "at 12"));
  EXPECT_THAT(test.upstream.asked()[2].target, HasSubstr("resourceVersion=12&"));
  EXPECT_THAT(test.metrics.render(), HasSubstr(R"(type="STALE_BOOKMARK"} 1)"));
}

TEST(ReflectorFaults, RefusesAListOlderThanWhatWasSeen) {
  Reflecting test({list_step(9, {}), watch_step({bookmark_line(30), error_line(410, "Expired")}),
                   list_step(20, {pod_json("old", 2)}), list_step(31, {})});
  ASSERT_TRUE(test.until_noted(3));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "at 30", "list 31:"));
}

TEST(ReflectorFaults, TakesAnOlderListOnceTheNextConfirmsThatUpstreamWasRestored) {
  Reflecting test({list_step(9, {}),
                   watch_step({bookmark_line(30), error_line(410, "Expired")}),
                   list_step(20, {pod_json("old", 2)}),
                   {.bytes = http_answer(503, "away")},
                   list_step(21, {pod_json("old", 2)}),
                   watch_step({event_line("ADDED", pod_json("new", 22))})});
  ASSERT_TRUE(test.until_noted(4));
  EXPECT_THAT(test.pause_before(3), first_wait());
  EXPECT_THAT(test.upstream.asked()[5].target, HasSubstr("resourceVersion=21&"));
  EXPECT_THAT(test.sink.notes,
              ElementsAre("list 9:", "at 30", "list 21: shop/old@2", "ADDED shop/new@22"));
  EXPECT_THAT(
      test.metrics.render(),
      HasSubstr(R"(podkeeper_reflector_relists_total{resource="pods",result="success"} 1)"));
}

TEST(ReflectorFaults, TakesNoOlderListThatTheNextContradicts) {
  Reflecting test({list_step(9, {}), watch_step({bookmark_line(30), error_line(410, "Expired")}),
                   list_step(20, {}), list_step(19, {}), list_step(31, {}),
                   watch_step({error_line(410, "Expired")}), list_step(25, {}), list_step(32, {})});
  ASSERT_TRUE(test.until_noted(4));
  EXPECT_THAT(test.sink.notes, ElementsAre("list 9:", "at 30", "list 31:", "list 32:"));
}

TEST(ReflectorFaults, FollowsNoRedirect) {
  Reflecting test(
      {{.bytes = http_answer(302, "", "Location: http://elsewhere/\r\n")}, list_step(9, {})});
  ASSERT_TRUE(test.until_noted(1));
  EXPECT_EQ(test.upstream.asked()[1].target, "/api/v1/pods?limit=500");
  EXPECT_THAT(test.pause_before(1), first_wait());
}

/// A list and a watch of three events, the watch's bytes cut after `cut` of them, and then the rest
/// of the story.
std::vector<std::string> notes_of_cut_watch(std::size_t cut, std::uint64_t seed) {
  const std::vector<std::string> lines = {event_line("ADDED", pod_json("b", 10)),
                                          event_line("MODIFIED", pod_json("b", 11)),
                                          bookmark_line(12)};
  Step watch = watch_step(lines, Step::End::kClose);
  watch.bytes.resize(std::min(watch.bytes.size(), cut));
  Reflecting test({list_step(9, {}), watch}, seed);
  test.until_asked(2);
  test.world.run_for(1min);
  // What a server would send from the revision that is asked for now.
  const auto& asked = test.upstream.asked();
  if (asked.size() < 3) return {"no third request"};
  const std::size_t at = asked[2].target.find("resourceVersion=") + 16;
  const int from = std::stoi(asked[2].target.substr(at));
  std::vector<std::string> notes = test.sink.notes;
  for (int revision = from + 1; revision <= 12; ++revision) {
    notes.push_back(revision == 10   ? "ADDED shop/b@10"
                    : revision == 11 ? "MODIFIED shop/b@11"
                                     : "at 12");
  }
  return notes;
}

TEST(ReflectorFaults, LosesAndRepeatsNothingWhereverTheStreamIsCut) {
  const std::size_t whole =
      watch_step({event_line("ADDED", pod_json("b", 10)), event_line("MODIFIED", pod_json("b", 11)),
                  bookmark_line(12)})
          .bytes.size();
  for (std::size_t cut = 0; cut <= whole; ++cut) {
    ASSERT_THAT(notes_of_cut_watch(cut, cut),
                ElementsAre("list 9:", "ADDED shop/b@10", "MODIFIED shop/b@11", "at 12"))
        << "cut after " << cut << " bytes";
  }
}

std::uint64_t replay(std::uint64_t seed) {
  const Step cut = watch_step({event_line("ADDED", pod_json("b", 10))}, Step::End::kClose);
  Reflecting test({list_step(9, {pod_json("a", 1)}),
                   cut,
                   {.bytes = http_answer(503, "away")},
                   watch_step({error_line(410, "Expired")}),
                   list_step(20, {}),
                   watch_step({})},
                  seed);
  test.until_asked(6);
  return test.world.trace_hash();
}

TEST(ReflectorFaults, ReplayIdenticallyBySeed) {
  EXPECT_EQ(replay(7), replay(7));
  EXPECT_NE(replay(7), replay(8));
}

}  // namespace
}  // namespace podkeeper::kube
