#include "pkg/state/store.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/faults/record.h"
#include "tests/state/support.h"

namespace podkeeper::state {
namespace {

using base::ErrorCode;
using kube::EventType;
using kube::Revision;
using testing::allowed;
using testing::batch;
using testing::pod;
using testing::PodSpec;
using Lines = std::vector<std::string>;

/// Five pods in three namespaces on two nodes, at revision 10.
class PodReader : public ::testing::Test {
 protected:
  PodReader() {
    store_.replace(
        batch(PodSpec{.namespace_ = "a", .name = "x", .revision = 1, .node = "n1"},
              PodSpec{.namespace_ = "a", .name = "y", .revision = 2, .node = "n2"},
              PodSpec{.namespace_ = "a-b", .name = "x", .revision = 3, .labels = {{"app", "web"}}},
              PodSpec{.namespace_ = "b", .name = "x", .revision = 4, .node = "n1"},
              PodSpec{.namespace_ = "b", .name = "z", .revision = 5, .labels = {{"app", "web"}}}),
        {10});
  }
  ListResult list(const ListQuery& query) { return reader_.list(allowed(), query).value(); }
  Lines lines(const ListQuery& query) { return testing::text(list(query).records); }

  testing::StandingClock clock_;
  Store store_{clock_, testing::pod_store(8)};
  Reader reader_{store_};
};

TEST_F(PodReader, ListsInTheOrderOfEtcdsKeys) {
  EXPECT_EQ(lines({}), (Lines{"a-b/x@3", "a/x@1", "a/y@2", "b/x@4", "b/z@5"}));
}

TEST_F(PodReader, ListsOneNamespaceAlone) {
  EXPECT_EQ(lines({.namespace_ = "a"}), (Lines{"a/x@1", "a/y@2"}));
  EXPECT_EQ(lines({.namespace_ = "a-"}), Lines{});
  EXPECT_EQ(lines({.fields = testing::fields("metadata.namespace=b")}), (Lines{"b/x@4", "b/z@5"}));
  EXPECT_EQ(lines({.namespace_ = "a", .fields = testing::fields("metadata.namespace=b")}), Lines{});
}

TEST_F(PodReader, SelectsByNodeNameAndLabel) {
  EXPECT_EQ(lines({.fields = testing::fields("spec.nodeName=n1")}), (Lines{"a/x@1", "b/x@4"}));
  EXPECT_EQ(lines({.namespace_ = "b", .fields = testing::fields("spec.nodeName=n1")}),
            (Lines{"b/x@4"}));
  EXPECT_EQ(lines({.fields = testing::fields("spec.nodeName=")}), (Lines{"a-b/x@3", "b/z@5"}));
  EXPECT_EQ(lines({.fields = testing::fields("spec.nodeName!=n1")}),
            (Lines{"a-b/x@3", "a/y@2", "b/z@5"}));
  EXPECT_EQ(lines({.fields = testing::fields("metadata.name=x")}),
            (Lines{"a-b/x@3", "a/x@1", "b/x@4"}));
  EXPECT_EQ(lines({.namespace_ = "a", .fields = testing::fields("metadata.name=x")}),
            (Lines{"a/x@1"}));
  EXPECT_EQ(lines({.labels = testing::labels("app=web")}), (Lines{"a-b/x@3", "b/z@5"}));
}

TEST_F(PodReader, TellsWhatIsLeftUnlessThereIsASelector) {
  const ListResult page = list({.limit = 2});
  EXPECT_EQ(testing::text(page.records), (Lines{"a-b/x@3", "a/x@1"}));
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.remaining, 3);
  const ListResult last = list({.limit = 3, .start_after = "a/x"});
  EXPECT_EQ(testing::text(last.records), (Lines{"a/y@2", "b/x@4", "b/z@5"}));
  EXPECT_FALSE(last.more);
  EXPECT_EQ(last.remaining, 0);
  const ListResult selected = list({.labels = testing::labels("app=web"), .limit = 1});
  EXPECT_TRUE(selected.more);
  EXPECT_EQ(selected.remaining, std::nullopt);
  EXPECT_FALSE(list({.labels = testing::labels("app=web"), .limit = 2}).more)
      << "what follows does not match";
}

TEST_F(PodReader, ShowsAnOlderRevisionExactly) {
  store_.apply(EventType::kDeleted, pod({.namespace_ = "a", .name = "x", .revision = 11}));
  store_.apply(EventType::kAdded,
               pod({.namespace_ = "a", .name = "x", .revision = 12, .uid = "2"}));
  store_.apply(EventType::kModified,
               pod({.namespace_ = "b", .name = "x", .revision = 13, .node = "n2"}));
  store_.apply(EventType::kAdded,
               pod({.namespace_ = "c", .name = "x", .revision = 14, .uid = "c"}));
  EXPECT_EQ(lines({.at = Revision{10}}), (Lines{"a-b/x@3", "a/x@1", "a/y@2", "b/x@4", "b/z@5"}));
  EXPECT_EQ(lines({.at = Revision{11}}), (Lines{"a-b/x@3", "a/y@2", "b/x@4", "b/z@5"}));
  EXPECT_EQ(lines({.at = Revision{12}}), (Lines{"a-b/x@3", "a/x@12", "a/y@2", "b/x@4", "b/z@5"}));
  EXPECT_EQ(lines({.fields = testing::fields("spec.nodeName=n1"), .at = Revision{12}}),
            (Lines{"b/x@4"}));
  EXPECT_EQ(lines({.fields = testing::fields("spec.nodeName=n2"), .at = Revision{12}}),
            (Lines{"a/y@2"}));
  const ListResult page = list({.limit = 1, .start_after = "a/y", .at = Revision{11}});
  EXPECT_EQ(testing::text(page.records), (Lines{"b/x@4"}));
  EXPECT_EQ(page.remaining, 1);
  EXPECT_EQ(page.freshness.revision, Revision{11});
}

TEST_F(PodReader, RefusesARevisionThatIsForgottenOrNotReached) {
  for (std::uint64_t r = 11; r <= 20; ++r) {
    store_.apply(EventType::kModified, pod({.namespace_ = "a", .name = "y", .revision = r}));
  }
  const auto error = [&](std::uint64_t at) {
    return reader_.list(allowed(), {.at = Revision{at}}).error().code;
  };
  EXPECT_EQ(error(11), ErrorCode::kExpired);
  EXPECT_EQ(error(21), ErrorCode::kTimeout);
  EXPECT_EQ(lines({.namespace_ = "a", .at = Revision{12}}), (Lines{"a/x@1", "a/y@12"}));
}

TEST_F(PodReader, HasNoExactListAndNoWatchOfWhatHappenedBetweenTwoLists) {
  const auto code_at = [&](std::uint64_t at) -> std::optional<ErrorCode> {
    const auto listed = reader_.list(allowed(), {.at = Revision{at}});
    return listed ? std::nullopt : std::optional(listed.error().code);
  };
  store_.replace(batch(PodSpec{.namespace_ = "a", .name = "x", .revision = 1, .node = "n1"},
                       PodSpec{.namespace_ = "a", .name = "y", .revision = 15}),
                 Revision{20});
  EXPECT_EQ(code_at(10), std::nullopt);
  EXPECT_EQ(code_at(11), ErrorCode::kExpired);
  EXPECT_EQ(code_at(19), ErrorCode::kExpired);
  EXPECT_EQ(code_at(20), std::nullopt);
  // Who has seen 15 elsewhere may know of what was made after 10 and ended before 20.
  EXPECT_TRUE(reader_.watch_from(allowed(), Revision{10}));
  EXPECT_EQ(reader_.watch_from(allowed(), Revision{15}).error().code, ErrorCode::kExpired);
  EXPECT_TRUE(reader_.watch_from(allowed(), Revision{20}));
}

TEST_F(PodReader, GivesAPositionThatNeitherLosesNorRepeatsAChange) {
  store_.apply(EventType::kModified, pod({.namespace_ = "a", .name = "y", .revision = 11}));
  const auto now = reader_.list_and_position(allowed(), {}).value();
  const auto past = reader_.list_and_position(allowed(), {.at = Revision{10}}).value();
  store_.apply(EventType::kModified, pod({.namespace_ = "a", .name = "y", .revision = 12}));
  EXPECT_EQ(testing::text(reader_.events(allowed(), now.position, 9).value()),
            (Lines{"MODIFIED a/y@12"}));
  EXPECT_EQ(testing::text(reader_.events(allowed(), past.position, 9).value()),
            (Lines{"MODIFIED a/y@11", "MODIFIED a/y@12"}));
}

/// What one watcher holds: the list it began with, and every event since.
std::set<std::string> watch_to(const Reader& reader, Revision last) {
  auto begun = reader.list_and_position(allowed(), {}).value();
  std::set<std::string> held;
  for (const std::string& line : testing::text(begun.list.records)) held.insert(line);
  while (true) {
    const bool ends = reader.freshness().revision >= last;
    const auto events = reader.events(allowed(), begun.position, 64).value();
    begun.position += events.size();
    for (const std::string& line : testing::text(events)) {
      const std::string object = line.substr(line.find(' ') + 1);
      const std::string key = object.substr(0, object.find('@')) + "@";
      std::erase_if(held, [&](const std::string& one) { return one.starts_with(key); });
      if (!line.starts_with("DELETED")) held.insert(object);
    }
    if (ends && events.empty()) return held;
  }
}

/// kube-apiserver 1.27 lost events of a watch that was opened while its cache was initialized
/// (kubernetes/kubernetes#116122).
TEST(Watches, MissNothingThoughOpenedWhileTheMirrorIsListedAnew) {
  constexpr std::uint64_t kLists = 300;
  testing::StandingClock clock;
  Store store(clock, testing::pod_store(1 << 14));
  const Reader reader(store);
  // Of each three pods another one is missing in every list, and every one has changed.
  const auto list_anew = [&](std::uint64_t at) {
    std::vector<std::unique_ptr<kube::Object>> objects;
    for (std::uint64_t i = 0; i < 30; ++i) {
      if (i % 3 == at % 3) continue;
      objects.push_back(pod({.name = "p" + std::to_string(i), .revision = at * 100 + i}));
    }
    store.replace(std::move(objects), Revision{at * 100 + 50});
  };
  list_anew(1);
  const Revision last{kLists * 100 + 50};
  std::vector<std::set<std::string>> held(3);
  {
    std::vector<std::jthread> watchers;
    for (auto& one : held) {
      watchers.emplace_back([&] { one = watch_to(reader, last); });
    }
    for (std::uint64_t at = 2; at <= kLists; ++at) list_anew(at);
  }
  std::set<std::string> expected;
  for (const auto& line : testing::text(reader.list(allowed(), {}).value().records)) {
    expected.insert(line);
  }
  EXPECT_EQ(expected.size(), 20U);
  for (const auto& one : held) EXPECT_EQ(one, expected);
  faults::record({.row = 60,
                  .outcome = "the watch ends with what the last list holds: nothing is missed",
                  .evidence = "test"});
}

}  // namespace
}  // namespace podkeeper::state
