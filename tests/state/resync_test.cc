#include "pkg/state/resync.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/state/support.h"

namespace podkeeper::state {
namespace {

using kube::WatchProof;
using testing::batch;
using testing::PodSpec;

/// What a store holds, and what a LIST then makes of it.
class Diff : public ::testing::Test {
 protected:
  void hold(const PodSpec& spec) {
    held_.push_back(testing::record(spec));
    index_.put(*held_.back());
  }
  Resync listed(std::vector<std::unique_ptr<kube::Object>> objects, std::uint64_t revision,
                std::uint64_t seen = 0) {
    return diff(index_.view(), std::move(objects), {revision}, {seen});
  }
  static std::vector<std::string> changes(const Resync& resync) {
    std::vector<std::string> lines;
    for (const ResyncChange& change : resync.changes) {
      const std::string_view key =
          change.object ? change.object->key_text() : change.held->key_text();
      lines.push_back(std::string(kube::to_string(change.type)) + " " + std::string(key) + "@" +
                      to_string(change.revision));
    }
    return lines;
  }
  using Lines = std::vector<std::string>;

  std::vector<RecordRef> held_;
  OrderedIndex index_{IndexOrder::kKey};
};

TEST_F(Diff, IsEmptyForWhatDidNotChangeAndKeepsTheRecords) {
  hold({.name = "a", .revision = 3});
  hold({.name = "b", .revision = 5});
  const Resync resync =
      listed(batch(PodSpec{.name = "a", .revision = 3}, PodSpec{.name = "b", .revision = 5}), 9);
  EXPECT_EQ(changes(resync), Lines{});
  EXPECT_EQ(resync.content, held_);
}

TEST_F(Diff, TellsChangesByTheirRevisionAndThenDeletionsAtTheLists) {
  hold({.name = "a", .revision = 3});
  hold({.name = "gone-1", .revision = 4});
  hold({.name = "gone-2", .revision = 5});
  const Resync resync = listed(
      batch(PodSpec{.name = "a", .revision = 19}, PodSpec{.name = "b", .revision = 11, .uid = "b"},
            PodSpec{.name = "c", .revision = 15, .uid = "c"}),
      20);
  EXPECT_EQ(changes(resync),
            (Lines{"ADDED default/b@11", "ADDED default/c@15", "MODIFIED default/a@19",
                   "DELETED default/gone-1@20", "DELETED default/gone-2@20"}));
  EXPECT_EQ(testing::text(resync.content), (Lines{"default/a@19", "default/b@11", "default/c@15"}));
}

TEST_F(Diff, DeletesBeforeItAddsAnotherObjectOfTheSameName) {
  hold({.name = "web-0", .revision = 3, .uid = "old"});
  const Resync resync = listed(batch(PodSpec{.name = "web-0", .revision = 12, .uid = "new"}), 20);
  EXPECT_EQ(changes(resync), (Lines{"DELETED default/web-0@11", "ADDED default/web-0@12"}));
}

TEST_F(Diff, LeavesOutAnObjectOlderThanTheOneHeldWhereTheListMayNotKnowIt) {
  hold({.name = "a", .revision = 9});
  const Resync resync = listed(batch(PodSpec{.name = "a", .revision = 7}), 8);
  EXPECT_EQ(changes(resync), Lines{});
  EXPECT_EQ(testing::text(resync.content), (Lines{"default/a@9"}));
  EXPECT_EQ(resync.stale, 1u);
  EXPECT_EQ(resync.proof, WatchProof::kNone);
}

TEST_F(Diff, TakesTheListAsItIsWhereItLacksAChangeThatItHadToKnow) {
  hold({.name = "a", .revision = 9});
  hold({.name = "b", .revision = 8, .phase = "Running"});
  hold({.name = "c", .revision = 5});
  const Resync resync = listed(batch(PodSpec{.name = "a", .revision = 7},
                                     PodSpec{.name = "b", .revision = 8, .phase = "Failed"},
                                     PodSpec{.name = "c", .revision = 5}),
                               20, /*seen=*/10);
  EXPECT_EQ(resync.proof, WatchProof::kRestored);
  EXPECT_EQ(resync.stale, 0u);
  EXPECT_EQ(testing::text(resync.content), (Lines{"default/a@7", "default/b@8", "default/c@5"}));
  EXPECT_EQ(resync.content[1]->object().pod()->phase, "Failed");
}

TEST_F(Diff, TakesTheListAsItIsAfterARestore) {
  hold({.name = "a", .revision = 9});
  hold({.name = "b", .revision = 8, .phase = "Running"});
  const Resync resync = listed(batch(PodSpec{.name = "a", .revision = 7},
                                     PodSpec{.name = "b", .revision = 8, .phase = "Failed"}),
                               8, /*seen=*/9);
  EXPECT_EQ(resync.proof, WatchProof::kRestored);
  EXPECT_EQ(testing::text(resync.content), (Lines{"default/a@7", "default/b@8"}));
  EXPECT_EQ(resync.content[1]->object().pod()->phase, "Failed")
      << "a revision that was given out twice does not mean the same object";
}

TEST_F(Diff, ProvesThatWatchesDidNotTellWhatTheyPassed) {
  const PodSpec held{.name = "a", .revision = 9, .phase = "Running"};
  const PodSpec other{.name = "b", .revision = 15};
  const PodSpec rewritten{.name = "a", .revision = 9, .phase = "Failed"};
  const PodSpec changed{.name = "a", .revision = 14};
  const PodSpec another{.name = "a", .revision = 20, .uid = "another"};
  hold(held);
  const auto proof = [&](auto objects, std::uint64_t at, std::uint64_t seen) {
    return listed(std::move(objects), at, seen).proof;
  };
  EXPECT_EQ(proof(batch(rewritten), 30, 20), WatchProof::kUntold);
  EXPECT_EQ(proof(batch(changed), 30, 20), WatchProof::kUntold);
  EXPECT_EQ(proof(batch(held, other), 30, 20), WatchProof::kUntold);
  EXPECT_EQ(proof(batch(another), 30, 20), WatchProof::kUntold);
  EXPECT_EQ(proof(batch(), 20, 20), WatchProof::kUntold) << "the deletion was passed";

  EXPECT_EQ(proof(batch(held), 20, 20), WatchProof::kNone);
  EXPECT_EQ(proof(batch(changed), 30, 13), WatchProof::kNone);
  EXPECT_EQ(proof(batch(held, other), 30, 14), WatchProof::kNone);
  EXPECT_EQ(proof(batch(another), 30, 19), WatchProof::kNone);
  EXPECT_EQ(proof(batch(), 21, 20), WatchProof::kNone);
}

TEST_F(Diff, TakesOtherBytesOfTheSameRevision) {
  hold({.name = "a", .revision = 9, .phase = "Running"});
  const Resync resync =
      listed(batch(PodSpec{.name = "a", .revision = 9, .phase = "Failed"}), 20, /*seen=*/20);
  EXPECT_EQ(changes(resync), (Lines{"MODIFIED default/a@9"}));
  EXPECT_EQ(resync.content[0]->object().pod()->phase, "Failed");
}

TEST_F(Diff, SortsAListAndKeepsTheNewerOfADoubledObject) {
  const Resync resync =
      listed(batch(PodSpec{.name = "b", .revision = 2}, PodSpec{.name = "a", .revision = 3},
                   PodSpec{.name = "b", .revision = 4}),
             20);
  EXPECT_EQ(testing::text(resync.content), (Lines{"default/a@3", "default/b@4"}));
  EXPECT_EQ(resync.stale, 1u);
}

}  // namespace
}  // namespace podkeeper::state
