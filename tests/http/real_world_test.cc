#include "pkg/runtime/real_world.h"

#include "pkg/http/client.h"
#include "pkg/http/server.h"
#include "pkg/runtime/task_group.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

base::Task<Response> numbers(Request request) {
  Response response;
  if (request.target.query_value("stream")) {
    response.body = [](BodyWriter& writer) -> base::Task<void> {
      const std::string event(6'800, 'e');
      for (int i = 0; i < 100; ++i) {
        const std::array<std::string_view, 1> pieces{event};
        if (!co_await writer.write(pieces)) co_return;
      }
    };
    co_return response;
  }
  auto text = std::make_shared<std::string>("0123456789");
  GatheredBody body{.pieces = {}, .owner = text};
  for (int i = 0; i < 500'000; ++i) body.add(*text);
  response.body = std::move(body);
  co_return response;
}

/// A server and a client over loopback, on several threads.
class Loopback {
 public:
  Loopback() : registry_(world_.clock()), group_(world_, registry_, "test") {
    Router router;
    router.exact("/numbers", numbers);
    server_ = std::make_unique<Server>(world_, group_, metrics_, "test", std::move(router));
    ClientOptions options;
    options.endpoint = server_->listen({"127.0.0.1", 0}).value();
    client_ = std::make_unique<Client>(world_, metrics_, options);
  }

  base::Task<void> fetch(std::string target, std::size_t expected) {
    for (int i = 0; i < 10; ++i) {
      ClientRequest request;
      request.target = target;
      auto response = co_await client_->send(std::move(request), world_.clock().now() + 30s);
      if (!response) co_return;
      const auto body = co_await response->read_all(10'000'000);
      if (body && body->size() == expected) ++whole_;
    }
  }

  base::Task<void> run() {
    for (int i = 0; i < 4; ++i) {
      (void)group_.spawn("list", base::Handler::kEvent,
                         [this] { return fetch("/numbers", 5'000'000); });
      (void)group_.spawn("stream", base::Handler::kEvent,
                         [this] { return fetch("/numbers?stream=1", 680'000); });
    }
    while (registry_.count(base::Handler::kEvent) > 0) co_await world_.clock().sleep_for(10ms);
    co_await server_->drain(world_.clock().now() + 5s);
    left_ = server_->connections();
    group_.stop();
    co_await group_.join();
  }

  void start() {
    world_.run_task([this] { return run(); }, 2);
  }
  [[nodiscard]] int whole() const { return whole_; }
  [[nodiscard]] std::size_t left() const { return left_; }

 private:
  runtime::RealWorld world_;
  runtime::TaskRegistry registry_;
  telemetry::Metrics metrics_;
  runtime::TaskGroup group_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
  std::atomic<int> whole_ = 0;
  std::size_t left_ = 1;
};

TEST(OverLoopback, ListsAndStreamsArriveWholeAndTheServerDrains) {
  Loopback loopback;
  loopback.start();
  EXPECT_EQ(loopback.whole(), 80);
  EXPECT_EQ(loopback.left(), 0U);
}

}  // namespace
}  // namespace podkeeper::http
