#include "pkg/kube/object_client.h"

#include "pkg/http/client.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/simkube/simkube.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

// The object client against simkube: what its verbs do, and what its preconditions keep from
// happening.
namespace podkeeper {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using Answer = base::Result<std::string>;

const kube::ObjectKey kKey{.namespace_ = "default", .name = "web"};

class Objects : public ::testing::Test {
 protected:
  Objects() {
    simkube::SimKubeOptions options;
    options.nodes = 1;
    options.pods = 0;
    options.churn = 0;
    cluster_ = std::make_unique<simkube::SimKube>(world_, group_, metrics_, std::move(options));
    const auto bound = cluster_->start();
    if (!bound) throw std::runtime_error(bound.error().message);
    http_ = std::make_unique<http::Client>(
        world_, metrics_, http::ClientOptions{.endpoint = *bound, .user_agent = "test"});
    client_ = std::make_unique<kube::ObjectClient>(world_, *http_);
  }
  ~Objects() override {
    group_.stop();
    world_.run_task([this]() -> base::Task<void> {
      auto joined = group_.join();
      co_await std::move(joined);
    });
  }

  Answer ask(const std::function<base::Task<Answer>(kube::ObjectClient&)>& request) {
    Answer answer = std::string();
    world_.run_task([&]() -> base::Task<void> {
      auto asking = request(*client_);
      answer = co_await std::move(asking);
    });
    return answer;
  }
  /// A pod that nobody schedules, as the server has it.
  json created() {
    const Answer answer = ask([](kube::ObjectClient& to) {
      return to.create(kube::pods(), "default",
                       R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{)"
                       R"("schedulerName":"nobody","containers":[{"name":"a","image":"b"}]}})");
    });
    if (!answer) throw std::runtime_error(answer.error().message);
    return json::parse(*answer);
  }
  Answer get() {
    return ask([](kube::ObjectClient& to) { return to.get(kube::pods(), kKey); });
  }
  Answer update(const json& object) {
    return ask(
        [&](kube::ObjectClient& to) { return to.update(kube::pods(), kKey, "", object.dump()); });
  }
  Answer remove(const kube::RemoveOptions& options) {
    return ask([&](kube::ObjectClient& to) { return to.remove(kube::pods(), kKey, options); });
  }

  runtime::SimulatedWorld world_{1};
  runtime::TaskRegistry registry_{world_.clock()};
  telemetry::Metrics metrics_;
  runtime::TaskGroup group_{world_, registry_, "serving"};
  std::unique_ptr<simkube::SimKube> cluster_;
  std::unique_ptr<http::Client> http_;
  std::unique_ptr<kube::ObjectClient> client_;
};

TEST_F(Objects, UpdatesOnlyTheVersionItRead) {
  json first = created();
  first["metadata"]["labels"]["color"] = "red";
  const Answer updated = update(first);
  ASSERT_TRUE(updated) << updated.error().message;
  const Answer second = update(first);
  EXPECT_EQ(second.error().code, base::ErrorCode::kConflict) << second.error().message;
  EXPECT_EQ(json::parse(get().value()), json::parse(*updated));
}

TEST_F(Objects, RemovesOnlyTheObjectItMeans) {
  const json pod = created();
  const std::string uid = pod["metadata"]["uid"];
  const auto revision =
      kube::parse_revision(pod["metadata"]["resourceVersion"].get<std::string>()).value();
  for (const kube::RemoveOptions& other :
       {kube::RemoveOptions{.uid = "another"},
        kube::RemoveOptions{.uid = uid, .revision = kube::Revision{revision.value - 1}}}) {
    EXPECT_EQ(remove(other).error().code, base::ErrorCode::kConflict);
  }
  ASSERT_TRUE(remove({.uid = uid, .revision = revision, .dry_run = true}));
  EXPECT_EQ(json::parse(get().value()), pod);
  ASSERT_TRUE(remove({.uid = uid, .revision = revision}));
  EXPECT_EQ(get().error().code, base::ErrorCode::kNotFound);
  EXPECT_EQ(remove({}).error().code, base::ErrorCode::kNotFound);
}

}  // namespace
}  // namespace podkeeper
