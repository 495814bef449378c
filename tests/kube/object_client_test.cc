#include "pkg/kube/object_client.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/kube/scripted_upstream.h"

// What the client sends for each verb, and what it makes of the answers.
namespace podkeeper::kube {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::http_answer;
using testing::Step;

using Answer = base::Result<std::string>;
const ObjectKey kKey{.namespace_ = "shop", .name = "web"};

/// An object client against a script; each ask runs to its answer.
struct Asking {
  explicit Asking(std::vector<Step> script)
      : group(world, registry, "test"),
        upstream(world, group, std::move(script)),
        http_client(world, metrics, {.endpoint = {"upstream", 6443}, .user_agent = "test"}),
        client(world, http_client) {}
  ~Asking() {
    group.stop();
    world.run_for(1min);
  }

  Answer ask(const std::function<base::Task<Answer>(ObjectClient&)>& request) {
    Answer answer = base::Error{base::ErrorCode::kInternal, "no answer"};
    world.run_task([&]() -> base::Task<void> {
      auto asking = request(client);
      answer = co_await std::move(asking);
    });
    return answer;
  }
  Answer get() {
    return ask([](ObjectClient& to) { return to.get(pods(), kKey); });
  }
  [[nodiscard]] const testing::ScriptedUpstream::Asked& asked(std::size_t index = 0) const {
    return upstream.asked().at(index);
  }

  runtime::SimulatedWorld world{1};
  telemetry::Metrics metrics;
  runtime::TaskRegistry registry{world.clock()};
  runtime::TaskGroup group;
  testing::ScriptedUpstream upstream;
  http::Client http_client;
  ObjectClient client;
};

Step status(int code, const std::string& reason, const std::string& fields = {}) {
  return {.bytes = http_answer(code,
                               R"({"kind":"Status","apiVersion":"v1","metadata":{},)"
                               R"("status":"Failure","message":"so it is","reason":")" +
                                   reason + R"(","code":)" + std::to_string(code) + "}",
                               fields)};
}
const Step kDone{.bytes = http_answer(200, "{}")};

