#include "pkg/controllers/event_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/controllers/api_server.h"

namespace podkeeper::controllers {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ApiServer;
using testing::Json;

EventSubject subject(const std::string& name = "batch") {
  return {.resource = kube::concurrent_map_policies(),
          .name = name,
          .uid = "uid-of-" + name,
          .revision = {7}};
}

EventText text(const std::string& note) {
  return {.warning = true, .action = "Apply", .reason = "ApplyFailed", .note = note};
}

/// A recorder and the server that it posts to.
class Recording : public ApiServer {
 public:
  explicit Recording(Answer answer = same_object) : ApiServer(std::move(answer)) {
    EXPECT_TRUE(
        group.spawn("events", base::Handler::kTimer, [this] { return recorder.keep_series(); }));
  }
  ~Recording() { end(); }
  void record(const std::string& note, const std::string& name = "batch") {
    run([&]() -> base::Task<void> {
      auto recording = recorder.record(subject(name), text(note));
      co_await std::move(recording);
    });
  }
  /// "POST PATCH": what was asked.
  [[nodiscard]] std::string methods() const {
    std::string out;
    for (const auto& one : asked) out += (out.empty() ? "" : " ") + one.method;
    return out;
  }

  EventRecorder recorder{world.clock(), *client, "podkeeper-0"};
};

TEST(EventRecorder, PostsAnEventOfTheNewGroup) {
  Recording api;
  api.record("no such map");
  ASSERT_EQ(api.methods(), "POST");
  const auto& asked = api.asked.front();
  EXPECT_EQ(asked.path, "/apis/events.k8s.io/v1/namespaces/default/events");
  Json event = asked.body;
  EXPECT_THAT(event["metadata"]["name"].get<std::string>(),
              ::testing::MatchesRegex("batch\\.[0-9a-f]+"));
  EXPECT_THAT(event["eventTime"].get<std::string>(),
              ::testing::MatchesRegex("....-..-..T..:..:..\\.[0-9]{6}Z"));
  event.erase("metadata");
  event.erase("eventTime");
  EXPECT_EQ(event, Json::parse(R"({"apiVersion":"events.k8s.io/v1","kind":"Event",
    "reportingController":"podkeeper.dev/podkeeper","reportingInstance":"podkeeper-0",
    "action":"Apply","reason":"ApplyFailed","note":"no such map","type":"Warning",
    "regarding":{"kind":"ConcurrentMapPolicy","name":"batch","uid":"uid-of-batch",
                 "apiVersion":"podkeeper.dev/v1alpha1","resourceVersion":"7"}})"));
}

TEST(EventRecorder, TheSameAgainIsASeriesThatIsCountedHereUntilItIsOver) {
  Recording api;
  for (int i = 0; i < 10; ++i) {
    api.record("no such map");
    api.world.run_for(seconds(1));
  }
  ASSERT_EQ(api.methods(), "POST PATCH");
  EXPECT_EQ(api.asked[1].path, "/apis/events.k8s.io/v1/namespaces/default/events/" +
                                   api.asked[0].body["metadata"]["name"].get<std::string>());
  EXPECT_EQ(api.asked[1].body["series"]["count"], 2);
  api.world.run_for(minutes(13));
  ASSERT_EQ(api.methods(), "POST PATCH PATCH");
  EXPECT_EQ(api.asked[2].body["series"]["count"], 10);
  // After its end it is a new one.
  api.record("no such map");
  EXPECT_EQ(api.methods(), "POST PATCH PATCH POST");
  EXPECT_NE(api.asked[3].body["metadata"]["name"], api.asked[0].body["metadata"]["name"]);
}

TEST(EventRecorder, ASeriesThatGoesOnIsToldEveryHalfHour) {
  Recording api;
  for (int i = 0; i < 120; ++i) {
    api.record("no such map");
    api.world.run_for(minutes(1));
  }
  EXPECT_GE(api.asked.size(), 4u);
  EXPECT_LE(api.asked.size(), 6u);
  EXPECT_GE(api.asked.back().body["series"]["count"], 80);
}

TEST(EventRecorder, AnotherNoteIsAnotherEvent) {
  Recording api;
  api.record("one");
  api.record("two");
  EXPECT_EQ(api.methods(), "POST POST");
  EXPECT_NE(api.asked[0].body["metadata"]["name"], api.asked[1].body["metadata"]["name"]);
}

TEST(EventRecorder, AFloodAboutOneObjectIsHeldBack) {
  Recording api;
  for (int i = 0; i < 100; ++i) api.record(std::to_string(i));
  EXPECT_EQ(api.asked.size(), EventRecorder::kBurst);
  api.record("another object's", "other");
  EXPECT_EQ(api.asked.size(), EventRecorder::kBurst + 1);
  api.world.run_for(EventRecorder::kInterval);
  for (int i = 100; i < 200; ++i) api.record(std::to_string(i));
  EXPECT_EQ(api.asked.size(), EventRecorder::kBurst + 2);
}

TEST(EventRecorder, ASeriesWhoseEventTheServerForgotIsPostedAnew) {
  Recording api([](const ApiServer::Asked& asked) {
    return asked.method == "PATCH" ? ApiServer::refusal(404, "NotFound", "no such event")
                                   : ApiServer::same_object(asked);
  });
  api.record("no such map");
  api.record("no such map");
  ASSERT_EQ(api.methods(), "POST PATCH POST");
  EXPECT_EQ(api.asked[2].body["series"]["count"], 2);
}

TEST(EventRecorder, OneThatIsRefusedIsForgotten) {
  Recording api(
      [](const auto&) { return ApiServer::refusal(503, "ServiceUnavailable", "not now"); });
  api.record("no such map");
  EXPECT_EQ(api.methods(), "POST");
}

TEST(EventRecorder, ALongNoteIsCutBetweenCharacters) {
  Recording api;
  api.record("x" + std::string(1022, 'y') + "\u00e4\u00e4");
  EXPECT_EQ(api.asked.front().body["note"].get<std::string>().size(), 1023u);
}

}  // namespace
}  // namespace podkeeper::controllers
