#include "pkg/controllers/policy_status_writer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>

#include "tests/controllers/api_server.h"

namespace podkeeper::controllers {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ApiServer;
using testing::Json;

constexpr const char* kPath = "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies/batch/status";

/// Holds the status of one policy as a server would that knows no conflicts: what is applied
/// replaces the part that its manager applied before.
class Holding {
 public:
  http::Response answer(const ApiServer::Asked& asked) {
    if (asked.path != kPath) return ApiServer::same_object(asked);
    parts[asked.manager] = asked.body.value("status", Json::object());
    ++revision;
    return http::Response::json(200, object().dump());
  }
  [[nodiscard]] Json object() const {
    Json status = Json::object();
    for (const auto& [manager, part] : parts) {
      for (const auto& [key, value] : part.items()) {
        if (value.is_array() && status.contains(key)) {
          for (const auto& element : value) status[key].push_back(element);
        } else {
          status[key] = value;
        }
      }
    }
    return {{"apiVersion", "podkeeper.dev/v1alpha1"},
            {"kind", "ConcurrentMapPolicy"},
            {"metadata",
             {{"name", "batch"}, {"uid", "u"}, {"resourceVersion", std::to_string(revision)}}},
            {"spec", {{"strategy", "Mutex"}}},
            {"status", status}};
  }

  std::map<std::string, Json> parts;
  int revision = 1;
};

/// A writer, and the server that it writes to; `mirror()` is what the replica's mirror holds.
class Writing : public ApiServer {
 public:
  explicit Writing(Answer answer) : ApiServer(std::move(answer)) {}
  Writing() : ApiServer([this](const Asked& asked) { return held.answer(asked); }) {}

  base::Result<base::Duration> write(std::int64_t entries = 3, bool leads = true) {
    base::Result<base::Duration> again = base::Duration::zero();
    run([&]() -> base::Task<void> {
      policy::PolicyView view;
      view.identity.name = "batch";
      view.identity.uid = "u";
      view.identity.revision.value = static_cast<std::uint64_t>(held.revision);
      view.status = {.observed_generation = 1, .active_strategy = "Mutex", .entries = entries};
      view.status.conditions = {
          {.type = "Accepted", .holds = true, .reason = "Valid", .message = "it is"},
          {.type = "Applied", .holds = true, .reason = "Applied", .message = "it is"}};
      view.status.instances = {{.instance = "a", .strategy = "Mutex", .entries = entries}};
      auto writing = writer.write(std::move(view), held.object().dump(), leads);
      again = co_await std::move(writing);
    });
    return again;
  }
  /// "podkeeper! podkeeper-a": who applied since the last call, and how; an Event is "event".
  std::string applied() {
    std::string out;
    for (; told_ < asked.size(); ++told_) {
      const Asked& one = asked[told_];
      out += (out.empty() ? "" : " ") + (one.path == kPath ? one.manager : "event") +
             (one.force ? "!" : "");
    }
    return out;
  }

  Holding held;
  EventRecorder events{world.clock(), *client, "a"};
  PolicyStatusWriter writer{world.clock(), *client, events, {.instance = "a"}};

