#include "tests/cmap/support/linearizability.h"

#include "pkg/cmap/map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "tests/cmap/support/buggy_map.h"
#include "tests/cmap/support/recorder.h"

namespace podkeeper::cmap::testing {
namespace {

using Kind = Operation::Kind;

Verdict::Kind verdict(std::vector<Operation> history) {
  return check_linearizable(std::move(history)).kind;
}
Operation find(std::uint32_t thread, std::uint64_t from, std::uint64_t to, std::uint64_t value) {
  return {.kind = Kind::kFind, .thread = thread, .value = value, .invoked = from, .returned = to};
}
Operation put(std::uint32_t thread, std::uint64_t from, std::uint64_t to, std::uint64_t value,
              bool is_new) {
  return {.kind = Kind::kPut,
          .thread = thread,
          .value = value,
          .answer = is_new,
          .invoked = from,
          .returned = to};
}
Operation erase(std::uint32_t thread, std::uint64_t from, std::uint64_t to, bool erased) {
  return {
      .kind = Kind::kErase, .thread = thread, .answer = erased, .invoked = from, .returned = to};
}
Operation compare_and_put(std::uint32_t thread, std::uint64_t from, std::uint64_t to,
                          std::uint64_t expected, std::uint64_t value) {
  return {.kind = Kind::kCompareAndPut,
          .thread = thread,
          .value = value,
          .expected = expected,
          .answer = true,
          .invoked = from,
          .returned = to};
}

TEST(Linearizability, AcceptsAReadThatOverlapsAWriteWithEitherValue) {
  EXPECT_EQ(verdict({put(0, 1, 4, 7, true), find(1, 2, 3, 7)}), Verdict::Kind::kLinearizable);
  EXPECT_EQ(verdict({put(0, 1, 4, 7, true), find(1, 2, 3, 0)}), Verdict::Kind::kLinearizable);
}

TEST(Linearizability, RefusesAReadThatMissesAFinishedWrite) {
  EXPECT_EQ(verdict({put(0, 1, 2, 7, true), find(1, 3, 4, 0)}), Verdict::Kind::kViolated);
}

TEST(Linearizability, RefusesTwoReadersThatSeeOneWriteInDifferentOrder) {
  EXPECT_EQ(verdict({put(0, 1, 10, 7, true), find(1, 2, 3, 7), find(2, 4, 5, 0)}),
            Verdict::Kind::kViolated);
}

TEST(Linearizability, RefusesAValueThatNobodyPut) {
  EXPECT_EQ(verdict({put(0, 1, 2, 7, true), find(1, 3, 4, 8)}), Verdict::Kind::kViolated);
}

TEST(Linearizability, RefusesTwoCreditsForOneErase) {
  EXPECT_EQ(verdict({put(0, 1, 2, 7, true), erase(0, 3, 6, true), erase(1, 4, 5, true)}),
            Verdict::Kind::kViolated);
  EXPECT_EQ(verdict({put(0, 1, 2, 7, true), erase(0, 3, 6, true), erase(1, 4, 5, false)}),
            Verdict::Kind::kLinearizable);
}

TEST(Linearizability, RefusesTwoWinnersOfOneExpectedValue) {
  EXPECT_EQ(verdict({put(0, 1, 2, 7, true), compare_and_put(0, 3, 6, 7, 8),
                     compare_and_put(1, 4, 5, 7, 9)}),
            Verdict::Kind::kViolated);
  EXPECT_EQ(verdict({put(0, 1, 2, 7, true), compare_and_put(0, 3, 6, 7, 8),
                     compare_and_put(1, 4, 5, 8, 9)}),
            Verdict::Kind::kLinearizable);
}

TEST(Linearizability, GoesBackWhenTheFirstOrderItTriesLeadsNowhere) {
  // Both puts overlap; that which returned first must come last for the read after them.
  EXPECT_EQ(verdict({put(0, 1, 10, 7, false), put(1, 2, 5, 8, true), find(2, 11, 12, 7)}),
            Verdict::Kind::kLinearizable);
  EXPECT_EQ(verdict({put(0, 1, 10, 7, true), put(1, 2, 5, 8, false), find(2, 11, 12, 8)}),
            Verdict::Kind::kLinearizable);
  EXPECT_EQ(verdict({put(0, 1, 10, 7, true), put(1, 2, 5, 8, false), find(2, 11, 12, 7)}),
            Verdict::Kind::kViolated);
}

TEST(Linearizability, KeepsKeysApart) {
  Operation other = find(1, 3, 4, 0);
  other.key = 1;
  EXPECT_EQ(verdict({put(0, 1, 2, 7, true), other}), Verdict::Kind::kLinearizable);
}

TEST(Linearizability, NamesTheKeyAndTheCallsThatNoOrderExplains) {
  const Verdict v = check_linearizable({put(0, 1, 2, 7, true), find(1, 3, 4, 0)});
  EXPECT_NE(v.why.find("key 0"), std::string::npos) << v.why;
  EXPECT_NE(v.why.find("thread 1 [3,4] find = 0"), std::string::npos) << v.why;
}

class PlantedBug : public ::testing::TestWithParam<Bug> {};
INSTANTIATE_TEST_SUITE_P(Bugs, PlantedBug, ::testing::ValuesIn(kBugs),
                         [](const auto& each) { return to_string(each.param); });

TEST_P(PlantedBug, IsFound) {
  const auto map = make_buggy_map(GetParam());
  const auto options = RecordOptions{.operations = 10'000, .keys = 16, .fillers = 0};
  const Recorded recorded = record(*map, options);
  const Verdict v = check_linearizable(recorded.history);
  EXPECT_TRUE(v.kind == Verdict::Kind::kViolated || !recorded.broken.empty());
}

TEST(PlantedBug, IsNotSeenWhereThereIsNone) {
  const auto map = make_buggy_map(Bug::kNone);
  const Recorded recorded = record(*map, {.operations = 10'000, .keys = 16, .fillers = 0});
  const Verdict v = check_linearizable(recorded.history);
  EXPECT_EQ(v.kind, Verdict::Kind::kLinearizable) << v.why;
  EXPECT_EQ(recorded.broken, "");
}

class Histories : public ::testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(Strategies, Histories, ::testing::ValuesIn(kStrategies),
                         [](const auto& each) { return cmap::to_string(each.param); });

TEST_P(Histories, AreLinearizableWhileTablesGrowAndShrink) {
  const auto map = detail::make_map({.strategy = GetParam(), .shards = 2});
  const Recorded recorded = record(*map, {.operations = 50'000, .keys = 64, .fillers = 4'000});
  EXPECT_GE(recorded.history.size(), 200'000u);
  const Verdict v = check_linearizable(recorded.history);
  EXPECT_EQ(v.kind, Verdict::Kind::kLinearizable) << v.why;
  EXPECT_EQ(recorded.broken, "");
}

TEST_P(Histories, AreLinearizableOnAFewFoughtOverKeys) {
  const auto map = detail::make_map({.strategy = GetParam(), .shards = 1});
  const Recorded recorded = record(*map, {.operations = 20'000, .keys = 3, .fillers = 20});
  const Verdict v = check_linearizable(recorded.history);
  EXPECT_EQ(v.kind, Verdict::Kind::kLinearizable) << v.why;
  EXPECT_EQ(recorded.broken, "");
}

}  // namespace
}  // namespace podkeeper::cmap::testing
