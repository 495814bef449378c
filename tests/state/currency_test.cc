#include "pkg/state/currency.h"

#include "pkg/runtime/simulated_world.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/state/scripted_probe.h"
#include "tests/state/support.h"

namespace podkeeper::state {
namespace {

using namespace std::chrono_literals;
using kube::Revision;
using testing::PodSpec;
using testing::ScriptedProbe;

constexpr ReadDemand kLinearizable{.consistency = Consistency::kLinearizable};
constexpr ReadDemand kSnapshot{.consistency = Consistency::kSnapshot};

/// A store at revision 10 whose upstream a test plays.
class Proving {
 public:
  explicit Proving(std::uint64_t seed = 1) : world(seed) {
    store.replace(testing::batch(PodSpec{.name = "a", .revision = 3}), {10});
    probe->newest_now = [] { return Revision{10}; };
  }
  ~Proving() {
    group.stop();
    world.run_task([this]() -> base::Task<void> {
      auto joining = group.join();
      co_await std::move(joining);
    });
  }
  /// How a read ended, and when.
  struct Read {
    std::optional<Currency::Met> met;
    base::Duration took{};
    Revision at;  ///< of the store, when it ended
  };
  std::shared_ptr<Read> start(ReadDemand demand) {
    auto read = std::make_shared<Read>();
    const auto reading = [this, demand, read]() -> base::Task<void> {
      const auto came = world.clock().now();
      auto meeting = currency.meet(demand);
      read->met = co_await std::move(meeting);
      read->took = world.clock().now() - came;
      read->at = reader.freshness().revision;
    };
    EXPECT_TRUE(group.spawn("read", base::Handler::kHttp, reading));
    return read;
  }
  Read ask(ReadDemand demand) {
    const auto read = start(demand);
    EXPECT_TRUE(world.run_until([&] { return read->met.has_value(); }, 10s));
    return *read;
  }
  void at(base::Duration after, std::function<void()> act) {
    world.clock().call_at(world.clock().now() + after, world.make_executor(), std::move(act));
  }

