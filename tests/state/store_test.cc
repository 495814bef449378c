#include "pkg/state/store.h"

#include "pkg/base/panic.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/wakeup.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "tests/state/support.h"

namespace podkeeper::state {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;
using kube::EventType;
using kube::Revision;
using kube::WatchProof;
using testing::allowed;
using testing::batch;
using testing::pod;
using testing::PodSpec;
using Lines = std::vector<std::string>;

/// A store that holds a@3 and b@5 from a LIST at revision 10.
class PodStore : public ::testing::Test {
 protected:
  PodStore() {
    store_.replace(batch(PodSpec{.name = "a", .revision = 3, .node = "n1"},
                         PodSpec{.name = "b", .revision = 5, .uid = "uid-b", .node = "n2"}),
                   {10});
  }
  Lines list(const ListQuery& query = {}) {
    return testing::text(reader_.list(allowed(), query).value().records);
  }
  Lines events_after(std::uint64_t revision) {
    const auto position = reader_.watch_from(allowed(), {revision}).value();
    return testing::text(reader_.events(allowed(), position, 100).value());
  }
  std::vector<EventRef> all_events() {
    const auto position = reader_.watch_from(allowed(), {10}).value();
    return reader_.events(allowed(), position, 100).value();
  }

  testing::StandingClock clock_;
  Store store_{clock_, testing::pod_store()};
  Reader reader_{store_};
};

TEST_F(PodStore, IsAsYoungAsTheLastWordOfAWitness) {
  clock_.advance(10s);
  EXPECT_EQ(reader_.freshness().age, 10s);
  EXPECT_FALSE(store_.confirm({11}, clock_.now())) << "upstream is ahead";
  EXPECT_EQ(reader_.freshness().age, 10s);
  EXPECT_TRUE(store_.confirm({10}, clock_.now() - 2s));
  EXPECT_EQ(reader_.freshness().age, 2s);
  EXPECT_TRUE(store_.confirm({9}, clock_.now() - 5s));
  EXPECT_EQ(reader_.freshness().age, 2s) << "an older word takes nothing back";
  EXPECT_EQ(reader_.freshness().revision, Revision{10});
}

TEST_F(PodStore, IsLiftedWhereNothingChanged) {
  clock_.advance(10s);
  EXPECT_TRUE(store_.confirm_quiet({10}, {25}));
  EXPECT_EQ(reader_.freshness().revision, Revision{25});
  EXPECT_EQ(reader_.freshness().age, 0s);
  EXPECT_EQ(list(), (Lines{"default/a@3", "default/b@5"}));
  EXPECT_TRUE(store_.confirm_quiet({10}, {20})) << "it is there already";
  EXPECT_EQ(reader_.freshness().revision, Revision{25});
}

TEST_F(PodStore, IsNotLiftedByAWordOnAHistoryThatWasReplaced) {
  store_.replace({}, {4});
  EXPECT_FALSE(store_.confirm_quiet({10}, {25}));
  EXPECT_EQ(reader_.freshness().revision, Revision{4});
}

TEST(Store, IsNotSyncedBeforeItsFirstList) {
  testing::StandingClock clock;
  Store store(clock, testing::pod_store());
  const Reader reader(store);
  EXPECT_FALSE(reader.freshness().synced);
  EXPECT_TRUE(reader.list(allowed(), {}).value().records.empty());
  store.replace({}, {7});
  EXPECT_TRUE(reader.freshness().synced);
  EXPECT_EQ(reader.freshness().revision, Revision{7});
}

TEST_F(PodStore, BeginsItsHistoryAtTheFirstList) {
  EXPECT_EQ(list(), (Lines{"default/a@3", "default/b@5"}));
  EXPECT_EQ(events_after(10), Lines{});
  EXPECT_EQ(reader_.watch_from(allowed(), {9}).error().code, ErrorCode::kExpired);
  EXPECT_EQ(store_.stats().objects, 2u);
}

TEST_F(PodStore, AppliesEventsToListGetAndLog) {
  store_.apply(EventType::kModified, pod({.name = "a", .revision = 11, .node = "n1"}));
  store_.apply(EventType::kAdded, pod({.name = "c", .revision = 12, .uid = "uid-c"}));
  store_.apply(EventType::kDeleted, pod({.name = "b", .revision = 13, .uid = "uid-b"}));
  EXPECT_EQ(list(), (Lines{"default/a@11", "default/c@12"}));
  EXPECT_EQ(events_after(10),
            (Lines{"MODIFIED default/a@11", "ADDED default/c@12", "DELETED default/b@13"}));
  EXPECT_EQ(reader_.get(allowed(), {"default", "a"})->object().revision, Revision{11});
  EXPECT_FALSE(reader_.get(allowed(), {"default", "b"}));
  EXPECT_EQ(reader_.freshness().revision, Revision{13});
}

TEST_F(PodStore, KeepsInEachEventWhatItReplaced) {
  store_.apply(EventType::kModified, pod({.name = "a", .revision = 11}));
  store_.apply(EventType::kDeleted, pod({.name = "a", .revision = 12}));
  store_.apply(EventType::kAdded, pod({.name = "a", .revision = 13, .uid = "uid-2"}));
  const auto events = all_events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]->previous->object().revision, Revision{3});
  EXPECT_EQ(events[1]->previous->object().revision, Revision{11});
  EXPECT_EQ(events[1]->object->object().revision, Revision{12}) << "the content upstream sent";
  EXPECT_FALSE(events[2]->previous);
}

