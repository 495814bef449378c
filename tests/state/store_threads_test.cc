#include "pkg/state/store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/state/support.h"

namespace podkeeper::state {
namespace {

using kube::EventType;
using testing::allowed;

/// A history whose state at every revision can be computed: revision r concerns pod r % kPods; in
/// every third round a pod is deleted, in the others it is changed and moves to node r % kNodes.
namespace history {
constexpr std::uint64_t kPods = 300;
constexpr std::uint64_t kNodes = 7;
constexpr std::uint64_t kRevisions = 12'000;

std::string name(std::uint64_t pod) { return "p" + std::to_string(1000 + pod); }
bool deletes(std::uint64_t revision) { return revision / kPods % 3 == 2; }

/// The last revision that concerned the pod, or 0 when it was deleted or never there.
std::uint64_t state_of(std::uint64_t pod, std::uint64_t at) {
  if (at < pod) return 0;
  const std::uint64_t last = at - (at - pod) % kPods;
  return last == 0 || deletes(last) ? 0 : last;
}

std::unique_ptr<kube::Object> object(std::uint64_t revision) {
  return testing::pod({.name = name(revision % kPods),
                       .revision = revision,
                       .uid = "uid",
                       .node = "n" + std::to_string(revision % kNodes)});
}

void write(Store& store) {
  for (std::uint64_t r = 1; r <= kRevisions; ++r) {
    store.apply(deletes(r) ? EventType::kDeleted : EventType::kModified, object(r));
  }
}

std::vector<std::string> expected(std::uint64_t at, const std::string& node) {
  std::vector<std::string> lines;
  for (std::uint64_t pod = 0; pod < kPods; ++pod) {
    const std::uint64_t revision = state_of(pod, at);
    if (revision == 0) continue;
    if (!node.empty() && node != "n" + std::to_string(revision % kNodes)) continue;
    lines.push_back("default/" + name(pod) + "@" + std::to_string(revision));
  }
  return lines;
}
}  // namespace history

/// Asks until the writer is done: the present, one node, and a little in the past.
void read(const Reader& reader, std::atomic<std::uint64_t>& answers) {
  std::uint64_t revision = 0;
  for (std::uint64_t i = 0; revision < history::kRevisions; ++i) {
    ListQuery query;
    const std::string node = i % 3 == 1 ? "n" + std::to_string(i % history::kNodes) : "";
    if (!node.empty()) query.fields = testing::fields("spec.nodeName=" + node);
    if (i % 3 == 2 && revision > 40) query.at = kube::Revision{revision - 40};
    const auto list = reader.list(allowed(), query);
    if (!list) {
      ASSERT_EQ(list.error().code, base::ErrorCode::kExpired);
      revision = reader.freshness().revision.value;
      continue;
    }
    const std::uint64_t at = list->freshness.revision.value;
    ASSERT_EQ(testing::text(list->records), history::expected(at, node)) << "at " << at;
    if (!query.at) {
      ASSERT_GE(at, revision) << "a reader never goes back in time";
      revision = at;
    }
    answers.fetch_add(1, std::memory_order_relaxed);
  }
}

/// Follows the log and reads each event exactly once.
void follow(const Reader& reader, std::uint64_t position) {
  std::uint64_t last = 0;
  while (last < history::kRevisions) {
    const auto events = reader.events(allowed(), position, 64);
    ASSERT_TRUE(events) << events.error().message;
    for (const EventRef& event : *events) {
      ASSERT_GT(event->revision.value, last);
      last = event->revision.value;
      position = event->index + 1;
    }
  }
}

TEST(StoreThreads, TellNoEventBeforeTheOtherReadsFindItDone) {
  testing::StandingClock clock;
  Store store(clock, testing::pod_store(1 << 14));
  store.replace({}, {0});
  const Reader reader(store);
  std::uint64_t position = reader.list_and_position(allowed(), {})->position;
  std::uint64_t early = 0;
  std::thread follower([&] {
    for (std::uint64_t last = 0; last < history::kRevisions;) {
      const auto events = reader.events(allowed(), position, 64);
      ASSERT_TRUE(events) << events.error().message;
      for (const EventRef& event : *events) {
        last = event->revision.value;
        position = event->index + 1;
        if (reader.freshness().revision.value < last) ++early;
      }
    }
  });
  history::write(store);
  follower.join();
  EXPECT_EQ(early, 0u);
}

TEST(StoreThreads, LetWitnessesSpeakWhileTheWriterWrites) {
  testing::StandingClock clock;
  Store store(clock, testing::pod_store());
  store.replace({}, {0});
  const Reader reader(store);
  const auto witness = [&] {
    std::uint64_t last = 0;
    while (last < history::kRevisions) {
      const auto held = reader.freshness().revision;
      ASSERT_GE(held.value, last) << "nobody takes a revision back";
      last = held.value;
      ASSERT_TRUE(store.confirm(held, clock.now()));
      ASSERT_TRUE(store.confirm_quiet(held, held));
    }
  };
  std::vector<std::thread> witnesses;
  for (int i = 0; i < 2; ++i) witnesses.emplace_back(witness);
  history::write(store);
  for (std::thread& one : witnesses) one.join();
  EXPECT_EQ(testing::text(reader.list(allowed(), {})->records),
            history::expected(history::kRevisions, ""));
}

TEST(StoreThreads, GiveEveryReaderTheExactStateAtItsRevision) {
  testing::StandingClock clock;
  Store store(clock, testing::pod_store(1 << 14));
  store.replace({}, {0});
  const Reader reader(store);
  std::atomic<std::uint64_t> answers{0};
  const std::uint64_t start = reader.list_and_position(allowed(), {})->position;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) readers.emplace_back([&] { read(reader, answers); });
  readers.emplace_back([&] { follow(reader, start); });
  std::thread points([&] {
    while (reader.freshness().revision.value < history::kRevisions) {
      const RecordRef record = reader.get(allowed(), {"default", history::name(17)});
      if (record) ASSERT_EQ(record->object().revision.value % history::kPods, 17u);
    }
  });
  history::write(store);
  for (std::thread& thread : readers) thread.join();
  points.join();
  EXPECT_GT(answers.load(), 10u);
  EXPECT_EQ(store.stats().stale_events + store.stats().disorders, 0u);
}

}  // namespace
}  // namespace podkeeper::state
