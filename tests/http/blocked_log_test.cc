#include "pkg/http/client.h"
#include "pkg/http/server.h"
#include "pkg/runtime/real_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/telemetry/log.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>

#include "tests/faults/record.h"

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

constexpr int kRequests = 50;
constexpr int kLines = 200;  ///< a request

base::Task<Response> talkative(Request) {
  for (int i = 0; i < kLines; ++i) telemetry::log_info("said", {{"line", i}});
  co_return Response::text(200, "ok");
}

/// A pipe that is full and that nobody reads.
struct BlockedPipe {
  BlockedPipe() {
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    const std::string page(4096, '.');
    while (::write(ends[1], page.data(), page.size()) > 0) {
    }
    EXPECT_EQ(::fcntl(ends[1], F_SETFL, 0), 0);
  }
  ~BlockedPipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  int ends[2] = {-1, -1};
};

TEST(BlockedLog, NeverHoldsAnAnswerUp) {
  const BlockedPipe pipe;
  runtime::RealWorld world;
  telemetry::Metrics metrics;
  const telemetry::Logging logging({.queue_lines_max = 64, .output_fd = pipe.ends[1]},
                                   world.clock(), &metrics);
  runtime::TaskRegistry registry(world.clock());
  runtime::TaskGroup group(world, registry, "test");
  Router router;
  router.exact("/talk", talkative);
  Server server(world, group, metrics, "test", std::move(router));
  ClientOptions options;
  options.endpoint = server.listen({"127.0.0.1", 0}).value();
  Client client(world, metrics, options);
  int answered = 0;
  world.run_task([&]() -> base::Task<void> {
    for (int i = 0; i < kRequests; ++i) {
      ClientRequest request;
      request.target = "/talk";
      auto response = co_await client.send(std::move(request), world.clock().now() + 30s);
      if (response && response->status == 200) ++answered;
      if (response) (void)co_await response->read_all(1'000);
    }
    group.stop();
    co_await group.join();
  });
  EXPECT_EQ(answered, kRequests);
  EXPECT_GT(logging.dropped(), 0U);
  EXPECT_EQ(metrics.render().find("podkeeper_log_dropped_total 0"), std::string::npos);
  // Its thread has something to write, and comes to it in the end.
  while (!logging.blocked_for().has_value()) std::this_thread::yield();
  faults::record({.row = 76,
                  .outcome = "requests are answered; the oldest waiting lines give way",
                  .evidence = "podkeeper_log_dropped_total, health check log"});
}

}  // namespace
}  // namespace podkeeper::http
