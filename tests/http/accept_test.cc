#include "pkg/runtime/simulated_world.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "tests/faults/record.h"
#include "tests/http/harness.h"

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

/// Fails its first accepts as the system does that has no descriptor left, and notes when each was
/// tried.
struct Shortage {
  base::Clock* clock = nullptr;
  int failures_left = 0;
  std::vector<base::MonotonicTime> tries;
};

class ShortListener final : public base::Listener {
 public:
  ShortListener(std::unique_ptr<base::Listener> inner, Shortage& shortage)
      : inner_(std::move(inner)), shortage_(shortage) {}
  base::Task<base::Result<std::unique_ptr<base::Stream>>> accept(base::Executor executor) override {
    shortage_.tries.push_back(shortage_.clock->now());
    if (shortage_.failures_left > 0) {
      --shortage_.failures_left;
      co_return base::Error{base::ErrorCode::kIo, "accept: too many open files"};
    }
    auto accepting = inner_->accept(std::move(executor));
    co_return co_await std::move(accepting);
  }
  [[nodiscard]] base::Endpoint address() const override { return inner_->address(); }
  void close() noexcept override { inner_->close(); }

 private:
  std::unique_ptr<base::Listener> inner_;
  Shortage& shortage_;
};

class ShortNetwork final : public base::Network {
 public:
  ShortNetwork(base::Network& inner, Shortage& shortage) : inner_(inner), shortage_(shortage) {}
  base::Result<std::unique_ptr<base::Listener>> listen(const base::Endpoint& endpoint) override {
    auto bound = inner_.listen(endpoint);
    if (!bound) return std::move(bound).error();
    return std::unique_ptr<base::Listener>(
        std::make_unique<ShortListener>(*std::move(bound), shortage_));
  }
  base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(
      base::Endpoint endpoint, base::MonotonicTime deadline) override {
    return inner_.connect(std::move(endpoint), deadline);
  }

 private:
  base::Network& inner_;
  Shortage& shortage_;
};

/// A simulated world whose listeners run out of descriptors.
class ShortWorld final : public base::World {
 public:
  explicit ShortWorld(runtime::SimulatedWorld& inner)
      : inner_(inner), network_(inner.network(), shortage) {
    shortage.clock = &inner.clock();
  }
  base::Clock& clock() override { return inner_.clock(); }
  base::Network& network() override { return network_; }
  base::Random& random() override { return inner_.random(); }
  base::Files& files() override { return inner_.files(); }
  base::Executor make_executor() override { return inner_.make_executor(); }

  Shortage shortage;

 private:
  runtime::SimulatedWorld& inner_;
  ShortNetwork network_;
};

TEST(Accepting, BacksOffFromFiftyMillisecondsToASecondWhileDescriptorsLack) {
  runtime::SimulatedWorld simulated(1);
  ShortWorld world(simulated);
  world.shortage.failures_left = 7;
  runtime::TaskRegistry registry(world.clock(), 100);
  runtime::TaskGroup group(world, registry, "test");
  telemetry::Metrics metrics;
  Server server(world, group, metrics, "test", test_router());
  ASSERT_TRUE(server.listen({"127.0.0.1", 80}).has_value());
  simulated.run_for(10s);
  const auto& tries = world.shortage.tries;
  ASSERT_EQ(tries.size(), 8U);
  std::vector<base::Duration> waits;
  for (std::size_t i = 1; i < tries.size(); ++i) waits.push_back(tries[i] - tries[i - 1]);
  EXPECT_EQ(waits, (std::vector<base::Duration>{50ms, 100ms, 200ms, 400ms, 800ms, 1s, 1s}));
  EXPECT_NE(metrics.render().find("podkeeper_http_accept_errors_total 7"), std::string::npos);
  faults::record({.row = 74,
                  .outcome = "accepting waits 50 ms to 1 s, idle connections give theirs back; the "
                             "API never takes the descriptors of health",
                  .evidence = "podkeeper_http_accept_errors_total, log line \"accept failed\"",
                  .recovery = tries.back() - tries[tries.size() - 2]});
  simulated.run_task([&]() -> base::Task<void> {
    group.stop();
    co_await group.join();
  });
}

TEST(Accepting, MakesTheLongestIdleGiveTheirDescriptorsBack) {
  runtime::SimulatedWorld simulated(1);
  ShortWorld world(simulated);
  runtime::TaskRegistry registry(world.clock(), 100);
  runtime::TaskGroup group(world, registry, "test");
  telemetry::Metrics metrics;
  Server server(world, group, metrics, "test", test_router());
  const auto endpoint = server.listen({"127.0.0.1", 80}).value();
  simulated.run_task([&]() -> base::Task<void> {
    std::vector<std::unique_ptr<base::Stream>> kept;
    for (int i = 0; i < 3; ++i) {
      auto stream = co_await world.network().connect(endpoint, base::MonotonicTime::max());
      kept.push_back(*std::move(stream));
      co_await House::say(*kept.back(), "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
      co_await world.clock().sleep_for(1s);
    }
    EXPECT_EQ(server.connections(), 3U);
    // The accept under way takes a newcomer; the next one fails.
    world.shortage.failures_left = 1;
    auto newcomer = co_await world.network().connect(endpoint, base::MonotonicTime::max());
    co_await world.clock().sleep_for(1s);
    EXPECT_LT(server.connections(), 4U);
    group.stop();
    co_await group.join();
  });
}

}  // namespace
}  // namespace podkeeper::http
