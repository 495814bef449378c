#include "pkg/leader/elector.h"

#include "pkg/base/panic.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <regex>
#include <string>
#include <utility>

#include "tests/faults/record.h"
#include "tests/leader/support/lease_server.h"
#include "tests/runtime/harness.h"

namespace podkeeper::leader {
namespace {

using namespace std::chrono_literals;
using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;
using testing::LeaseServer;

/// A lock at a server in the same process: it can be late, lose answers, or be out of reach.
class NearLock final : public LeaseLock {
 public:
  NearLock(base::Clock& clock, LeaseServer& server) : clock_(clock), server_(server) {}
  Task<Result<LeaseRecord>> get() override {
    ++gets;
    auto arriving = arrive();
    const auto arrived = co_await std::move(arriving);
    if (!arrived) co_return arrived.error();
    co_return read();
  }
  Task<Result<void>> create(LeaseRecord record) override {
    auto arriving = arrive();
    const auto arrived = co_await std::move(arriving);
    if (!arrived) co_return arrived.error();
    co_return keep(server_.create_lease(std::move(record)));
  }
  Task<Result<void>> update(LeaseRecord record) override {
    auto arriving = arrive();
    const auto arrived = co_await std::move(arriving);
    if (!arrived) co_return arrived.error();
    const auto updated = server_.update_lease(std::move(record), version_);
    auto late = clock_.sleep_for(answer_takes);
    co_await std::move(late);
    if (std::exchange(lose_next_answer, false)) co_return Error{ErrorCode::kTimeout, "lost"};
    co_return keep(updated);
  }

  bool out_of_reach = false;
  bool lose_next_answer = false;
  base::Duration answer_takes{};
  base::Duration request_takes{};
  int gets = 0;

 private:
  Task<Result<void>> arrive() {
    auto going = clock_.sleep_for(request_takes);
    co_await std::move(going);
    if (out_of_reach) co_return Error{ErrorCode::kUnavailable, "out of reach"};
    co_return Result<void>();
  }
  Result<LeaseRecord> read() {
    const Result<LeaseServer::Lease> lease = server_.get_lease();
    if (!lease) return lease.error();
    version_ = lease->version;
    return lease->value;
  }
  Result<void> keep(const Result<LeaseServer::Lease>& lease) {
    if (!lease) return lease.error();
    version_ = lease->version;
    return {};
  }

  base::Clock& clock_;
  LeaseServer& server_;
  std::uint64_t version_ = 0;
};

/// One elector of the name "me" and a server to which others may write.
class Election {
 public:
  explicit Election(std::string identity = "me")
      : server(h.world.clock()), lock(h.world.clock(), server) {
    elector = std::make_unique<LeaderElector>(
        h.world, metrics, lock,
        ElectionOptions{.name = "podkeeper", .identity = std::move(identity)});
  }
  void start() {
    running = std::make_unique<runtime::TaskGroup>(h.world, h.registry, "election");
    const auto started =
        running->spawn("elector", base::Handler::kTimer, [this] { return elector->run(); });
    EXPECT_TRUE(started);
    run_for(1ms);
  }
  void stop() {
    running->stop();
    h.world.run_task([this]() -> Task<void> {
      auto joining = running->join();
      co_await std::move(joining);
    });
  }
  void release() {
    h.world.run_task([this]() -> Task<void> {
      auto releasing = elector->release();
      co_await std::move(releasing);
    });
  }
  ~Election() {
    if (running) stop();
  }
  void run_for(base::Duration time) { h.world.run_for(time); }
  /// Another holder writes the lease over, whatever is there.
  void held_by(const std::string& holder, std::int64_t transitions,
               const std::string& time = "2026-11-20T09:30:00.000000Z") {
    const LeaseRecord record{.holder = holder,
                             .duration_seconds = 15,
                             .transitions = transitions,
                             .acquire_time = time,
                             .renew_time = time};
    const auto written = server.lease() ? server.update_lease(record, server.lease()->version)
                                        : server.create_lease(record);
    EXPECT_TRUE(written);
  }
  LeaseRecord record() { return server.lease()->value; }

