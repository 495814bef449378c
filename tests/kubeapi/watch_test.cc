#include "pkg/kubeapi/watch_stream.h"
#include "pkg/runtime/task_group.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/kubeapi/harness.h"

namespace podkeeper::kubeapi {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Frame {
  std::string type;
  std::string object;  ///< as text
};

std::vector<Frame> frames_of(const std::string& body) {
  std::vector<Frame> frames;
  std::istringstream lines(body);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::ordered_json::parse(line);
    frames.push_back({json["type"], json["object"].dump()});
  }
  return frames;
}

kube::EventType type_of(const std::string& text) {
  if (text == "ADDED") return kube::EventType::kAdded;
  return text == "MODIFIED" ? kube::EventType::kModified : kube::EventType::kDeleted;
}

std::string pod(const std::string& name, std::uint64_t revision, const std::string& app = "web",
                const std::string& space = "shop") {
  return R"({"metadata":{"name":")" + name + R"(","namespace":")" + space + R"(","uid":")" + name +
         R"(-uid","resourceVersion":")" + std::to_string(revision) + R"(","labels":{"app":")" +
         app + R"("}},"spec":{"containers":[{"name":"app"}]},"status":{"phase":"Running"}})";
}

std::string key_of(const std::string& line) {
  const auto json = nlohmann::json::parse(line);
  const auto& metadata = json["object"]["metadata"];
  return json["type"].get<std::string>() + " " + metadata.value("name", "") + "@" +
         metadata["resourceVersion"].get<std::string>();
}

/// "ADDED a@1" for each frame.
std::vector<std::string> told(const std::string& body) {
  std::vector<std::string> keys;
  std::istringstream lines(body);
  for (std::string line; std::getline(lines, line);) keys.push_back(key_of(line));
  return keys;
}

/// Watches that run beside the test's own steps.
class WatchFixture : public ApiFixture {
 public:
  using ApiFixture::ApiFixture;
  struct Open {
    Collected out;
    bool over = false;
  };

  std::shared_ptr<Open> watch(const std::string& target) {
    auto open = std::make_shared<Open>();
    auto response = std::make_shared<http::Response>(ask(get(target)));
    EXPECT_EQ(response->status, 200);
    const auto spawned =
        group.spawn("watch", base::Handler::kStream, [open, response]() -> base::Task<void> {
          auto run = std::get<http::StreamBody>(response->body)(open->out);
          co_await std::move(run);
          open->over = true;
        });
    EXPECT_TRUE(spawned);
    world.run_for(milliseconds(1));
    return open;
  }
  void load_pods(int count, std::uint64_t revision) {
    std::vector<std::unique_ptr<kube::Object>> objects;
    for (int i = 0; i < count; ++i) {
      objects.push_back(
          kube::decode_object(kube::pods(), pod("pod-" + std::to_string(i), 1)).value());
    }
    pods.replace(std::move(objects), {revision});
  }
  ~WatchFixture() {
    group.stop();
    world.run_task([this]() -> base::Task<void> { co_await group.join(); });
  }

  runtime::TaskRegistry registry{world.clock()};
  runtime::TaskGroup group{world, registry, "test"};
};

/// Recordings of watches on everything: what was recorded goes into the store, and must come out
/// again.
class RecordedWatch : public testing::TestWithParam<const char*> {};

TEST_P(RecordedWatch, SendsWhatKubeApiserverSent) {
  const auto recorded = exchange(GetParam());
  WatchFixture fixture;
  fixture.load_recorded(
      std::stoull(std::string(recorded.request.target.query_value("resourceVersion").value())));
  for (const auto& frame : frames_of(recorded.body))
    fixture.apply(type_of(frame.type), frame.object);
  auto response = fixture.ask(recorded.request);
  Collected out;
  out.drains = false;
  fixture.world.clock().call_at(fixture.world.clock().now() + seconds(1),
                                fixture.world.make_executor(), [&] { fixture.api.drain(); });
  EXPECT_EQ(fixture.body_of(response, out), recorded.body);
}
INSTANTIATE_TEST_SUITE_P(Recorded, RecordedWatch, testing::Values("084", "089", "104"));

