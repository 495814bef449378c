#include "pkg/state/event_log.h"

#include "pkg/base/panic.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/state/support.h"

namespace podkeeper::state {
namespace {

using base::ErrorCode;
using kube::EventType;
using kube::Revision;

base::Ref<Event> change(std::uint64_t revision, RecordRef object, RecordRef previous = {},
                        EventType type = EventType::kAdded) {
  auto event = base::make_ref<Event>();
  event->type = type;
  event->revision = {revision};
  event->object = std::move(object);
  event->previous = std::move(previous);
  return event;
}

/// A log of `events_max` events that begins after revision 100, with one record for all events.
class Log : public ::testing::Test {
 protected:
  void append(std::uint64_t revision) { log_.append(change(revision, record_)); }
  std::vector<std::uint64_t> revisions(std::uint64_t next, std::size_t max = 100) {
    std::vector<std::uint64_t> found;
    for (const EventRef& event : log_.read(next, max).value())
      found.push_back(event->revision.value);
    return found;
  }
  std::vector<std::uint64_t> revisions_after(std::uint64_t revision) {
    return revisions(log_.after({revision}).value());
  }
  ErrorCode error_after(std::uint64_t revision) { return log_.after({revision}).error().code; }

  Log() { log_.reset({100}); }
  RecordRef record_ = testing::record({});
  EventLog log_{{.events_max = 8, .bytes_max = 64 << 20}};
};

TEST_F(Log, GivesEachEventOnceInOrder) {
  const std::uint64_t start = log_.head();
  for (std::uint64_t r = 101; r <= 105; ++r) append(r);
  EXPECT_EQ(revisions(start, 2), (std::vector<std::uint64_t>{101, 102}));
  EXPECT_EQ(revisions(start + 2), (std::vector<std::uint64_t>{103, 104, 105}));
  EXPECT_EQ(log_.head(), start + 5);
  EXPECT_TRUE(revisions(log_.head()).empty());
}

TEST_F(Log, TellsACursorThatTheRingPassedItsEvents) {
  const std::uint64_t start = log_.head();
  for (std::uint64_t r = 101; r <= 109; ++r) append(r);
  EXPECT_EQ(log_.read(start, 10).error().code, ErrorCode::kExpired);
  EXPECT_EQ(revisions(start + 1).size(), 8u);
  EXPECT_EQ(log_.floor(), Revision{101});
  EXPECT_EQ(error_after(100), ErrorCode::kExpired);
  EXPECT_EQ(revisions_after(101).front(), 102u);
}

TEST_F(Log, FindsTheFirstEventAfterARevision) {
  for (const std::uint64_t r : {102u, 105u, 109u}) append(r);
  EXPECT_EQ(revisions_after(100), (std::vector<std::uint64_t>{102, 105, 109}));
  EXPECT_EQ(revisions_after(102), (std::vector<std::uint64_t>{105, 109}));
  EXPECT_EQ(revisions_after(104), (std::vector<std::uint64_t>{105, 109}));
  EXPECT_TRUE(revisions_after(109).empty());
  EXPECT_TRUE(revisions_after(~std::uint64_t{0}).empty());
  EXPECT_EQ(error_after(99), ErrorCode::kExpired);
}

TEST_F(Log, ShowsEventsThatShareARevisionAgain) {
  for (const std::uint64_t r : {102u, 105u, 105u, 105u, 109u}) append(r);
  EXPECT_EQ(revisions_after(105), (std::vector<std::uint64_t>{105, 105, 105, 109}));
  EXPECT_EQ(revisions_after(104), (std::vector<std::uint64_t>{105, 105, 105, 109}));
  EXPECT_EQ(revisions_after(109), (std::vector<std::uint64_t>{}));
}

TEST_F(Log, ShowsWhatIsLeftOfASharedRevisionAtTheFloor) {
  for (int i = 0; i < 9; ++i) append(105);
  EXPECT_EQ(log_.floor(), Revision{105});
  EXPECT_EQ(revisions_after(105).size(), 8u) << "one of nine was dropped, the rest was not";
}

TEST_F(Log, ExpiresEveryCursorAtAReset) {
  append(101);
  const std::uint64_t up_to_date = log_.head();
  log_.reset({50});
  EXPECT_EQ(log_.read(up_to_date, 10).error().code, ErrorCode::kExpired);
  EXPECT_EQ(error_after(49), ErrorCode::kExpired);
  append(51);
  EXPECT_EQ(revisions_after(50), (std::vector<std::uint64_t>{51}));
  EXPECT_EQ(log_.size(), 1u);
}

TEST_F(Log, DoesNotShowAnEmptyPastWhereItBeganAnewAtAnOlderRevision) {
  for (std::uint64_t r = 101; r <= 105; ++r) append(r);
  const std::uint64_t end = log_.head();
  log_.reset({50});
  const base::Epoch::Guard guard;
  const auto shown = log_.visit(guard, {102}, end, [](const Event&) {});
  ASSERT_FALSE(shown);
  EXPECT_EQ(shown.error().code, ErrorCode::kExpired);
}

TEST_F(Log, RefusesRevisionsThatGoBack) {
  append(105);
  EXPECT_THROW(append(104), base::Panic);
}

TEST(EventLogBytes, CountsOnlyWhatTheLogAloneKeepsAlive) {
  EventLog log({.events_max = 8, .bytes_max = 64 << 20});
  const RecordRef first = testing::record({.revision = 1});
  const RecordRef second = testing::record({.revision = 2});
  log.append(change(1, first));
  EXPECT_EQ(log.bytes(), sizeof(Event)) << "what was added is held by the store anyway";
  log.append(change(2, second, first, EventType::kModified));
  EXPECT_EQ(log.bytes(), 2 * sizeof(Event) + first->bytes());
  const RecordRef last = testing::record({.revision = 3});
  log.append(change(3, last, second, EventType::kDeleted));
  EXPECT_EQ(log.bytes(), 3 * sizeof(Event) + first->bytes() + second->bytes() + last->bytes());
  log.reset({3});
  EXPECT_EQ(log.bytes(), 0u);
}

TEST(EventLogBytes, DropsTheOldestAtTheBoundButNeverTheNewest) {
  const RecordRef record = testing::record({});
  const std::size_t one = sizeof(Event) + record->bytes();
  EventLog log({.events_max = 1024, .bytes_max = 3 * one});
  for (std::uint64_t r = 1; r <= 10; ++r)
    log.append(change(r, record, record, EventType::kModified));
  EXPECT_EQ(log.size(), 3u);
  EXPECT_EQ(log.floor(), Revision{7});
  EventLog tiny({.events_max = 1024, .bytes_max = 1});
  for (std::uint64_t r = 1; r <= 10; ++r)
    tiny.append(change(r, record, record, EventType::kModified));
  EXPECT_EQ(tiny.size(), 1u);
  EXPECT_EQ(tiny.floor(), Revision{9});
}

TEST(EventLog, IsReadWithoutLossWhileItWraps) {
  EventLog log({.events_max = 64, .bytes_max = 64 << 20});
  const RecordRef record = testing::record({});
  constexpr std::uint64_t kEvents = 20'000;
  std::thread writer([&] {
    for (std::uint64_t r = 1; r <= kEvents; ++r) log.append(change(r, record));
  });
  std::uint64_t next = 1;
  std::uint64_t last = 0;
  while (last < kEvents) {
    auto events = log.read(next, 16);
    if (!events) {
      ASSERT_EQ(events.error().code, ErrorCode::kExpired);
      auto position = log.after(log.floor());
      if (position) next = *position;
      continue;
    }
    for (const EventRef& event : *events) {
      ASSERT_EQ(event->index, next);
      ASSERT_EQ(event->revision.value, next) << "the n-th event has revision n";
      ASSERT_GT(event->revision.value, last);
      last = event->revision.value;
      ++next;
    }
  }
  writer.join();
}

}  // namespace
}  // namespace podkeeper::state
