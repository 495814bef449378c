#pragma once

#include "pkg/http/client.h"
#include "pkg/http/server.h"
#include "pkg/kube/object_client.h"
#include "pkg/kube/status.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/telemetry/metrics.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::controllers::testing {

using Json = nlohmann::json;

/// An API server in a simulated world that notes every request and answers as a test says; and a
/// client of it.
class ApiServer {
 public:
  struct Asked {
    std::string method, path, manager;
    bool force = false;
    Json body;
    base::MonotonicTime at;
  };
  using Answer = std::function<http::Response(const Asked&)>;

  explicit ApiServer(Answer answer = same_object) : answer_(std::move(answer)) {
    http::Router router;
    for (const char* root : {"/api", "/apis"}) {
      router.prefix(root, [this](http::Request request) { return take(std::move(request)); });
    }
    server_ = std::make_unique<http::Server>(world, group, metrics, "api", std::move(router),
                                             http::ServerLimits{.body_bytes_max = 1 << 20});
    const auto bound = server_->listen({"api", 6443});
    if (!bound) throw std::runtime_error(bound.error().message);
    http_ = std::make_unique<http::Client>(
        world, metrics, http::ClientOptions{.endpoint = *bound, .user_agent = "test"});
    client = std::make_unique<kube::ObjectClient>(world, *http_);
  }
  ~ApiServer() { end(); }
  /// Ends every task; before what they use goes.
  void end() {
    group.stop();
    world.run_task([this]() -> base::Task<void> {
      auto joined = group.join();
      co_await std::move(joined);
    });
  }

  /// 200 with what was sent.
  static http::Response same_object(const Asked& asked) {
    return http::Response::json(asked.method == "POST" ? 201 : 200, asked.body.dump());
  }
  static http::Response refusal(int code, const std::string& reason, const std::string& message) {
    kube::Status status;
    status.code = code;
    status.reason = reason;
    status.message = message;
    return http::Response::json(code, kube::to_json(status));
  }
  /// Runs a task to its end.
  void run(const std::function<base::Task<void>()>& task) { world.run_task(task); }
  http::Client& http_client() { return *http_; }

  runtime::SimulatedWorld world{1};
  runtime::TaskRegistry registry{world.clock()};
  telemetry::Metrics metrics;
  runtime::TaskGroup group{world, registry, "test"};
  std::vector<Asked> asked;
  std::unique_ptr<kube::ObjectClient> client;

 private:
  base::Task<http::Response> take(http::Request request) {
    const auto& target = request.target;
    asked.push_back({.method = request.method,
                     .path = std::string(target.path),
                     .manager = std::string(target.query_value("fieldManager").value_or("")),
                     .force = target.query_value("force") == "true",
                     .body = Json::parse(request.body, nullptr, false),
                     .at = world.clock().now()});
    co_return answer_(asked.back());
  }

  Answer answer_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Client> http_;
};

}  // namespace podkeeper::controllers::testing
