#include "pkg/api/process_api.h"

#include "pkg/api/debug_api.h"
#include "pkg/api/health_api.h"
#include "pkg/http/client.h"
#include "pkg/runtime/real_watchdog.h"
#include "pkg/runtime/simulated_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace podkeeper::api {
namespace {

using base::Task;
using testing::HasSubstr;
using testing::StartsWith;

struct Answer {
  int status = 0;
  std::string content_type;
  std::string body;
};

/// A server in the simulated world with the routes of the process, and a client that asks it.
class ProcessApiTest : public testing::Test {
 protected:
  ProcessApiTest() : tasks_(world_.clock()), group_(world_, tasks_, "test") {
    health_->readyz.add("ping", [] { return base::Result<void>{}; });
    health_->readyz.add("upstream", [this]() -> base::Result<void> {
      if (healthy_) return {};
      return base::Error{base::ErrorCode::kUnavailable, "secret reason"};
    });
    http::Router router;
    add_health_routes(router, health_, world_.clock());
    add_metrics_route(router, metrics_);
    add_status_routes(router, settings_, world_.clock());
    add_debug_routes(router, tasks_);
    add_threads_route(router, watchdog_);
    add_panic_route(router, group_);
    server_ = std::make_unique<http::Server>(world_, group_, metrics_, "test", std::move(router));
    endpoint_ = server_->listen({.host = "127.0.0.1", .port = 0}).value();
  }
  ~ProcessApiTest() override {
    world_.run_task([this]() -> Task<void> {
      auto draining = server_->drain(world_.clock().now() + std::chrono::seconds(5));
      co_await std::move(draining);
      group_.stop();
      auto joining = group_.join();
      co_await std::move(joining);
    });
  }

  Answer ask(const std::string& method, const std::string& target) {
    Answer answer;
    world_.run_task([&]() -> Task<void> {
      http::Client client(world_, metrics_, {.endpoint = endpoint_, .user_agent = "test"});
      http::ClientRequest request{.method = method, .target = target, .headers = {}, .body = {}};
      auto sending =
          client.send(std::move(request), world_.clock().now() + std::chrono::seconds(10));
      auto response = co_await std::move(sending);
      if (!response) co_return;
      answer.status = response->status;
      answer.content_type = response->headers.get("Content-Type").value_or("");
      auto reading = response->read_all(1 << 20);
      const auto body = co_await std::move(reading);
      if (body) answer.body = *body;
    });
    return answer;
  }

  runtime::SimulatedWorld world_{7};
  telemetry::Metrics metrics_;
  settings::Settings settings_ = settings::standalone_defaults();
  runtime::TaskRegistry tasks_;
  runtime::TaskGroup group_;
  runtime::RealWorld real_;
  runtime::Watchdog watchdog_{real_, metrics_, {.timeout = std::chrono::seconds(0)}};
  bool healthy_ = true;
  std::shared_ptr<HealthChecks> health_ = std::make_shared<HealthChecks>();
  std::unique_ptr<http::Server> server_;
  base::Endpoint endpoint_;
};

TEST_F(ProcessApiTest, SaysReadyInKubernetesFormat) {
  EXPECT_EQ(ask("GET", "/readyz").body, "ok");
  EXPECT_EQ(ask("GET", "/readyz?verbose").body,
            "[+]ping ok\n[+]upstream ok\nreadyz check passed\n");
  EXPECT_EQ(ask("GET", "/readyz/ping").status, 200);
  EXPECT_EQ(ask("GET", "/readyz/nothing").status, 404);
  EXPECT_EQ(ask("POST", "/readyz").status, 405);
}

TEST_F(ProcessApiTest, WithholdsTheReasonOfAFailedCheck) {
  healthy_ = false;
  const Answer answer = ask("GET", "/readyz");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("[-]upstream failed: reason withheld"));
  EXPECT_THAT(answer.body, testing::Not(HasSubstr("secret")));
  EXPECT_EQ(ask("GET", "/readyz?exclude=upstream").status, 200);
}