TEST_F(PodStore, NamesAnEventByWhatItHolds) {
  store_.apply(EventType::kAdded, pod({.name = "a", .revision = 11}));
  store_.apply(EventType::kModified, pod({.name = "z", .revision = 12, .uid = "uid-z"}));
  EXPECT_EQ(events_after(10), (Lines{"MODIFIED default/a@11", "ADDED default/z@12"}));
}

TEST_F(PodStore, IgnoresAndCountsWhatIsNotNews) {
  store_.apply(EventType::kModified, pod({.name = "a", .revision = 11}));
  store_.apply(EventType::kModified, pod({.name = "a", .revision = 11}));
  store_.apply(EventType::kModified, pod({.name = "a", .revision = 2}));
  store_.apply(EventType::kDeleted, pod({.name = "a", .revision = 2}));
  store_.apply(EventType::kDeleted, pod({.name = "ghost", .revision = 12}));
  EXPECT_EQ(list(), (Lines{"default/a@11", "default/b@5"}));
  EXPECT_EQ(events_after(10), (Lines{"MODIFIED default/a@11"}));
  EXPECT_EQ(store_.stats().stale_events, 3u);
  EXPECT_EQ(store_.stats().unknown_deletions, 1u);
}

TEST_F(PodStore, TakesADeletionWithoutARevisionOfItsOwn) {
  store_.apply(EventType::kDeleted, pod({.name = "a", .revision = 3}));
  EXPECT_FALSE(reader_.get(allowed(), {"default", "a"}));
  EXPECT_EQ(events_after(10).size(), 1u);
}

TEST_F(PodStore, DoesNotBringBackWhatARepeatedEventTellsOf) {
  store_.apply(EventType::kAdded, pod({.name = "c", .revision = 11, .uid = "uid-c"}));
  store_.apply(EventType::kDeleted, pod({.name = "c", .revision = 12, .uid = "uid-c"}));
  store_.apply(EventType::kAdded, pod({.name = "c", .revision = 11, .uid = "uid-c"}));
  EXPECT_FALSE(reader_.get(allowed(), {"default", "c"}));
  EXPECT_EQ(store_.stats().stale_events, 1u);
}

TEST_F(PodStore, TakesNewsThatComesOutOfOrderAndCountsIt) {
  store_.apply(EventType::kModified, pod({.name = "a", .revision = 15}));
  store_.apply(EventType::kModified, pod({.name = "b", .revision = 14, .uid = "uid-b"}));
  EXPECT_EQ(list(), (Lines{"default/a@15", "default/b@14"}));
  EXPECT_EQ(reader_.freshness().revision, Revision{15});
  EXPECT_EQ(events_after(15).back(), "MODIFIED default/b@15") << "the log does not go back";
  EXPECT_EQ(store_.stats().disorders, 1u);
}

TEST_F(PodStore, TellsOfADeletionWhenAnotherUidTakesTheName) {
  store_.apply(EventType::kAdded, pod({.name = "a", .revision = 14, .uid = "uid-new"}));
  EXPECT_EQ(events_after(10), (Lines{"DELETED default/a@13", "ADDED default/a@14"}));
  EXPECT_EQ(all_events()[0]->object->object().uid, "uid-1");
}

TEST_F(PodStore, TellsWhatAResyncFound) {
  store_.replace(batch(PodSpec{.name = "b", .revision = 17, .uid = "uid-b"},
                       PodSpec{.name = "c", .revision = 14, .uid = "uid-c"}),
                 {20});
  EXPECT_EQ(list(), (Lines{"default/b@17", "default/c@14"}));
  EXPECT_EQ(events_after(10),
            (Lines{"ADDED default/c@14", "MODIFIED default/b@17", "DELETED default/a@20"}));
  EXPECT_FALSE(reader_.get(allowed(), {"default", "a"}));
  EXPECT_EQ(store_.stats().objects, 2u);
}

