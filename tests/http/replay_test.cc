#include "pkg/http/client.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "tests/http/harness.h"

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

struct Outcome {
  std::uint64_t hash = 0;
  std::uint64_t steps = 0;
  int served = 0;
  int failed = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

base::Task<void> ask_often(House& house, Client& client, Outcome& run) {
  for (int i = 0; i < 20; ++i) {
    ClientRequest request;
    request.target = "/echo/" + std::to_string(i);
    auto response = co_await client.send(std::move(request), house.world.clock().now() + 5s);
    base::Result<std::string> body = base::Error{};
    if (response) body = co_await response->read_all(10'000);
    ++(body ? run.served : run.failed);
    co_await house.world.clock().sleep_for(10ms);
  }
}

/// Server and clients in one simulated world, with connections cut under them.
Outcome run_with(std::uint64_t seed) {
  House house(test_router(), {}, seed);
  ClientOptions options;
  options.endpoint = house.endpoint;
  Client client(house.world, house.metrics, options);
  Outcome run;
  for (int i = 0; i < 5; ++i) {
    (void)house.group.spawn("client", base::Handler::kEvent,
                            [&] { return ask_often(house, client, run); });
  }
  for (int i = 0; i < 10; ++i) {
    house.world.run_for(20ms);
    house.world.cut_connections_mid_stream();
  }
  house.world.run_for(10s);
  run.hash = house.world.trace_hash();
  run.steps = house.world.steps();
  return run;
}

TEST(Replay, OfServerAndClientIsTheSameBySeed) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome first = run_with(seed);
    EXPECT_EQ(first, run_with(seed)) << seed;
    EXPECT_EQ(first.served + first.failed, 100) << seed;
    EXPECT_GT(first.served, 50) << seed;
  }
  EXPECT_NE(run_with(1).hash, run_with(2).hash);
}

}  // namespace
}  // namespace podkeeper::http
