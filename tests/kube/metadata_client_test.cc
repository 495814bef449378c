#include "pkg/kube/metadata_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/kube/scripted_upstream.h"

namespace podkeeper::kube {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;
using testing::bookmark_line;
using testing::error_line;
using testing::event_line;
using ::testing::HasSubstr;
using testing::http_answer;
using testing::list_step;
using testing::pod_json;
using testing::ScriptedUpstream;
using testing::Step;
using testing::watch_step;

std::string partial(const std::string& name, std::uint64_t revision) {
  return R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":")" +
         name + R"(","namespace":"shop","uid":"u-)" + name + R"(","resourceVersion":")" +
         std::to_string(revision) + R"(","managedFields":[{"manager":"m"}]}})";
}

/// A MetadataClient of pods in a simulated world, against a script.
class Asking : public ::testing::Test {
 protected:
  void script(std::vector<Step> steps) {
    upstream_.emplace(world_, group_, std::move(steps));
    http_.emplace(world_, metrics_,
                  http::ClientOptions{.endpoint = {"upstream", 6443}, .user_agent = "test"});
    client_.emplace(*http_, pods());
  }
  ~Asking() override {
    group_.stop();
    world_.run_for(1min);
  }
  template <class Ask>
  auto answer_of(Ask ask) {
    std::optional<decltype(run_type(ask))> answer;
    world_.run_task([&]() -> base::Task<void> {
      auto asking = ask();
      answer.emplace(co_await std::move(asking));
    });
    return *std::move(answer);
  }
  base::Result<DecodedList> page(const std::string& token) {
    return answer_of([&] { return client_->page(token, world_.clock().now() + 3s); });
  }
  base::Result<Revision> newest() {
    return answer_of([&] { return client_->newest(world_.clock().now() + 3s); });
  }
  base::Result<std::optional<Revision>> quiet_since(Revision held) {
    return answer_of([&] { return client_->quiet_since(held, world_.clock().now() + 3s); });
  }
  [[nodiscard]] std::string asked(std::size_t index) const {
    return upstream_->asked().at(index).target;
  }

  runtime::SimulatedWorld world_{1};
  runtime::TaskRegistry registry_{world_.clock()};
  runtime::TaskGroup group_{world_, registry_, "test"};
  telemetry::Metrics metrics_;
  std::optional<ScriptedUpstream> upstream_;
  std::optional<http::Client> http_;
  std::optional<MetadataClient> client_;

 private:
  template <class Ask>
  static auto run_type(Ask& ask) -> typename decltype(ask())::value_type;
};

TEST_F(Asking, LearnsTheNewestRevisionFromAListOfOne) {
  script({list_step(4711, {pod_json("a", 3)}, "more")});
  EXPECT_EQ(newest().value(), Revision{4711});
  EXPECT_EQ(asked(0), "/api/v1/pods?limit=1");
}

TEST_F(Asking, ReadsPagesOfMetadataAlone) {
  const std::string body = R"({"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",)"
                           R"("metadata":{"resourceVersion":"9","continue":"to/ken"},"items":[)" +
                           partial("a", 3) + "," + partial("b", 4) + "]}";
  script({{.bytes = http_answer(200, body)}, list_step(9, {})});
  const auto first = page("");
  ASSERT_TRUE(first.has_value()) << first.error().message;
  ASSERT_EQ(first->items.size(), 2);
  EXPECT_EQ(first->items[1]->key_text, "shop/b");
  EXPECT_EQ(first->items[1]->uid, "u-b");
  EXPECT_EQ(first->items[1]->revision, Revision{4});
  EXPECT_TRUE(page(first->continue_token).has_value());
  EXPECT_EQ(asked(0), "/api/v1/pods?limit=500");
  EXPECT_EQ(asked(1), "/api/v1/pods?limit=500&continue=to%2Fken");
}

TEST_F(Asking, TakesABookmarkForAWordThatNothingChanged) {
  script({watch_step({bookmark_line(50)})});
  EXPECT_EQ(quiet_since({40}).value(), Revision{50});
  EXPECT_THAT(asked(0), HasSubstr("?watch=true&allowWatchBookmarks=true&resourceVersion=40&"));
}

TEST_F(Asking, PromisesNothingWhereAChangeCameFirst) {
  script({watch_step({event_line("MODIFIED", partial("a", 44)), bookmark_line(50)})});
  EXPECT_EQ(quiet_since({40}).value(), std::nullopt);
}

TEST_F(Asking, PromisesNothingWhereTheWatchSaysNothing) {
  script({watch_step({}), watch_step({}, Step::End::kClose)});
  EXPECT_EQ(quiet_since({40}).value(), std::nullopt);
  EXPECT_FALSE(quiet_since({40}).has_value()) << "a cut stream is an error";
}

TEST_F(Asking, NamesWhatWasAskedWhereItIsRefused) {
  const std::string status =
      R"({"kind":"Status","apiVersion":"v1","metadata":{},)"
      R"("status":"Failure","message":"no","reason":"Forbidden","code":403})";
  script({{.bytes = http_answer(403, status)},
          watch_step({error_line(410, "Expired")}),
          {.bytes = http_answer(410, "gone")}});
  const auto list = newest();
  EXPECT_THAT(list.error().message, HasSubstr("LIST pods (metadata): no; give podkeeper's user"));
  EXPECT_THAT(list.error().message, HasSubstr("verbs: [\"list\"]"));
  EXPECT_EQ(quiet_since({40}).error().code, ErrorCode::kExpired);
  EXPECT_EQ(page("token").error().code, ErrorCode::kExpired);
}

}  // namespace
}  // namespace podkeeper::kube