TEST_F(PodStore, GivesAFoundDeletionTheListsRevisionInItsContentToo) {
  store_.replace({}, {12345});
  const auto events = all_events();
  ASSERT_EQ(events.size(), 2u);
  const kube::Object& object = events[0]->object->object();
  EXPECT_EQ(object.revision, Revision{12345});
  EXPECT_NE(object.body.find(R"("resourceVersion":"12345")"), std::string::npos);
  EXPECT_EQ(object.pod()->node_name, "n1");
  EXPECT_EQ(events[0]->previous->object().revision, Revision{3});
}

TEST_F(PodStore, RepeatsAResyncsDeletionsToWhoResumesInsideIt) {
  store_.replace({}, {20});
  EXPECT_EQ(events_after(20), (Lines{"DELETED default/a@20", "DELETED default/b@20"}));
  const auto listed = reader_.list_and_position(allowed(), {}).value();
  EXPECT_TRUE(reader_.events(allowed(), listed.position, 10)->empty()) << "a position is exact";
}

TEST_F(PodStore, MakesNoEventsAndKeepsTheRecordsWhenAResyncFindsNothing) {
  const RecordRef before = reader_.get(allowed(), {"default", "a"});
  store_.replace(batch(PodSpec{.name = "a", .revision = 3, .node = "n1"},
                       PodSpec{.name = "b", .revision = 5, .uid = "uid-b", .node = "n2"}),
                 {20});
  EXPECT_EQ(events_after(10), Lines{});
  EXPECT_EQ(reader_.get(allowed(), {"default", "a"}), before);
  EXPECT_EQ(reader_.freshness().revision, Revision{20});
}

TEST_F(PodStore, TakesARestoredUpstreamAsTheTruthAndForgetsItsHistory) {
  store_.apply(EventType::kModified, pod({.name = "a", .revision = 30}));
  const auto listed = reader_.list_and_position(allowed(), {}).value();
  store_.replace(batch(PodSpec{.name = "a", .revision = 2}, PodSpec{.name = "c", .revision = 4}),
                 {6});
  EXPECT_EQ(list(), (Lines{"default/a@2", "default/c@4"}));
  EXPECT_EQ(reader_.get(allowed(), {"default", "a"})->object().revision, Revision{2});
  EXPECT_FALSE(reader_.get(allowed(), {"default", "b"}));
  EXPECT_EQ(reader_.events(allowed(), listed.position, 10).error().code, ErrorCode::kExpired);
  EXPECT_EQ(reader_.freshness().revision, Revision{6});
  EXPECT_EQ(store_.stats().restores, 1u);
  EXPECT_EQ(reader_.watch_from(allowed(), {30}).error().code, ErrorCode::kExpired);
  EXPECT_TRUE(reader_.watch_from(allowed(), {31})) << "no such revision was seen before";
  store_.apply(EventType::kModified, pod({.name = "a", .revision = 7}));
  EXPECT_EQ(events_after(6), (Lines{"MODIFIED default/a@7"}));
}

TEST_F(PodStore, ForgetsItsHistoryWhereARestoredUpstreamHasPassedItMeanwhile) {
  store_.apply(EventType::kModified, pod({.name = "a", .revision = 30}));
  const auto listed = reader_.list_and_position(allowed(), {}).value();
  const auto proof = store_.replace(
      batch(PodSpec{.name = "a", .revision = 3}, PodSpec{.name = "c", .revision = 35}), {40});
  EXPECT_EQ(proof, WatchProof::kRestored);
  EXPECT_EQ(list(), (Lines{"default/a@3", "default/c@35"}));
  EXPECT_EQ(reader_.events(allowed(), listed.position, 10).error().code, ErrorCode::kExpired);
  EXPECT_EQ(store_.stats().restores, 1u);
}

TEST_F(PodStore, LetsWatchersStartOverWhereAListShowsWhatNoWatchTold) {
  store_.progress({20});
  const auto listed = reader_.list_and_position(allowed(), {}).value();
  const auto proof =
      store_.replace(batch(PodSpec{.name = "a", .revision = 3, .node = "n1", .phase = "Failed"},
                           PodSpec{.name = "b", .revision = 14, .uid = "uid-b", .node = "n2"}),
                     {30});
  EXPECT_EQ(proof, WatchProof::kUntold);
  EXPECT_EQ(store_.stats().untold, 1u);
  EXPECT_EQ(list(), (Lines{"default/a@3", "default/b@14"}));
  EXPECT_EQ(reader_.get(allowed(), {"default", "a"})->object().pod()->phase, "Failed");
  EXPECT_EQ(reader_.events(allowed(), listed.position, 10).error().code, ErrorCode::kExpired);
  EXPECT_EQ(reader_.watch_from(allowed(), {20}).error().code, ErrorCode::kExpired);
  EXPECT_EQ(events_after(30), Lines{});
}