/// Recordings that begin with the state; the number is the revision it was told at.
struct InitialRow {
  const char* number;
  std::uint64_t revision;
};
void PrintTo(const InitialRow& row, std::ostream* os) { *os << row.number; }
class RecordedInitial : public testing::TestWithParam<InitialRow> {};

TEST_P(RecordedInitial, SendsTheStateFirst) {
  const auto recorded = exchange(GetParam().number);
  ApiFixture fixture;
  fixture.load_recorded(GetParam().revision);
  auto response = fixture.ask(recorded.request);
  EXPECT_EQ(response.status, recorded.status);
  EXPECT_EQ(fixture.body_of(response), recorded.body);
}
INSTANTIATE_TEST_SUITE_P(Recorded, RecordedInitial,
                         testing::Values(InitialRow{"085", 226}, InitialRow{"086", 226},
                                         InitialRow{"095", 282}, InitialRow{"096", 283},
                                         InitialRow{"099", 284}, InitialRow{"102", 285},
                                         InitialRow{"105", 292}));

TEST(Watch, TellsAnObjectThatLeavesItsSelectorAsDeletedWithOldContent) {
  const auto recorded = exchange("087");
  const auto frames = frames_of(recorded.body);
  ASSERT_EQ(frames.size(), 3);
  ApiFixture fixture;
  fixture.load_recorded(227);
  fixture.apply(kube::EventType::kAdded, frames[0].object);
  fixture.apply(kube::EventType::kModified, frames[1].object);
  auto left =
      nlohmann::ordered_json::parse(frames[1].object);  // what the recorder did: another label
  left["metadata"]["labels"]["app"] = "other";
  left["metadata"]["resourceVersion"] = "231";
  fixture.apply(kube::EventType::kModified, left.dump());
  left["metadata"]["resourceVersion"] = "232";  // and what the watcher must not hear of
  fixture.apply(kube::EventType::kModified, left.dump());
  auto response = fixture.ask(recorded.request);
  fixture.world.clock().call_at(fixture.world.clock().now() + seconds(1),
                                fixture.world.make_executor(), [&] { fixture.api.drain(); });
  EXPECT_EQ(fixture.body_of(response), recorded.body);
}