  runtime::Harness h;
  LeaseServer server;
  NearLock lock;
  telemetry::Metrics metrics;
  std::unique_ptr<LeaderElector> elector;
  std::unique_ptr<runtime::TaskGroup> running;
};

TEST(LeaderElector, TheFirstOneMakesTheLeaseAndLeads) {
  Election e;
  EXPECT_FALSE(e.elector->leads());
  e.start();
  ASSERT_TRUE(e.elector->leads());
  EXPECT_EQ(e.elector->term()->number, 0u);
  EXPECT_EQ(e.record().holder, "me");
  EXPECT_EQ(e.record().duration_seconds, 15);
  EXPECT_EQ(e.record().transitions, 0);
  EXPECT_EQ(e.record().acquire_time, e.record().renew_time);
  const std::regex micro_time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)");
  EXPECT_TRUE(std::regex_match(e.record().renew_time, micro_time)) << e.record().renew_time;
}

TEST(LeaderElector, ALeaderRenewsEveryRetryPeriodWithoutReadingFirst) {
  Election e;
  e.start();
  const int gets = e.lock.gets;
  const LeaseRecord first = e.record();
  e.run_for(1h);
  EXPECT_TRUE(e.elector->leads());
  EXPECT_EQ(e.lock.gets, gets);
  EXPECT_EQ(e.server.lease()->version, 1u + 1800u);
  EXPECT_EQ(e.record().acquire_time, first.acquire_time);
  EXPECT_NE(e.record().renew_time, first.renew_time);
  EXPECT_EQ(e.record().transitions, 0);
}

TEST(LeaderElector, ACandidateWaitsByItsOwnClockWhateverTheLeaseSays) {
  for (const char* time : {"1970-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"}) {
    Election e;
    e.held_by("other", 7, time);
    e.start();
    EXPECT_EQ(e.elector->holder(), "other");
    e.run_for(14900ms);
    EXPECT_FALSE(e.elector->leads());
    EXPECT_EQ(e.record().holder, "other");
    e.run_for(200ms);
    EXPECT_TRUE(e.elector->leads());
    EXPECT_EQ(e.record().transitions, 8);
    EXPECT_EQ(e.elector->term()->number, 8u);
  }
  faults::record({.row = 78,
                  .outcome = "a Lease dated 1970 or 2999 is waited for by the own monotonic clock",
                  .evidence = "leader_election_master_status",
                  .recovery = {}});
}

TEST(LeaderElector, EveryRenewalOfTheHolderBeginsTheWaitAnew) {
  Election e;
  e.held_by("other", 1);
  e.start();
  for (int i = 0; i < 20; ++i) {
    e.run_for(10s);
    e.held_by("other", 1, "2026-11-20T09:30:00.00000" + std::to_string(1 + i % 9) + "Z");
    EXPECT_FALSE(e.elector->leads());
  }
  e.run_for(17s);
  EXPECT_TRUE(e.elector->leads());
}

TEST(LeaderElector, ATermCountsFromBeforeTheRequestHoweverLateTheAnswer) {
  Election e;
  e.start();
  e.lock.answer_takes = 4s;
  e.run_for(2s);  // a renewal is sent
  const auto sent = e.h.now();
  e.run_for(4s);
  ASSERT_TRUE(e.elector->leads());
  EXPECT_LE(e.elector->term()->until, sent + 10s);
  EXPECT_GT(e.elector->term()->until, sent + 9900ms);
}

TEST(LeaderElector, ALeaderOutOfReachStopsBeforeItsLeaseCanBeTaken) {
  Election e;
  e.start();
  const auto last = e.h.now();
  e.lock.out_of_reach = true;
  e.run_for(9900ms);
  EXPECT_TRUE(e.elector->leads());
  e.run_for(200ms);
  EXPECT_FALSE(e.elector->leads());
  EXPECT_LT(e.h.now(), last + 15s);
  EXPECT_TRUE(e.elector->check(0s).has_value());
  // Nobody took it meanwhile: the same term goes on.
  e.lock.out_of_reach = false;
  e.run_for(3s);
  ASSERT_TRUE(e.elector->leads());
  EXPECT_EQ(e.elector->term()->number, 0u);
  faults::record(
      {.row = 78,
       .outcome =
           "a leader that heard nothing stops before its lease can be taken, by monotonic time",
       .evidence = "leader_election_master_status",
       .recovery = {}});
}

TEST(LeaderElector, WhoFindsAnotherHolderStopsAtOnce) {
  Election e;
  e.start();
  e.held_by("other", 1);
  e.run_for(2100ms);
  EXPECT_FALSE(e.elector->leads());
  EXPECT_EQ(e.elector->holder(), "other");
  EXPECT_EQ(e.record().holder, "other");
  e.run_for(17s);
  ASSERT_TRUE(e.elector->leads());
  EXPECT_EQ(e.elector->term()->number, 2u);
  faults::record(
      {.row = 12,
       .outcome =
           "a 409 on the Lease is never written over: the leader reads, finds the other and stops",
       .evidence = "leader_election_master_status",
       .recovery = 2.1s});
}

TEST(LeaderElector, ALostAnswerCostsAReadAndNoTransition) {
  Election e;
  e.start();
  const LeaseRecord first = e.record();
  e.lock.lose_next_answer = true;
  e.run_for(2100ms);
  EXPECT_TRUE(e.elector->leads());
  EXPECT_EQ(e.record().transitions, 0);
  EXPECT_EQ(e.record().acquire_time, first.acquire_time);
  EXPECT_NE(e.metrics.render().find("leader_election_slowpath_total{name=\"podkeeper\"} 1"),
            std::string::npos);
  faults::record(
      {.row = 13,
       .outcome = "a renewal whose answer is lost costs one read; it leads on, with no transition",
       .evidence = "leader_election_slowpath_total",
       .recovery = {}});
}

TEST(LeaderElector, AReleasedLeaseIsFreeAndKeepsItsTransitions) {
  Election e;
  e.held_by("other", 4);
  e.start();
  e.run_for(17s);
  ASSERT_TRUE(e.elector->leads());
  e.stop();
  e.release();
  EXPECT_FALSE(e.elector->leads());
  EXPECT_EQ(e.record().holder, "");
  EXPECT_EQ(e.record().duration_seconds, 1);
  EXPECT_EQ(e.record().transitions, 5);
  e.start();
  e.run_for(2s);
  EXPECT_TRUE(e.elector->leads());
  EXPECT_EQ(e.record().transitions, 6);
}

TEST(LeaderElector, AReleaseLeavesWhatAnotherHoldsAlone) {
  Election e;
  e.start();
  e.stop();
  e.held_by("other", 1);
  e.release();
  EXPECT_EQ(e.record().holder, "other");
  EXPECT_FALSE(e.elector->leads());
}

TEST(LeaderElector, ACandidateMakesADeletedLeaseAnewOnlyAfterItsTime) {
  Election e;
  e.held_by("other", 3);
  e.start();
  e.server.delete_lease();
  e.run_for(14s);
  EXPECT_FALSE(e.server.lease());
  e.run_for(2500ms);
  ASSERT_TRUE(e.elector->leads());
  EXPECT_EQ(e.record().transitions, 4);
}

TEST(LeaderElector, ALeaderMakesItsDeletedLeaseAnewAndGoesOn) {
  Election e;
  e.start();
  e.server.delete_lease();
  e.run_for(2100ms);
  EXPECT_TRUE(e.elector->leads());
  EXPECT_EQ(e.record().holder, "me");
  EXPECT_EQ(e.record().transitions, 0);
}

TEST(LeaderElector, SaysToSubscribersThatItBeganAndThatItCeased) {
  Election e;
  runtime::Wakeup wakeup(e.h.world.clock());
  const auto subscription = e.elector->subscribe(wakeup);
  int notices = 0;
  e.h.spawn("subscriber", [&]() -> Task<void> {
    while (true) {
      auto waiting = wakeup.wait();
      co_await std::move(waiting);
      ++notices;
    }
  });
  e.run_for(1s);
  EXPECT_EQ(notices, 0);
  e.start();
  e.run_for(1s);
  EXPECT_EQ(notices, 1);
  e.lock.out_of_reach = true;
  e.run_for(11s);
  EXPECT_EQ(notices, 2);
  e.h.group.stop();  // it waits for what is of this test
  e.run_for(1s);
}

TEST(LeaderElector, ItsMetricIsTheTermsAtTheScrape) {
  const std::string leads = "leader_election_master_status{name=\"podkeeper\"} 1";
  Election e;
  EXPECT_EQ(e.metrics.render().find(leads), std::string::npos);
  e.start();
  EXPECT_NE(e.metrics.render().find(leads), std::string::npos);
  e.lock.request_takes = 1h;  // the elector does not come to say it
  e.run_for(13s);
  EXPECT_EQ(e.metrics.render().find(leads), std::string::npos);
}

TEST(LeaderElector, TheCheckFailsWhereALeaderDoesNotNoticeThatItIsOneNoMore) {
  Election e;
  EXPECT_TRUE(e.elector->check(20s));
  e.start();
  e.lock.request_takes = 1h;
  e.run_for(34s);
  EXPECT_FALSE(e.elector->leads());
  EXPECT_TRUE(e.elector->check(20s));
  e.run_for(3s);
  const auto check = e.elector->check(20s);
  ASSERT_FALSE(check);
  EXPECT_EQ(check.error().message, "failed election to renew leadership on lease podkeeper");
}

TEST(LeaderElector, DurationsThatAreNotSafeAreRefused) {
  Election e;
  const auto with = [&](base::Duration lease, base::Duration renew, base::Duration retry) {
    const LeaderElector elector(e.h.world, e.metrics, e.lock,
                                {.name = "podkeeper",
                                 .identity = "me",
                                 .lease_duration = lease,
                                 .renew_deadline = renew,
                                 .retry_period = retry});
  };
  EXPECT_NO_THROW(with(3s, 2s, 500ms));
  EXPECT_THROW(with(15s, 15s, 2s), base::Panic);
  EXPECT_THROW(with(15s, 2400ms, 2s), base::Panic);
  EXPECT_THROW(with(15s, 10s, 0s), base::Panic);
  EXPECT_THROW(with(2500ms, 2s, 500ms), base::Panic);
}

TEST(Identity, IsTheHostAndARandomUuid) {
  runtime::Harness h;
  const std::string one = make_identity("pod-0", h.world.random());
  const std::regex form(
      "pod-0_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  EXPECT_TRUE(std::regex_match(one, form)) << one;
  EXPECT_NE(one, make_identity("pod-0", h.world.random()));
}

TEST(AlwaysLeader, LeadsForEver) {
  AlwaysLeader alone;
  ASSERT_TRUE(alone.leads());
  EXPECT_EQ(alone.term()->until, base::MonotonicTime::max());
  EXPECT_EQ(until_of(alone)(), base::MonotonicTime::max());
}

}  // namespace
}  // namespace podkeeper::leader