TEST_F(PodStore, AgesUntilThereIsNewEvidence) {
  clock_.advance(5s);
  EXPECT_EQ(reader_.freshness().age, 5s);
  store_.progress({9});
  EXPECT_EQ(reader_.freshness().age, 5s) << "an older revision proves nothing";
  store_.progress({12});
  EXPECT_EQ(reader_.freshness().age, 0s);
  EXPECT_EQ(reader_.freshness().revision, Revision{12});
  EXPECT_EQ(reader_.list(allowed(), {})->freshness.revision, Revision{12});
}

base::Task<bool> woken(runtime::Wakeup& wakeup, base::Clock& clock) {
  auto wait = wakeup.wait_until(clock.now());
  co_return co_await std::move(wait);
}

TEST(StoreWakeups, ComeForEveryEventAndMarkOfProgressAndForNothingElse) {
  runtime::SimulatedWorld world(1);
  Store store(world.clock(), testing::pod_store());
  const Reader reader(store);
  store.replace(batch(PodSpec{.name = "a", .revision = 3}), {10});
  std::vector<bool> heard;
  world.run_task([&]() -> base::Task<void> {
    runtime::Wakeup wakeup(world.clock());
    const auto subscription = reader.subscribe(wakeup);
    const auto listen = [&]() -> base::Task<void> {
      auto task = woken(wakeup, world.clock());
      heard.push_back(co_await std::move(task));
    };
    for (int step = 0; step < 4; ++step) {
      if (step == 0) store.apply(EventType::kModified, pod({.name = "a", .revision = 11}));
      if (step == 1) store.progress({12});
      if (step == 2) store.apply(EventType::kModified, pod({.name = "a", .revision = 11}));
      if (step == 3) store.replace({}, {20});
      auto task = listen();
      co_await std::move(task);
    }
  });
  EXPECT_EQ(heard, (std::vector<bool>{true, true, false, true}));
}

TEST_F(PodStore, RefusesAProofForSomethingElse) {
  EXPECT_THROW((void)reader_.list(allowed("nodes"), {}), base::Panic);
  EXPECT_THROW((void)reader_.list(allowed("pods", "default"), {}), base::Panic);
  EXPECT_THROW((void)reader_.get(allowed("pods", "kube-system"), {"default", "a"}), base::Panic);
  EXPECT_TRUE(reader_.get(allowed("pods", "default"), {"default", "a"}));
}

TEST_F(PodStore, LeavesNothingBehind) {
  for (std::uint64_t r = 11; r < 3000; ++r) {
    const std::string name = "p" + std::to_string(r % 7);
    store_.apply(r % 3 == 0 ? EventType::kDeleted : EventType::kModified,
                 pod({.name = name, .revision = r, .node = "n" + std::to_string(r % 2)}));
  }
  store_.replace({}, {5000});
  EXPECT_EQ(store_.stats().objects, 0u);
  EXPECT_EQ(store_.stats().bytes, 0u);
  // What is freed may retire what it held, also of the tests before.
  while (base::Epoch::collect() > 0) {
  }
  EXPECT_EQ(base::Epoch::pending().records, 0u);
}

TEST(Store, LearnsTheScopeOfItsObjectsLater) {
  kube::Resource gadgets;
  gadgets.group = "example.com";
  gadgets.plural = "gadgets";
  testing::StandingClock clock;
  Store store(clock, {.resource = gadgets, .map = {}, .log = {}});
  store.set_namespaced(false);
  gadgets.namespaced = false;
  std::vector<std::unique_ptr<kube::Object>> objects;
  objects.push_back(
      kube::decode_object(gadgets, R"({"metadata":{"name":"a","resourceVersion":"3"}})").value());
  store.replace(std::move(objects), {5});
  store.replace({}, {9});
  const Reader reader(store);
  const auto may = [] { return allowed("gadgets.example.com"); };
  const auto events = reader.events(may(), reader.watch_from(may(), {5}).value(), 10).value();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0]->object->object().body, R"("metadata":{"name":"a","resourceVersion":"9"}})");
}

}  // namespace
}  // namespace podkeeper::state