TEST(Watch, TellsAnExpiredRevisionInTheStream) {
  const auto recorded = exchange("216");
  ApiFixture fixture;
  fixture.load_pods_at(347);
  auto response = fixture.ask(recorded.request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(fixture.body_of(response), recorded.body);
}

TEST(Watch, SendsABookmarkEveryMinuteAndOneBeforeTheEnd) {
  ApiFixture fixture;
  auto list = kube::decode_list(kube::nodes(), exchange("021").body).value();
  fixture.nodes.replace(std::move(list.items), {219});
  fixture.nodes.progress({220});
  fixture.world.clock().call_at(fixture.world.clock().now() + seconds(90),
                                fixture.world.make_executor(),
                                [&] { fixture.nodes.progress({286}); });
  const auto recorded = exchange("136");
  auto response = fixture.ask(recorded.request);
  EXPECT_EQ(fixture.body_of(response), recorded.body);
}

TEST(Watch, SendsBookmarksOnceAFutureRevisionIsReachedWithoutAnEvent) {
  WatchFixture fixture;
  fixture.load_pods(1, 10);
  const auto watcher =
      fixture.watch("/api/v1/pods?watch=1&resourceVersion=15&allowWatchBookmarks=true");
  fixture.world.run_for(seconds(61));
  EXPECT_EQ(watcher->out.text, "");
  fixture.pods.progress({20});
  fixture.world.run_for(seconds(61));
  const auto frames = frames_of(watcher->out.text);
  ASSERT_EQ(frames.size(), 1);
  EXPECT_EQ(frames[0].type, "BOOKMARK");
  EXPECT_TRUE(frames[0].object.contains(R"("resourceVersion":"20")"));
}

TEST(Watch, SaysThatAFutureRevisionIsGoneWhereAListWentPastIt) {
  WatchFixture fixture;
  fixture.load_pods(1, 10);
  const auto watcher = fixture.watch("/api/v1/pods?watch=1&resourceVersion=15");
  fixture.world.run_for(seconds(1));
  EXPECT_EQ(watcher->out.text, "");
  // What was made after 10 and ended before 20 is known to who has seen 15, and to nobody here.
  fixture.load_pods(2, 20);
  fixture.world.run_for(seconds(1));
  const auto frames = frames_of(watcher->out.text);
  ASSERT_EQ(frames.size(), 1);
  EXPECT_EQ(frames[0].type, "ERROR");
  EXPECT_TRUE(frames[0].object.contains(R"("code":410)"));
}

TEST(Watch, SaysThatARevisionIsGoneThatARestoreTookBack) {
  WatchFixture fixture;
  fixture.load_pods(2, 30);
  fixture.load_pods(1, 10);
  for (const char* const revision : {"30", "11"}) {
    const auto watcher =
        fixture.watch(std::string("/api/v1/pods?watch=1&resourceVersion=") + revision);
    fixture.world.run_for(seconds(1));
    const auto frames = frames_of(watcher->out.text);
    ASSERT_EQ(frames.size(), 1) << revision;
    EXPECT_EQ(frames[0].type, "ERROR");
    EXPECT_TRUE(frames[0].object.contains(R"("code":410)"));
  }
}

TEST(Watch, EndsAtARandomTimeOfHalfAnHourToAnHour) {
  ApiFixture fixture;
  fixture.load_recorded();
  const auto begin = fixture.world.clock().now();
  auto response = fixture.ask(get("/api/v1/pods?watch=1&resourceVersion=220"));
  EXPECT_EQ(fixture.body_of(response), "");
  const auto took = fixture.world.clock().now() - begin;
  EXPECT_GE(took, std::chrono::minutes(30));
  EXPECT_LT(took, std::chrono::minutes(60));
}

TEST(Watch, WaitsThreeSecondsForAFutureStateThenSaysSo) {
  ApiFixture fixture;
  fixture.load_recorded();
  const auto begin = fixture.world.clock().now();
  const auto body = fixture.text(
      "/api/v1/"
      "pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=9999");
  EXPECT_EQ(nlohmann::json::parse(body)["object"]["code"], 504);
  EXPECT_GE(fixture.world.clock().now() - begin, seconds(3));
}

TEST(Watch, FansOutEveryChangeToEveryWatcherInOrder) {
  WatchFixture fixture;
  fixture.load_pods(3, 10);
  std::vector<std::shared_ptr<WatchFixture::Open>> all;
  for (int i = 0; i < 50; ++i)
    all.push_back(fixture.watch("/api/v1/pods?watch=1&resourceVersion=10"));
  const auto one = fixture.watch("/api/v1/namespaces/other/pods?watch=1&resourceVersion=10");
  std::vector<std::string> expected;
  for (std::uint64_t revision = 11; revision < 200; ++revision) {
    fixture.apply(kube::EventType::kModified, pod("pod-1", revision));
    expected.push_back("MODIFIED pod-1@" + std::to_string(revision));
    if (revision % 7 == 0) fixture.world.run_for(milliseconds(1));
  }
  fixture.apply(kube::EventType::kAdded, pod("x", 200, "web", "other"));
  expected.emplace_back("ADDED x@200");
  fixture.world.run_for(milliseconds(1));
  for (const auto& watcher : all) EXPECT_EQ(told(watcher->out.text), expected);
  EXPECT_EQ(told(one->out.text), std::vector<std::string>{"ADDED x@200"});
}

TEST(Watch, SendsWhatQueuedUpInFewWrites) {
  WatchFixture fixture;
  fixture.load_pods(1, 10);
  const auto watcher = fixture.watch("/api/v1/pods?watch=1&resourceVersion=10");
  constexpr std::size_t kEvents = 3 * WatchStream::kEventsPerWriteMax - 1;
  for (std::uint64_t revision = 11; revision < 11 + kEvents; ++revision) {
    fixture.apply(kube::EventType::kModified, pod("pod-0", revision));
  }
  fixture.world.run_for(milliseconds(1));
  EXPECT_EQ(watcher->out.writes.size(), 3);
  EXPECT_EQ(told(watcher->out.text).size(), kEvents);
}

TEST(Watch, TellsASlowClientItIsGoneAndHoldsBackNobody) {
  WatchFixture fixture(/*log_events=*/64);
  fixture.load_pods(1, 10);
  const auto slow = fixture.watch("/api/v1/pods?watch=1&resourceVersion=10");
  const auto fast = fixture.watch("/api/v1/pods?watch=1&resourceVersion=10");
  slow->out.before_return = [&]() -> base::Task<void> {
    co_await fixture.world.clock().sleep_for(seconds(5));
  };
  for (std::uint64_t revision = 11; revision < 311; ++revision) {
    fixture.apply(kube::EventType::kModified, pod("pod-0", revision));
    fixture.world.run_for(milliseconds(1));
  }
  EXPECT_EQ(told(fast->out.text).size(), 300);
  fixture.world.run_for(seconds(10));
  EXPECT_TRUE(slow->over);
  EXPECT_FALSE(fast->over);
  const auto last = nlohmann::json::parse(slow->out.writes.back());
  EXPECT_EQ(last["type"], "ERROR");
  EXPECT_EQ(last["object"]["code"], 410);
}

TEST(Watch, EndsWhenTheClientIsGone) {
  WatchFixture fixture;
  fixture.load_pods(1, 10);
  const auto watcher = fixture.watch("/api/v1/pods?watch=1&resourceVersion=10");
  watcher->out.fails = base::Error{base::ErrorCode::kUnavailable, "reset by peer"};
  fixture.apply(kube::EventType::kModified, pod("pod-0", 11));
  fixture.world.run_for(milliseconds(1));
  EXPECT_TRUE(watcher->over);
}

TEST(Watch, EndsWhenTheClientIsGoneThoughThereIsNothingToSend) {
  WatchFixture fixture;
  fixture.load_pods(1, 10);
  const auto watcher = fixture.watch("/api/v1/pods?watch=1&resourceVersion=10");
  watcher->out.ended();
  fixture.world.run_for(milliseconds(1));
  EXPECT_TRUE(watcher->over);
}

TEST(Watch, EndsCleanlyWhenTheServerDrains) {
  WatchFixture fixture;
  fixture.load_pods(1, 10);
  const auto watcher = fixture.watch("/api/v1/pods?watch=1&resourceVersion=10");
  watcher->out.drains = true;
  watcher->out.ended();
  fixture.world.run_for(milliseconds(1));
  EXPECT_TRUE(watcher->over);
  EXPECT_EQ(watcher->out.text, "");
}

TEST(Watch, SendsTableColumnsInTheFirstFrameOnly) {
  ApiFixture fixture;
  fixture.load_recorded();
  auto response = fixture.ask(get("/api/v1/pods?watch=1&timeoutSeconds=1",
                                  "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"));
  const auto lines = frames_of(fixture.body_of(response));
  ASSERT_EQ(lines.size(), 5);
  EXPECT_EQ(nlohmann::json::parse(lines[0].object)["columnDefinitions"].size(), 9);
  EXPECT_TRUE(nlohmann::json::parse(lines[1].object)["columnDefinitions"].is_null());
  EXPECT_EQ(nlohmann::json::parse(lines[1].object)["rows"][0]["cells"][2], "Completed");
}

}  // namespace
}  // namespace podkeeper::kubeapi
