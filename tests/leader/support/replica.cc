#include "tests/leader/support/replica.h"

#include <algorithm>
#include <stdexcept>

namespace podkeeper::leader::testing {

using base::Result;
using base::Task;

Replica::Replica(runtime::SimulatedWorld& world, runtime::TaskGroup& under_way, LeaseServer& server,
                 double rate, ElectionOptions options)
    : simulated_(world),
      under_way_(under_way),
      server_(server),
      world_(world, rate),
      options_(std::move(options)),
      registry_(world_.clock()) {
  options_.name = "podkeeper";
}

void Replica::start() {
  options_.identity = make_identity("replica", world_.random());
  lease_version_ = 0;
  LeaseLock& lock = *this;
  elector_ = std::make_unique<LeaderElector>(world_, metrics_, lock, options_);
  electing_ = std::make_unique<runtime::TaskGroup>(world_, registry_, "electing");
  acting_ = std::make_unique<runtime::TaskGroup>(world_, registry_, "acting");
  const auto standing =
      electing_->spawn("elector", base::Handler::kTimer, [this] { return elector_->run(); });
  const auto working = acting_->spawn("work", base::Handler::kTimer, [this] { return act(); });
  if (!standing || !working) throw std::runtime_error("a task did not start");
}

Task<void> Replica::kill() {
  for (runtime::TaskGroup* group : {acting_.get(), electing_.get()}) {
    group->stop();
    auto joining = group->join();
    co_await std::move(joining);
  }
  elector_.reset();
}

Task<void> Replica::shut_down() {
  for (runtime::TaskGroup* group : {acting_.get(), electing_.get()}) {
    group->stop();
    auto joining = group->join();
    co_await std::move(joining);
  }
  auto releasing = elector_->release();
  co_await std::move(releasing);
  elector_.reset();
}

base::Duration Replica::leg() {
  const auto spread = static_cast<std::uint64_t>((line.leg_max - line.leg_min).count());
  return line.leg_min +
         base::Duration(static_cast<base::Duration::rep>(world_.random().below(spread + 1)));
}

Task<Result<LeaseRecord>> Replica::get() {
  auto asking =
      ask<LeaseServer::Lease>([this] { return server_.get_lease(); }, options_.renew_deadline / 2);
  auto lease = co_await std::move(asking);
  if (!lease) co_return std::move(lease).error();
  lease_version_ = lease->version;
  co_return std::move(lease->value);
}

Task<Result<void>> Replica::keep(std::function<Result<LeaseServer::Lease>()> handle) {
  auto asking = ask<LeaseServer::Lease>(std::move(handle), options_.renew_deadline / 2);
  const auto lease = co_await std::move(asking);
  if (!lease) co_return lease.error();
  lease_version_ = lease->version;
  co_return Result<void>();
}

Task<Result<void>> Replica::create(LeaseRecord record) {
  return keep([this, record = std::move(record)] { return server_.create_lease(record); });
}

Task<Result<void>> Replica::update(LeaseRecord record) {
  return keep([this, record = std::move(record), version = lease_version_] {
    return server_.update_lease(record, version);
  });
}

Task<void> Replica::act() {
  while (true) {
    auto idle = clock().sleep_for(
        std::chrono::milliseconds(20 + static_cast<int>(world_.random().below(200))));
    co_await std::move(idle);
    const auto term = elector_->term();
    if (!term) continue;
    auto writing = write(*term);
    co_await std::move(writing);
  }
}

Task<void> Replica::write(Term term) {
  // To connect takes a moment, in which the process may be stopped; http::Client looks at the
  // deadline once more before it sends.
  auto connecting =
      clock().sleep_for(std::chrono::milliseconds(static_cast<int>(world_.random().below(20))));
  co_await std::move(connecting);
  if (clock().now() >= term.until) co_return;
  const auto timeout =
      std::min<base::Duration>(term.until - clock().now(), std::chrono::seconds(5));
  auto asking = ask<std::uint64_t>(
      [this, writer = identity(), number = term.number, version = object_version_] {
        return server_.write(writer, number, version);
      },
      timeout);
  const auto written = co_await std::move(asking);
  if (written) {
    object_version_ = *written;
    co_return;
  }
  auto reading =
      ask<std::uint64_t>([this]() -> Result<std::uint64_t> { return server_.object_version(); },
                         std::chrono::seconds(5));
  const auto read = co_await std::move(reading);
  if (read) object_version_ = *read;
}

}  // namespace podkeeper::leader::testing
