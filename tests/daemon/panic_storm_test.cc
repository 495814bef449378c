#include "pkg/recovery/panic_report.h"
#include "pkg/telemetry/log.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/panic_sinks.h"
#include "tests/faults/record.h"
#include "tests/http/harness.h"

namespace podkeeper::daemon {
namespace {

using namespace std::chrono_literals;

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

/// A server one of whose routes always panics, and what the daemon says of it.
struct Stormy : http::House {
  static constexpr int kClients = 4;
  static constexpr int kPanicsEach = 1'000;
  static constexpr int kAsksEach = 50;

  /// Hears as many answers of that status as were asked for.
  void client(const std::string& target, int asks, int status) {
    const auto started = group.spawn(
        "client", base::Handler::kEvent, [this, target, asks, status]() -> base::Task<void> {
          auto dialing = dial();
          const auto stream = co_await std::move(dialing);
          std::string pipelined;
          for (int i = 0; i < asks; ++i) pipelined += get(target);
          auto saying = say(*stream, std::move(pipelined));
          co_await std::move(saying);
          const auto heard = co_await hear(*stream);
          const auto statuses = heard.statuses();
          right += std::ranges::count(statuses, status);
          wrong += std::ranges::count_if(statuses, [=](int one) { return one != status; });
        });
    ASSERT_TRUE(started.has_value());
  }
  void note(std::string_view line) {
    if (line.find("panic_recovered") == std::string_view::npos) return;
    ++lines;
    constexpr std::string_view kSuppressed = "suppressed=";
    const auto at = line.find(kSuppressed);
    ASSERT_NE(at, std::string_view::npos) << line;
    told += std::stoi(std::string(line.substr(at + kSuppressed.size())));
  }

  std::ptrdiff_t right = 0;
  std::ptrdiff_t wrong = 0;
  int lines = 0;
  int told = 0;  ///< as left out, by the lines that were not
  telemetry::Logging logging{{.write = [this](std::string_view line) { note(line); }},
                             world.clock()};
  PanicSinks sinks{world.clock(), metrics};
};

TEST(PanicStorm, DisturbsNobodyElseAndIsLoggedWithinBoundsAndCountedExactly) {
  Stormy house;
  constexpr int kPanics = Stormy::kClients * Stormy::kPanicsEach;
  constexpr int kAnswers = kPanics + Stormy::kClients * Stormy::kAsksEach;
  const auto began = house.world.clock().now();
  for (int i = 0; i < Stormy::kClients; ++i) {
    house.client("/fail", Stormy::kPanicsEach, 500);
    house.client("/hello", Stormy::kAsksEach, 200);
  }
  EXPECT_TRUE(house.world.run_until([&] { return house.right >= kAnswers; }, 10min));
  EXPECT_EQ(house.right, kAnswers);
  EXPECT_EQ(house.wrong, 0);

  const auto took = house.world.clock().now() - began;
  EXPECT_GE(house.lines, 20) << "a few panics are all told";
  EXPECT_LE(house.lines, 21 + took / 200ms);
  EXPECT_TRUE(house.metric("podkeeper_panics_total{handler=\"http\",kind=\"exception\"} " +
                           std::to_string(kPanics) + "\n"));
  EXPECT_TRUE(house.metric("podkeeper_panics_suppressed_total " +
                           std::to_string(kPanics - house.lines) + "\n"));

  house.world.run_for(1min);
  house.talk({get("/fail")});
  EXPECT_EQ(house.lines + house.told, kPanics + 1) << "the next line tells what was left out";
  faults::record({.row = 42,
                  .outcome =
                      "every other request is served; 20 lines at once, then 5 a second, each "
                      "with the number of those left out before it",
                  .evidence = "podkeeper_panics_total, podkeeper_panics_suppressed_total, "
                              "\"suppressed\" of panic_recovered",
                  .recovery = {}});
}

}  // namespace
}  // namespace podkeeper::daemon
