#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/faults/record.h"
#include "tests/kube/scripted_upstream.h"

// However a watch's bytes are cut into chunks and packets, the sink is told the same.
namespace podkeeper::kube {
namespace {

using namespace std::chrono_literals;
using testing::chunk;
using ::testing::ElementsAreArray;
using testing::event_line;
using ::testing::HasSubstr;
using testing::kLastChunk;
using testing::kWatchHead;
using testing::list_step;
using testing::Reflecting;
using testing::Step;
using testing::watch_step;

/// A pod whose annotation has characters of two, three and four bytes.
std::string wide_pod(const std::string& name, std::uint64_t revision) {
  return R"({"metadata":{"name":")" + name +
         R"(","namespace":"shop","annotations":{"a":"é日𝄞"},"resourceVersion":")" +
         std::to_string(revision) + R"("},"spec":{},"status":{}})";
}

std::vector<std::string> story() {
  return {event_line("ADDED", wide_pod("b", 10)), event_line("MODIFIED", wide_pod("b", 11)),
          testing::bookmark_line(12), event_line("DELETED", wide_pod("b", 13))};
}

const std::vector<std::string> kTold = {"list 9:", "ADDED shop/b@10", "MODIFIED shop/b@11", "at 12",
                                        "DELETED shop/b@13"};

std::vector<std::string> told_of(const Step& watch) {
  Reflecting test({list_step(9, {}), watch});
  test.until_noted(kTold.size());
  return test.sink.notes;
}

TEST(WatchFraming, TellsTheSameWhereverTheStreamIsSplit) {
  std::string bytes = kWatchHead;
  for (const auto& line : story()) bytes += chunk(line);
  bytes += kLastChunk;
  for (std::size_t at = 0; at <= bytes.size(); ++at) {
    const Step split{.bytes = bytes.substr(0, at), .delay = 10ms, .late = bytes.substr(at)};
    ASSERT_THAT(told_of(split), ElementsAreArray(kTold)) << "split after " << at << " bytes";
  }
  faults::record({.row = 19,
                  .outcome = "the same events for each of " + std::to_string(bytes.size() + 1) +
                             " splits of head, chunk sizes, lines and characters",
                  .evidence = "podkeeper_reflector_events_total",
                  .recovery = {}});
}

TEST(WatchFraming, TellsTheSameWhateverTheChunks) {
  std::string lines;
  for (const auto& line : story()) lines += line;
  // One chunk for all lines, then chunks of so many bytes: one, odd ones, nearly all.
  for (const std::size_t size : {lines.size(), std::size_t{1}, std::size_t{2}, std::size_t{7},
                                 std::size_t{61}, lines.size() - 1}) {
    std::string bytes = kWatchHead;
    for (std::size_t at = 0; at < lines.size(); at += size) bytes += chunk(lines.substr(at, size));
    ASSERT_THAT(told_of({.bytes = bytes + kLastChunk}), ElementsAreArray(kTold)) << size;
  }
  faults::record(
      {.row = 20,
       .outcome = "the same events from one chunk of many lines down to chunks of a byte",
       .evidence = "podkeeper_reflector_events_total",
       .recovery = {}});
}

TEST(WatchFraming, GoesOnBeyondEightMebibytes) {
  const std::string padding(1 << 20, 'p');
  std::vector<std::string> lines;
  for (std::uint64_t revision = 10; revision < 20; ++revision) {
    lines.push_back(event_line(
        "MODIFIED", R"({"metadata":{"name":"a","namespace":"shop","annotations":{"p":")" + padding +
                        R"("},"resourceVersion":")" + std::to_string(revision) +
                        R"("},"spec":{},"status":{}})"));
  }
  Reflecting test({list_step(9, {}), watch_step(lines)});
  ASSERT_TRUE(test.until_noted(11));
  EXPECT_EQ(test.upstream.asked().size(), 2);
  EXPECT_TRUE(test.reflector->watching());
  faults::record({.row = 26,
                  .outcome = "one watch brings 10 MiB and stays up",
                  .evidence = "podkeeper_reflector_watches_total does not move",
                  .recovery = {}});
}

TEST(WatchFraming, TakesAHundredThousandEventsAtOnceInOrder) {
  constexpr std::uint64_t kEvents = 100'000;
  std::vector<std::string> chunks;
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    if (i % 500 == 0) chunks.emplace_back();
    chunks.back() +=
        event_line("MODIFIED", testing::pod_json("p" + std::to_string(i % 100), 10 + i));
  }
  Reflecting test({list_step(9, {}), watch_step(chunks)});
  const auto began = test.world.clock().now();
  ASSERT_TRUE(test.until_noted(kEvents + 1));
  const auto took = test.world.clock().now() - began;
  EXPECT_EQ(test.sink.notes.back(), "MODIFIED shop/p99@100009");
  EXPECT_EQ(test.upstream.asked().size(), 2);
  EXPECT_THAT(test.metrics.render(),
              HasSubstr(R"(podkeeper_reflector_event_lag_seconds_count{resource="pods"} 100000)"));
  faults::record(
      {.row = 28,
       .outcome = "each in order, none queued: the watch is read as fast as it is applied",
       .evidence = "podkeeper_reflector_event_lag_seconds",
       .recovery = took});
}

TEST(ListFraming, TakesAPageOfMoreThanEightMebibytes) {
  std::vector<std::string> items;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    items.push_back(R"({"metadata":{"name":"p)" + std::to_string(i) +
                    R"(","namespace":"shop","annotations":{"p":")" + std::string(400, 'p') +
                    R"("},"resourceVersion":")" + std::to_string(i + 1) +
                    R"("},"spec":{},"status":{}})");
  }
  const Step page = list_step(20'001, items);
  ASSERT_GT(page.bytes.size(), 8u << 20);
  Reflecting test({page, watch_step({})});
  ASSERT_TRUE(test.until_asked(2));
  EXPECT_TRUE(test.sink.notes.at(0).ends_with(" shop/p19999@20000"));
  faults::record({.row = 7,
                  .outcome = "20,000 pods in one page of " +
                             std::to_string(page.bytes.size() >> 20) + " MiB are taken",
                  .evidence = "podkeeper_reflector_lists_total{result=\"success\"}",
                  .recovery = {}});
}

TEST(ListFraming, RefusesAPageBeyondItsCapAndKeepsAsking) {
  std::vector<std::string> items(100, testing::pod_json("a", 3));
  Reflecting test({list_step(9, items), list_step(10, {})}, 1, {.page_bytes_max = 4096});
  ASSERT_TRUE(test.until_noted(1));
  EXPECT_EQ(test.sink.notes.at(0), "list 10:");
  EXPECT_THAT(test.metrics.render(), HasSubstr(R"(lists_total{resource="pods",result="error"} 1)"));
  faults::record({.row = 7,
                  .outcome = "a page beyond the cap is refused, and asked for again after a wait",
                  .evidence = "podkeeper_reflector_lists_total{result=\"error\"}",
                  .recovery = std::chrono::duration<double>(test.pause_before(1))});
}

}  // namespace
}  // namespace podkeeper::kube
