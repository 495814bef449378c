#include "pkg/runtime/real_world.h"

#include "pkg/recovery/panic_report.h"
#include "pkg/runtime/task_group.h"
#include "pkg/runtime/teardown.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/base/sanitized.h"
#include "tests/faults/record.h"

namespace {
std::atomic<int> failing_accepts{0};
}

/// In the place of the C library's: the next `failing_accepts` calls find no free descriptor. A
/// real shortage would starve whatever else wants one, the sanitizers' own checks first.
extern "C" int accept(int listener, sockaddr* address, socklen_t* length) {
  if (failing_accepts > 0) {
    --failing_accepts;
    errno = EMFILE;
    return -1;
  }
  return accept4(listener, address, length, 0);
}

namespace podkeeper::runtime {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using base::Task;

constexpr base::MonotonicTime kNever = base::MonotonicTime::max();
const base::Endpoint kAnyPort{"127.0.0.1", 0};

struct Pair {
  std::unique_ptr<base::Listener> listener;
  std::unique_ptr<base::Stream> client;
  std::unique_ptr<base::Stream> server;
};

Task<Pair> open_pair(RealWorld& world) {
  Pair pair;
  pair.listener = std::move(world.network().listen(kAnyPort).value());
  auto connecting = world.network().connect(pair.listener->address(), kNever);
  auto connected = co_await std::move(connecting);
  pair.client = std::move(connected.value());
  auto accepting = pair.listener->accept(world.make_executor());
  auto accepted = co_await std::move(accepting);
  pair.server = std::move(accepted.value());
  co_return pair;
}

Task<std::string> read_all(base::Stream& stream) {
  std::string all;
  std::vector<char> buffer(100'000);
  for (;;) {
    auto reading = stream.read_some(asio::buffer(buffer));
    const auto size = co_await std::move(reading);
    if (!size || *size == 0) co_return all;
    all.append(buffer.data(), *size);
  }
}

/// Sends `pieces` over TCP and gives what arrived.
std::string sent_through_tcp(const std::vector<std::string>& pieces) {
  RealWorld world;
  TaskRegistry registry(world.clock());
  TaskGroup group(world, registry, "test");
  std::string got;
  auto body = [&]() -> Task<void> {
    auto opening = open_pair(world);
    auto pair = co_await std::move(opening);
    auto writer = [&]() -> Task<void> {
      std::vector<asio::const_buffer> buffers;
      for (const auto& piece : pieces) buffers.push_back(asio::buffer(piece));
      auto writing = pair.client->write(buffers);
      EXPECT_TRUE((co_await std::move(writing)).has_value());
      pair.client->shutdown_write();
    };
    EXPECT_TRUE(group.spawn("writer", base::Handler::kEvent, writer).has_value());
    auto reading = read_all(*pair.server);
    got = co_await std::move(reading);
    auto joining = group.join();
    co_await std::move(joining);
  };
  world.run_task(body, 2);
  return got;
}

TEST(RealNetwork, GathersFewManySmallAndBigPiecesInOrder) {
  std::vector<std::string> few{"head", "", std::string(300'000, 'b'), "tail"};
  std::vector<std::string> many;
  for (std::size_t i = 0; i < 5000; ++i) {
    many.push_back(std::string(i % 997, static_cast<char>('a' + i % 26)));
  }
  many[100] = std::string(3'000'000, 'X');
  many[101] = std::string(256 * 1024, 'Y');
  for (const auto& pieces : {few, many}) {
    std::string whole;
    for (const auto& piece : pieces) whole += piece;
    EXPECT_TRUE(sent_through_tcp(pieces) == whole);
  }
}

TEST(RealNetwork, NamesAPortInUse) {
  RealWorld world;
  const auto first = world.network().listen(kAnyPort);
  const auto address = first.value()->address();
  const auto second = world.network().listen(address);
  EXPECT_EQ(second.error().code, base::ErrorCode::kIo);
  EXPECT_EQ(second.error().message, "listen on " + to_string(address) +
                                        ": address already in use; stop the other process or "
                                        "choose another port");
}

TEST(RealNetwork, ResolvesNamesAndSaysWhenNobodyListens) {
  RealWorld world;
  auto body = [&]() -> Task<void> {
    auto listener = std::move(world.network().listen(kAnyPort).value());
    const base::Endpoint by_name{"localhost", listener->address().port};
    auto connecting = world.network().connect(by_name, world.clock().now() + 10s);
    EXPECT_TRUE((co_await std::move(connecting)).has_value());
    listener.reset();
    auto again = world.network().connect({"127.0.0.1", by_name.port}, kNever);
    const auto refused = co_await std::move(again);
    EXPECT_EQ(refused.error().code, base::ErrorCode::kUnavailable);
    EXPECT_EQ(refused.error().message,
              "connect to 127.0.0.1:" + std::to_string(by_name.port) + ": connection refused");
  };
  world.run_task(body);
}

TEST(RealNetwork, ADeadlineEndsAReadAndALaterOneRevivesTheStream) {
  RealWorld world;
  auto body = [&]() -> Task<void> {
    auto opening = open_pair(world);
    auto pair = co_await std::move(opening);
    std::array<char, 8> buffer{};
    const auto start = world.clock().now();
    pair.server->set_deadline(start + 10s);
    pair.server->set_deadline(start + 20ms);  // earlier than the timer that is set
    auto reading = pair.server->read_some(asio::buffer(buffer));
    EXPECT_EQ((co_await std::move(reading)).error().code, base::ErrorCode::kTimeout);
    EXPECT_GE(world.clock().now() - start, 20ms);
    EXPECT_LT(world.clock().now() - start, 5s);
    auto still = pair.server->read_some(asio::buffer(buffer));
    EXPECT_EQ((co_await std::move(still)).error().code, base::ErrorCode::kTimeout);
    pair.server->set_deadline(world.clock().now() + 10s);
    const std::array piece{asio::const_buffer("x", 1)};
    auto writing = pair.client->write(piece);
    EXPECT_TRUE((co_await std::move(writing)).has_value());
    auto after = pair.server->read_some(asio::buffer(buffer));
    EXPECT_EQ((co_await std::move(after)).value(), 1u);
  };
  world.run_task(body);
}

TEST(RealNetwork, ADeadlineThatMovesLaterLetsTheReadGoOn) {
  RealWorld world;
  auto body = [&]() -> Task<void> {
    auto opening = open_pair(world);
    auto pair = co_await std::move(opening);
    std::array<char, 8> buffer{};
    const auto start = world.clock().now();
    pair.server->set_deadline(start + 10ms);
    pair.server->set_deadline(start + 60ms);
    auto reading = pair.server->read_some(asio::buffer(buffer));
    EXPECT_EQ((co_await std::move(reading)).error().code, base::ErrorCode::kTimeout);
    EXPECT_GE(world.clock().now() - start, 60ms);
  };
  world.run_task(body);
}

TEST(RealNetwork, AStopEndsReadAcceptAndSleepOnSeveralThreads) {
  RealWorld world;
  TaskRegistry registry(world.clock());
  TaskGroup group(world, registry, "test");
  const auto panics = recovery::PanicRecorder::instance().total();
  auto body = [&]() -> Task<void> {
    auto opening = open_pair(world);
    auto pair = co_await std::move(opening);
    auto read = [&]() -> Task<void> {
      auto reading = read_all(*pair.server);
      (void)co_await std::move(reading);
      ADD_FAILURE() << "the read ended without a stop";
    };
    auto accept = [&]() -> Task<void> {
      auto accepting = pair.listener->accept(world.make_executor());
      (void)co_await std::move(accepting);
      ADD_FAILURE() << "the accept ended without a stop";
    };
    auto sleep = [&]() -> Task<void> {
      auto sleeping = world.clock().sleep_until(kNever);
      co_await std::move(sleeping);
      ADD_FAILURE() << "the sleep ended without a stop";
    };
    EXPECT_TRUE(group.spawn("read", base::Handler::kStream, read).has_value());
    EXPECT_TRUE(group.spawn("accept", base::Handler::kHttp, accept).has_value());
    EXPECT_TRUE(group.spawn("sleep", base::Handler::kTimer, sleep).has_value());
    auto moment = world.clock().sleep_for(5ms);
    co_await std::move(moment);
    group.stop();
    auto joining = group.join();
    co_await std::move(joining);
  };
  world.run_task(body, 3);
  EXPECT_EQ(recovery::PanicRecorder::instance().total(), panics);
}

TEST(RealNetwork, ClosingAListenerEndsAWaitingAcceptAndFreesThePort) {
  RealWorld world;
  auto body = [&]() -> Task<void> {
    auto listener = std::move(world.network().listen(kAnyPort).value());
    world.clock().call_at(world.clock().now() + 5ms, world.make_executor(),
                          [&] { listener->close(); });
    auto accepting = listener->accept(world.make_executor());
    EXPECT_EQ((co_await std::move(accepting)).error().code, base::ErrorCode::kUnavailable);
    EXPECT_TRUE(world.network().listen(listener->address()).has_value());
  };
  world.run_task(body, 2);
}

TEST(RealNetwork, TellsThatDescriptorsRanOutAndAcceptsOnceThereAreSome) {
  RealWorld world;
  auto body = [&]() -> Task<void> {
    auto listener = std::move(world.network().listen(kAnyPort).value());
    auto connecting = world.network().connect(listener->address(), kNever);
    auto client = co_await std::move(connecting);
    failing_accepts = 1;
    auto failing = listener->accept(world.make_executor());
    EXPECT_EQ((co_await std::move(failing)).error().code, base::ErrorCode::kIo);
    auto accepting = listener->accept(world.make_executor());
    EXPECT_TRUE((co_await std::move(accepting)).has_value());
  };
  world.run_task(body);
}

TEST(RealWorld, RecordsWhatReachesAThreadsRootAndGoesOn) {
  RealWorld world;
  const auto before = recovery::PanicRecorder::instance().total();
  auto body = [&]() -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      asio::post(world.make_executor(), [] { throw std::runtime_error("escaped"); });
      auto moment = world.clock().sleep_for(1ms);
      co_await std::move(moment);
    }
  };
  world.run_task(body, 2);
  EXPECT_EQ(recovery::PanicRecorder::instance().total(), before + 3);
  EXPECT_EQ(recovery::PanicRecorder::instance().last().front().handler, base::Handler::kThread);
}

#if !PK_ADDRESS_SANITIZER && \
    !__has_feature(          \
        thread_sanitizer)  // the sanitizers need more address space than the limit leaves
TEST(RealWorld, SaysHowManyThreadsTheSystemGaveAndRunsNothing) {
  constexpr std::size_t kThreads = 1'024;
  const auto start = [] {
    // Room for some stacks of 8 MiB; a limit on processes would not hold for root.
    constexpr rlim_t kSpace = rlim_t{2} << 30;
    const rlimit limit{.rlim_cur = kSpace, .rlim_max = kSpace};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(2);
    RealWorld world;
    try {
      world.run_task([]() -> Task<void> { co_return; }, kThreads);
    } catch (const ThreadShortage& e) {
      std::fputs(e.what(), stderr);
      std::_Exit(3);
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(start(), ::testing::ExitedWithCode(3),
              "cannot start thread [0-9]+ of 1024: .*ulimit");
  faults::record({.row = 77,
                  .outcome = "the start is refused with one line that says what to do",
                  .evidence = "\"cannot start thread N of M\" on standard error, exit code 1"});
}
#endif

TEST(RealWorld, ItsExecutorsNeverRunInParallelWithThemselves) {
  RealWorld world;
  std::uint64_t plain = 0;  // the thread sanitizer watches it
  std::atomic<int> left{4000};
  auto body = [&]() -> Task<void> {
    const auto executor = world.make_executor();
    for (int i = 0; i < 4000; ++i) {
      asio::post(executor, [&] {
        ++plain;
        --left;
      });
    }
    while (left > 0) {
      auto moment = world.clock().sleep_for(100us);
      co_await std::move(moment);
    }
  };
  world.run_task(body, 3);
  EXPECT_EQ(plain, 4000u);
}

TEST(RealWorld, GivesTerminationSignals) {
  RealWorld world;
  std::vector<int> got;
  auto body = [&]() -> Task<void> {
    for (const int number : {SIGTERM, SIGINT}) {
      world.clock().call_at(world.clock().now() + 5ms, world.make_executor(),
                            [number] { std::raise(number); });
      auto waiting = world.termination_signal();
      got.push_back(co_await std::move(waiting));
    }
  };
  world.run_task(body);
  EXPECT_EQ(got, (std::vector<int>{SIGTERM, SIGINT}));
}

TEST(RealWorld, KeepsASignalThatCameBeforeAnybodyWaited) {
  RealWorld world;
  world.catch_termination_signals();
  std::raise(SIGTERM);
  int got = 0;
  auto body = [&]() -> Task<void> {
    auto waiting = world.termination_signal();
    got = co_await std::move(waiting);
  };
  world.run_task(body);
  EXPECT_EQ(got, SIGTERM);
}

TEST(RealWorldDeathTest, EndsAtOnceAtTheSecondSignal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto two_signals = [] {
    RealWorld world;
    auto body = [&]() -> Task<void> {
      std::raise(SIGTERM);
      auto waiting = world.termination_signal();
      co_await std::move(waiting);
      world.end_at_next_termination_signal();
      std::raise(SIGINT);
      auto forever = world.clock().sleep_until(kNever);
      co_await std::move(forever);
    };
    world.catch_termination_signals();
    world.run_task(body);
  };
  EXPECT_EXIT(two_signals(), testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(RealWorld, EndsCleanlyWithTasksWaiting) {
  auto world = std::make_unique<RealWorld>();
  TaskRegistry registry(world->clock());
  auto group = std::make_unique<TaskGroup>(*world, registry, "pending");
  auto& w = *world;
  auto sleeper = [&w]() -> Task<void> {
    auto sleep = w.clock().sleep_until(kNever);
    co_await std::move(sleep);
  };
  auto reader = [&w]() -> Task<void> {
    auto opening = open_pair(w);
    auto pair = co_await std::move(opening);
    pair.server->set_deadline(w.clock().now() + 1h);
    auto reading = read_all(*pair.server);
    (void)co_await std::move(reading);
  };
  EXPECT_TRUE(group->spawn("sleeper", base::Handler::kTimer, sleeper).has_value());
  EXPECT_TRUE(group->spawn("reader", base::Handler::kStream, reader).has_value());
  auto body = [&]() -> Task<void> {
    auto moment = w.clock().sleep_for(10ms);
    co_await std::move(moment);
  };
  world->run_task(body);
  EXPECT_EQ(group->size(), 2u);
  {
    const Teardown teardown;
    group.reset();  // its tasks hold executors of the world: it may not outlive it
  }
  world.reset();
}

TEST(RealFiles, ReadsWholeFilesWithinTheLimit) {
  RealWorld world;
  const std::string path = ::testing::TempDir() + "/podkeeper_real_files";
  std::ofstream(path) << std::string(1000, 'f');
  EXPECT_EQ(world.files().read(path, 1000).value(), std::string(1000, 'f'));
  EXPECT_EQ(world.files().read(path, 999).error().code, base::ErrorCode::kTooLarge);
  EXPECT_EQ(world.files().read(path + ".none", 999).error().code, base::ErrorCode::kNotFound);
  EXPECT_EQ(world.files().read(::testing::TempDir(), 999).error().code, base::ErrorCode::kIo);
  unlink(path.c_str());
}

}  // namespace
}  // namespace podkeeper::runtime