 private:
  std::size_t told_ = 0;
};

TEST(PolicyStatusWriter, WritesItsEntryAndAsTheLeaderTheRestOnce) {
  Writing api;
  ASSERT_TRUE(api.write());
  EXPECT_EQ(api.applied(), "podkeeper-a podkeeper event");
  ASSERT_TRUE(api.write());
  EXPECT_EQ(api.applied(), "");
}

TEST(PolicyStatusWriter, WithoutTheLeadItWritesItsEntryAlone) {
  Writing api;
  ASSERT_TRUE(api.write(3, /*leads=*/false));
  EXPECT_EQ(api.applied(), "podkeeper-a");
  EXPECT_FALSE(api.asked.front().body["status"].contains("conditions"));
}

TEST(PolicyStatusWriter, CountsAloneAreWrittenAtTheirInterval) {
  Writing api;
  ASSERT_TRUE(api.write(3));
  (void)api.applied();
  for (int second = 0; second < 29; ++second) {
    api.world.run_for(seconds(1));
    ASSERT_TRUE(api.write(100 + second));
  }
  EXPECT_EQ(api.applied(), "");
  api.world.run_for(seconds(1));
  ASSERT_TRUE(api.write(200));
  EXPECT_EQ(api.applied(), "podkeeper-a podkeeper");
}

TEST(PolicyStatusWriter, RenewsItsEntryEveryTenMinutes) {
  Writing api;
  ASSERT_TRUE(api.write());
  (void)api.applied();
  const auto beat = [&] {
    return api.held.parts["podkeeper-a"]["instances"][0]["lastHeartbeatTime"];
  };
  const Json first = beat();
  api.world.run_for(minutes(10) - seconds(1));
  ASSERT_TRUE(api.write());
  EXPECT_EQ(api.applied(), "");
  api.world.run_for(seconds(1));
  ASSERT_TRUE(api.write());
  EXPECT_EQ(api.applied(), "podkeeper-a");
  EXPECT_NE(beat(), first);
}

TEST(PolicyStatusWriter, TheMirrorsOlderObjectDoesNotUndoWhatItWroteItself) {
  Writing api;
  const Holding before = api.held;
  ASSERT_TRUE(api.write());
  (void)api.applied();
  api.held = before;  // the mirror lags
  ASSERT_TRUE(api.write());
  EXPECT_EQ(api.applied(), "");
}

/// A server where the summary is another's again as soon as it was taken.
http::Response contested(const ApiServer::Asked& asked, Holding& held) {
  if (asked.manager == "podkeeper" && !asked.force) {
    return ApiServer::refusal(409, "Conflict",
                              "Apply failed with 1 conflict: conflict with \"other\" with "
                              "subresource \"status\": .status.activeStrategy");
  }
  auto answer = held.answer(asked);
  if (asked.manager == "podkeeper") held.parts["podkeeper"]["activeStrategy"] = "Sharded";
  return answer;
}

TEST(PolicyStatusWriter, WhatARestoreTookBackIsWrittenAgainOnceTheMirrorHasHadItsTime) {
  Writing api;
  ASSERT_TRUE(api.write());
  (void)api.applied();
  api.held = {};
  api.held.revision = 1;
  ASSERT_TRUE(api.write());
  EXPECT_EQ(api.applied(), "") << "the mirror may be behind";
  api.world.run_for(minutes(2));
  ASSERT_TRUE(api.write());
  EXPECT_EQ(api.applied(), "podkeeper-a podkeeper event");
}

TEST(PolicyStatusWriter, AnotherManagersFieldIsTakenBackByForceAndToldOnce) {
  Holding* held = nullptr;
  Writing api([&](const ApiServer::Asked& asked) { return contested(asked, *held); });
  held = &api.held;
  ASSERT_TRUE(api.write());
  EXPECT_EQ(api.applied(), "podkeeper-a podkeeper event podkeeper! event");
  const Json& told = api.asked[2].body;
  EXPECT_EQ(told["reason"], "StatusConflict");
  EXPECT_NE(told["note"].get<std::string>().find("conflict with \"other\""), std::string::npos);
}

TEST(PolicyStatusWriter, AFightIsBounded) {
  Holding* held = nullptr;
  Writing api([&](const ApiServer::Asked& asked) {
    auto answer = contested(asked, *held);
    ++held->revision;  // the other one wrote, and the mirror has it
    return answer;
  });
  held = &api.held;
  for (int step = 0; step < 6000; ++step) {  // ten minutes
    const auto again = api.write();
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_GT(*again, base::Duration::zero());
    api.world.run_for(std::chrono::milliseconds(100));
  }
  std::size_t forced = 0;
  for (const auto& one : api.asked) forced += one.force ? 1 : 0;
  // Two at once and two a minute; one that asks before each, and one that finds it undone.
  EXPECT_GE(forced, 18u);
  EXPECT_LE(forced, 22u);
  EXPECT_LE(api.asked.size(), 75u);
}

TEST(PolicyStatusWriter, WhoeverRemovesItsFieldsIsNotAnsweredAtAHighRateEither) {
  Writing api;
  for (int step = 0; step < 6000; ++step) {  // ten minutes
    api.held.parts.clear();
    ++api.held.revision;
    ASSERT_TRUE(api.write());
    api.world.run_for(std::chrono::milliseconds(100));
  }
  std::size_t applies = 0;
  for (const auto& one : api.asked) applies += one.path == kPath ? 1 : 0;
  EXPECT_GE(applies, 200u);
  EXPECT_LE(applies, PolicyStatusWriter::kWritesBurst + 201u);
}

TEST(PolicyStatusWriter, AnEntryThatIsSilentForHalfAnHourIsRemovedByTheLeader) {
  Writing api;
  api.held.parts["podkeeper-b"] = {
      {"instances",
       Json::array({{{"instance", "b"}, {"lastHeartbeatTime", "2000-01-01T00:00:00Z"}}})}};
  ASSERT_TRUE(api.write());
  (void)api.applied();
  for (int minute = 0; minute < 29; ++minute) {
    api.world.run_for(minutes(1));
    ASSERT_TRUE(api.write());
  }
  for (const auto& one : api.asked) EXPECT_FALSE(one.manager.empty() && one.path == kPath);
  api.world.run_for(minutes(1));
  ASSERT_TRUE(api.write());
  const auto& removal = api.asked.back();
  EXPECT_EQ(removal.manager, "");
  EXPECT_EQ(removal.body["status"]["instances"].size(), 1u);
  EXPECT_EQ(removal.body["status"]["instances"][0]["instance"], "a");
  EXPECT_TRUE(removal.body["metadata"].contains("resourceVersion"));
}

TEST(PolicyStatusWriter, LeavingAppliesNothingAsItsOwnManager) {
  Writing api;
  ASSERT_TRUE(api.write());
  (void)api.applied();
  api.run([&]() -> base::Task<void> {
    auto leaving = api.writer.leave("batch");
    const auto left = co_await std::move(leaving);
    EXPECT_TRUE(left);
  });
  EXPECT_EQ(api.applied(), "podkeeper-a");
  EXPECT_FALSE(api.asked.back().body.contains("status"));
}

}  // namespace
}  // namespace podkeeper::controllers