  runtime::SimulatedWorld world;
  runtime::TaskRegistry registry{world.clock()};
  telemetry::Metrics metrics;
  runtime::TaskGroup group{world, registry, "test"};
  Store store{world.clock(), testing::pod_store()};
  Reader reader{store};
  std::shared_ptr<ScriptedProbe> probe = std::make_shared<ScriptedProbe>(world);
  Currency currency{world, group, metrics, store, probe};
};

TEST(Currency, AsksNothingForTheDefaultOfAYoungMirror) {
  Proving test;
  test.world.run_for(4s);
  EXPECT_TRUE(test.ask({}).met->has_value());
  test.world.run_for(10s);
  EXPECT_EQ(test.probe->asked, 0);
}

TEST(Currency, AsksOnceForAllWhoCameBeforeTheQuestionWasSent) {
  Proving test;
  std::vector<std::shared_ptr<Proving::Read>> reads;
  reads.reserve(100);
  for (int i = 0; i < 100; ++i) reads.push_back(test.start(kLinearizable));
  test.world.run_for(1s);
  for (const auto& read : reads) EXPECT_TRUE(read->met && read->met->has_value());
  EXPECT_LE(test.probe->asked, 2) << "those who came after the first was sent share the second";
}

TEST(Currency, TheLatecomerDoesNotShareAnAnswerThatIsOlderThanWhatItSaw) {
  Proving test;
  test.probe->latency = [] { return 200ms; };
  std::uint64_t upstream = 10;
  test.probe->newest_now = [&] { return Revision{upstream}; };
  const auto first = test.start(kLinearizable);
  // Upstream has looked at 100 ms; the write comes after, and its writer reads before the answer.
  std::shared_ptr<Proving::Read> second;
  test.at(150ms, [&] {
    upstream = 11;
    second = test.start(kLinearizable);
  });
  test.at(290ms, [&] {
    test.store.apply(kube::EventType::kModified, testing::pod({.name = "a", .revision = 11}));
  });
  test.world.run_for(250ms);
  EXPECT_TRUE(first->met && first->met->has_value());
  EXPECT_FALSE(second->met.has_value());
  test.world.run_for(1s);
  ASSERT_TRUE(second->met && second->met->has_value());
  EXPECT_EQ(second->at, Revision{11});
  EXPECT_EQ(test.probe->asked, 2);
}

TEST(Currency, LiftsAQuietMirrorByASecondWatchFromWhereItStands) {
  Proving test;
  test.probe->newest_now = [] { return Revision{50}; };
  test.probe->quiet_now = [](Revision held) {
    EXPECT_EQ(held, Revision{10});
    return std::optional(Revision{52});
  };
  const auto read = test.ask(kLinearizable);
  EXPECT_TRUE(read.met->has_value());
  EXPECT_EQ(read.at, Revision{52});
  EXPECT_LT(read.took, 1400ms);
  EXPECT_EQ(test.probe->watched, 1);
}

TEST(Currency, AsksForNoSecondWatchWhereTheStreamIsSoonThere) {
  Proving test;
  test.probe->newest_now = [] { return Revision{50}; };
  test.at(200ms, [&] { test.store.progress({50}); });
  EXPECT_TRUE(test.ask(kLinearizable).met->has_value());
  test.world.run_for(5s);
  EXPECT_EQ(test.probe->watched, 0);
}

TEST(Currency, GivesUpAfterThreeSecondsAndSaysWhereUpstreamIs) {
  Proving test;
  test.probe->newest_now = [] { return Revision{50}; };
  const auto read = test.ask(kLinearizable);
  ASSERT_FALSE(read.met->has_value());
  EXPECT_EQ(read.met->error().kind, Unmet::Kind::kBehind);
  EXPECT_EQ(read.met->error().wanted, Revision{50});
  EXPECT_EQ(read.met->error().error.code, base::ErrorCode::kTimeout);
  EXPECT_TRUE(read.met->error().error.retry_after.has_value());
  EXPECT_EQ(read.took, 3s);
  test.world.run_for(1min);
  const auto watched = test.probe->watched;
  test.world.run_for(1min);
  EXPECT_EQ(test.probe->watched, watched) << "nobody wants it any more";
}

TEST(Currency, ProvesNothingByAnUpstreamThatIsAway) {
  Proving test;
  test.probe->newest_now = [] { return base::Error{base::ErrorCode::kUnavailable, "away"}; };
  const auto refused = test.ask(kLinearizable);
  ASSERT_FALSE(refused.met->has_value());
  EXPECT_EQ(refused.met->error().kind, Unmet::Kind::kUnproven);
  EXPECT_LT(refused.took, 10ms);
  test.probe->latency = [] { return 1h; };
  const auto silent = test.ask(kLinearizable);
  ASSERT_FALSE(silent.met->has_value());
  EXPECT_EQ(silent.met->error().kind, Unmet::Kind::kUnproven);
  EXPECT_EQ(silent.took, 3s);
}

TEST(Currency, TakesASnapshotAsYoungAsHalfASecondWithoutAsking) {
  Proving test;
  test.world.run_for(500ms);
  EXPECT_TRUE(test.ask(kSnapshot).met->has_value());
  EXPECT_EQ(test.probe->asked, 0);
  test.world.run_for(1ms);
  EXPECT_TRUE(test.ask(kSnapshot).met->has_value());
  EXPECT_EQ(test.probe->asked, 1);
  EXPECT_LE(test.reader.freshness().age, 500ms);
}

TEST(Currency, ProvesAnAgeThatTheReadNames) {
  Proving test;
  test.world.run_for(2s);
  EXPECT_TRUE(test.ask({.age_max = 2s}).met->has_value());
  EXPECT_EQ(test.probe->asked, 0);
  EXPECT_TRUE(test.ask({.age_max = 1s}).met->has_value());
  EXPECT_EQ(test.probe->asked, 1);
  EXPECT_TRUE(test.ask({.age_max = 0s}).met->has_value()) << "of after the read came";
  EXPECT_EQ(test.probe->asked, 2);
}

TEST(Currency, WaitsForTheRevisionThatTheReadNames) {
  Proving test;
  test.at(2s, [&] { test.store.progress({30}); });
  const auto met = test.ask({.revision_min = {30}});
  EXPECT_TRUE(met.met->has_value());
  EXPECT_EQ(met.took, 2s);
  const auto refused = test.ask({.revision_min = {31}});
  ASSERT_FALSE(refused.met->has_value());
  EXPECT_EQ(refused.met->error().kind, Unmet::Kind::kRevision);
  EXPECT_EQ(refused.took, 3s);
  EXPECT_EQ(test.probe->asked, 0);
}

TEST(Currency, NobodysNonsenseHoldsUpWhatOthersWant) {
  Proving test;
  test.probe->newest_now = [] { return Revision{50}; };
  test.probe->quiet_now = [](Revision) { return std::optional(Revision{52}); };
  const auto nonsense = test.start({.revision_min = {std::uint64_t{1} << 63}});
  EXPECT_TRUE(test.ask(kLinearizable).met->has_value());
  test.world.run_for(5s);
  EXPECT_FALSE(nonsense->met->has_value());
}

TEST(Currency, RefreshesAnOldMirrorInTheBackgroundOnceInFiveSeconds) {
  Proving test;
  test.probe->newest_now = [] { return base::Error{base::ErrorCode::kUnavailable, "away"}; };
  test.world.run_for(6s);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(test.ask({}).took, 0s);
    test.world.run_for(250ms);
  }
  EXPECT_EQ(test.probe->asked, 2);
  test.probe->newest_now = [] { return Revision{10}; };
  EXPECT_TRUE(test.ask({}).met->has_value());
  test.world.run_for(1s);
  EXPECT_LE(test.reader.freshness().age, 1s);
}

TEST(Currency, LetsGoOfWhoWaitsWhenItIsStopped) {
  Proving test;
  test.probe->latency = [] { return 1h; };
  (void)test.start(kLinearizable);
  test.world.run_for(1s);
}

/// Upstream writes, the mirror hears of it late, and everything takes its time by chance: no read
/// that asks for it misses a write that was done when it came.
TEST(Currency, NoLinearizableReadMissesAWriteThatWasDoneBefore) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Proving test(seed);
    auto& random = test.world.random();
    const auto chance = [&](base::Duration most) {
      return base::Duration(
          static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most.count()) + 1)));
    };
    std::uint64_t upstream = 10;
    test.probe->latency = [&] { return chance(80ms); };
    test.probe->newest_now = [&] { return Revision{upstream}; };
    base::Duration heard{};
    std::vector<std::pair<std::uint64_t, std::shared_ptr<Proving::Read>>> reads;
    base::Duration when{};
    for (int i = 0; i < 60; ++i) {
      when += chance(30ms);
      if (random.below(2) == 0) {
        heard = std::max(heard, when + chance(60ms));
        test.at(when, [&] { ++upstream; });
        const std::uint64_t written = 11 + static_cast<std::uint64_t>(i);
        test.at(heard, [&test, &upstream, written] {
          test.store.progress({std::min(upstream, written)});
        });
      } else {
        test.at(when, [&] { reads.emplace_back(upstream, test.start(kLinearizable)); });
      }
    }
    test.at(when + 200ms, [&] { test.store.progress({upstream}); });
    test.world.run_for(10s);
    for (const auto& [done, read] : reads) {
      ASSERT_TRUE(read->met && read->met->has_value()) << "seed " << seed;
      ASSERT_GE(read->at.value, done) << "seed " << seed;
    }
    ASSERT_LE(test.probe->asked, reads.size()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace podkeeper::state