TEST_F(ProcessApiTest, ServesMetricsAndTheStatusPages) {
  EXPECT_THAT(ask("GET", "/metrics").content_type, StartsWith("text/plain; version=0.0.4"));
  EXPECT_THAT(ask("GET", "/statusz").body, HasSubstr("Version: "));
  EXPECT_THAT(ask("GET", "/flagz").body, HasSubstr("\napi-bind-address=127.0.0.1:8080\n"));
  const auto config = nlohmann::json::parse(ask("GET", "/configz").body);
  EXPECT_EQ(config.at("podkeeper").at("apiBindAddress"), "127.0.0.1:8080");
  EXPECT_EQ(ask("DELETE", "/metrics").status, 405);
}

TEST_F(ProcessApiTest, ListsTasksWithParentAndOrigin) {
  const auto answer = nlohmann::json::parse(ask("GET", "/debug/tasks").body);
  ASSERT_GE(answer.at("tasks").size(), 2U);  // the listener and this connection
  for (const auto& task : answer.at("tasks")) {
    EXPECT_THAT(task.at("createdBy").get<std::string>(), HasSubstr("pkg/http/"));
    EXPECT_FALSE(task.at("name").get<std::string>().empty());
  }
}

TEST_F(ProcessApiTest, PanicsInAHandlerOfEachKindAndGoesOn) {
  EXPECT_EQ(ask("POST", "/debug/panic?handler=http&kind=invariant").status, 500);
  EXPECT_EQ(ask("POST", "/debug/panic?handler=stream").body, "");
  for (const char* handler : {"reconcile", "event", "timer"}) {
    EXPECT_EQ(ask("POST", std::string("/debug/panic?kind=misuse&handler=") + handler).status, 202);
  }
  const auto reports = nlohmann::json::parse(ask("GET", "/debug/panics").body).at("panics");
  ASSERT_GE(reports.size(), 5U);
  EXPECT_EQ(reports[0].at("handler"), "timer");
  EXPECT_EQ(reports[0].at("kind"), "misuse");
  EXPECT_EQ(reports[0].at("task").at("name"), "debug-panic");
  EXPECT_THAT(reports[0].at("message").get<std::string>(),
              HasSubstr("a map is used while another writes it"));
  const auto& parties = reports[0].at("parties");
  ASSERT_EQ(parties.size(), 2U) << reports[0];
  EXPECT_EQ(parties[0].at("doing"), "iteration");
  EXPECT_EQ(parties[0].at("task").at("name"), "debug-panic");
  EXPECT_EQ(parties[0].at("task").at("id"), reports[0].at("task").at("id"));
  EXPECT_EQ(parties[1].at("doing"), "write");
  EXPECT_EQ(parties[1].at("task").at("name"), "debug-panic-writer");
  EXPECT_NE(parties[1].at("task").at("id"), parties[0].at("task").at("id"));
  EXPECT_NE(parties[1].at("callSite"), parties[0].at("callSite"));
  EXPECT_EQ(reports[4].at("request").at("path"), "/debug/panic");
}

TEST_F(ProcessApiTest, RefusesAPanicItCannotMake) {
  EXPECT_EQ(ask("GET", "/debug/panic").status, 405);
  EXPECT_THAT(ask("POST", "/debug/panic?handler=kernel").body, HasSubstr("kernel"));
  EXPECT_THAT(ask("POST", "/debug/panic?kind=hunger").body, HasSubstr("hunger"));
  for (const char* seconds : {"0", "61", "-1", "1.5", "soon", ""}) {
    EXPECT_EQ(ask("POST", std::string("/debug/panic?kind=stall&seconds=") + seconds).status, 400);
  }
}

TEST_F(ProcessApiTest, ShowsTheStacksOfAllThreads) {
  const auto answer = nlohmann::json::parse(ask("GET", "/debug/threads").body);
  EXPECT_EQ(answer.at("stalls"), 0);
  EXPECT_TRUE(answer.at("lastStall").is_null());
  ASSERT_FALSE(answer.at("threads").empty());
  // The one that answers is among them, with the task it answers in.
  const auto& threads = answer.at("threads");
  const auto own = std::ranges::find_if(
      threads, [](const auto& thread) { return thread.at("task").at("id") != 0; });
  ASSERT_NE(own, threads.end());
  EXPECT_EQ(own->at("answered"), true);
  EXPECT_THAT(own->at("stack").dump(), HasSubstr("take_stacks"));
}

}  // namespace
}  // namespace podkeeper::api