TEST(ObjectClient, UpdatesTheObjectOrItsStatus) {
  Asking test({kDone, kDone});
  for (const std::string part : {"", "status"}) {
    const Answer answer =
        test.ask([&](ObjectClient& to) { return to.update(pods(), kKey, part, R"({"a":1})"); });
    ASSERT_EQ(answer.value(), "{}");
  }
  EXPECT_EQ(test.asked(0).method, "PUT");
  EXPECT_EQ(test.asked(0).target, "/api/v1/namespaces/shop/pods/web");
  EXPECT_THAT(test.asked(0).head, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_EQ(test.asked(0).body, R"({"a":1})");
  EXPECT_EQ(test.asked(1).target, "/api/v1/namespaces/shop/pods/web/status");
}

TEST(ObjectClient, AppliesAsAFieldManager) {
  Asking test({kDone, {.bytes = http_answer(201, "{}")}});
  const auto apply = [&](ApplyOptions options) {
    return test.ask([&](ObjectClient& to) {
      return to.apply(nodes(), {.namespace_ = {}, .name = "n1"}, "status", R"({"b":2})", options);
    });
  };
  ASSERT_TRUE(apply({.field_manager = "podkeeper"}).has_value());
  ASSERT_TRUE(apply({.field_manager = "pod keeper/1", .force = true}).has_value());
  EXPECT_EQ(test.asked(0).method, "PATCH");
  EXPECT_EQ(test.asked(0).target, "/api/v1/nodes/n1/status?fieldManager=podkeeper");
  EXPECT_THAT(test.asked(0).head, HasSubstr("Content-Type: application/apply-patch+yaml\r\n"));
  EXPECT_EQ(test.asked(0).body, R"({"b":2})");
  EXPECT_EQ(test.asked(1).target,
            "/api/v1/nodes/n1/status?fieldManager=pod%20keeper%2F1&force=true");
}

TEST(ObjectClient, RemovesWhatItMeansAndNothingElse) {
  Asking test({kDone, {.bytes = http_answer(202, "{}")}});
  const auto remove = [&](RemoveOptions options) {
    return test.ask([&](ObjectClient& to) { return to.remove(pods(), kKey, options); });
  };
  ASSERT_TRUE(remove({}).has_value());
  ASSERT_TRUE(remove({.uid = "u-1", .revision = Revision{7}, .dry_run = true}).has_value());
  EXPECT_EQ(test.asked(0).method, "DELETE");
  EXPECT_EQ(test.asked(0).target, "/api/v1/namespaces/shop/pods/web");
  EXPECT_EQ(test.asked(0).body, R"({"kind":"DeleteOptions","apiVersion":"v1"})");
  EXPECT_EQ(test.asked(1).body,
            R"({"kind":"DeleteOptions","apiVersion":"v1",)"
            R"("preconditions":{"uid":"u-1","resourceVersion":"7"},"dryRun":["All"]})");
}

TEST(ObjectClient, AsksNothingForANameThatNoObjectHas) {
  Asking test({kDone});
  for (const std::string bad : {"", "..", "a/b", "a?b", "a b"}) {
    const Answer answer =
        test.ask([&](ObjectClient& to) { return to.remove(pods(), {"shop", bad}); });
    EXPECT_EQ(answer.error().code, base::ErrorCode::kInvalidArgument) << bad;
  }
  EXPECT_TRUE(test.upstream.asked().empty());
}

TEST(ObjectClient, GivesTypedErrorsThatSayWhatWasAsked) {
  Asking test({status(409, "Conflict"), status(409, "AlreadyExists"), status(404, "NotFound"),
               status(422, "Invalid")});
  for (const auto code : {base::ErrorCode::kConflict, base::ErrorCode::kAlreadyExists,
                          base::ErrorCode::kNotFound, base::ErrorCode::kUnprocessable}) {
    const Answer answer =
        test.ask([&](ObjectClient& to) { return to.update(pods(), kKey, "status", "{}"); });
    EXPECT_EQ(answer.error().code, code);
    EXPECT_EQ(answer.error().message, "PUT pods shop/web status: so it is");
  }
}

TEST(ObjectClient, NamesTheRuleThatIsMissing) {
  Asking test({status(403, "Forbidden")});
  const Answer answer = test.ask([](ObjectClient& to) { return to.remove(pods(), kKey); });
  EXPECT_EQ(answer.error().code, base::ErrorCode::kForbidden);
  EXPECT_THAT(answer.error().message,
              HasSubstr(R"({apiGroups: [""], resources: ["pods"], verbs: ["delete"]})"));
}

TEST(ObjectClient, NamesBothRulesThatAnApplyTakesWhichMayMakeTheObject) {
  Asking test({status(403, "Forbidden"), status(403, "Forbidden")});
  const auto message = [&](const std::string& part) {
    return test
        .ask([&](ObjectClient& to) {
          return to.apply(pods(), kKey, part, "{}", {.field_manager = "podkeeper"});
        })
        .error()
        .message;
  };
  EXPECT_THAT(message(""), HasSubstr(R"(resources: ["pods"], verbs: ["patch", "create"]})"));
  EXPECT_THAT(message("status"), HasSubstr(R"(resources: ["pods/status"], verbs: ["patch"]})"));
}

TEST(ObjectClient, WaitsAsLongAsTheServerAsksThenRepeats) {
  // Priority and fairness answers with text; the other one has a Status.
  Asking test({{.bytes = http_answer(429, "Too many requests", "Retry-After: 2\r\n")},
               status(503, "ServiceUnavailable", "Retry-After: 3\r\n"),
               kDone});
  EXPECT_EQ(test.get().value(), "{}");
  EXPECT_NEAR(std::chrono::duration<double>(test.asked(1).at - test.asked(0).at).count(), 2, 0.1);
  EXPECT_NEAR(std::chrono::duration<double>(test.asked(2).at - test.asked(1).at).count(), 3, 0.1);
  EXPECT_THAT(
      test.metrics.render(),
      AllOf(
          HasSubstr(
              R"(rest_client_request_retries_total{code="429",host="upstream:6443",verb="GET"} 1)"),
          HasSubstr(
              R"(rest_client_request_retries_total{code="503",host="upstream:6443",verb="GET"} 1)")));
}

TEST(ObjectClient, RepeatsNothingThatTheServerDoesNotAskFor) {
  for (const Step& bad : {status(503, "ServiceUnavailable"), status(429, "TooManyRequests"),
                          status(409, "Conflict", "Retry-After: 1\r\n")}) {
    Asking test({bad, kDone});
    EXPECT_FALSE(test.get().has_value());
    EXPECT_EQ(test.upstream.asked().size(), 1U);
  }
}

TEST(ObjectClient, GivesUpAtOnceWhereTheWaitWouldOutlastTheRequest) {
  Asking test({status(429, "TooManyRequests", "Retry-After: 10\r\n"), kDone});
  const auto started = test.world.clock().now();
  const Answer answer = test.get();
  EXPECT_EQ(answer.error().code, base::ErrorCode::kTooManyRequests);
  EXPECT_EQ(answer.error().retry_after, 10s);
  EXPECT_LT(test.world.clock().now() - started, 1s);
}

TEST(ObjectClient, GivesUpAfterTenRepeats) {
  Asking test(std::vector<Step>(20, status(429, "TooManyRequests", "Retry-After: 0\r\n")));
  EXPECT_EQ(test.get().error().code, base::ErrorCode::kTooManyRequests);
  EXPECT_EQ(test.upstream.asked().size(), 11U);
}

}  // namespace
}  // namespace podkeeper::kube
