#include "pkg/leader/elector.h"

#include "pkg/base/panic.h"
#include "pkg/kube/object.h"
#include "pkg/recovery/guard.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <utility>

namespace podkeeper::leader {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;

/// The part of the retry period that a candidate's shortest wait is: with kJitterFactor the longest
/// is 0.74 of it, which leaves a quarter for the requests.
constexpr int kLooksPerRetryPeriod = 3;
/// A release meets conflicts only where a renewal was still on its way.
constexpr int kReleasesMax = 3;

bool fits(const ElectionOptions& options) {
  const auto longest_retry =
      std::chrono::duration<double, std::nano>(options.retry_period) * kJitterFactor;
  return options.retry_period.count() > 0 && options.renew_deadline > longest_retry &&
         options.lease_duration > options.renew_deadline &&
         options.lease_duration % std::chrono::seconds(1) == base::Duration::zero();
}

}  // namespace

std::string make_identity(std::string_view hostname, base::Random& random) {
  std::array<std::uint64_t, 2> bits{random.next(), random.next()};
  bits[0] = (bits[0] & ~0xF000ULL) | 0x4000ULL;          // version 4: random
  bits[1] = (bits[1] & ~(3ULL << 62U)) | (2ULL << 62U);  // variant of RFC 9562
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string identity = std::string(hostname) + "_";
  for (unsigned i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) identity.push_back('-');
    identity.push_back(kDigits[(bits[i / 16] >> (60U - 4U * (i % 16U))) & 15U]);
  }
  return identity;
}

LeaderElector::LeaderElector(base::World& world, telemetry::Metrics& metrics, LeaseLock& lock,
                             ElectionOptions options)
    : clock_(world.clock()),
      random_(world.random()),
      lock_(lock),
      options_(std::move(options)),
      slow_path_(metrics.counter(telemetry::kLeaderElectionSlowPath, {options_.name})),
      scrape_(metrics.on_scrape(
          [this, &master = metrics.gauge(telemetry::kLeaderElectionMaster, {options_.name})] {
            master.Set(leads() ? 1 : 0);
          })) {
  PK_CHECK(fits(options_) && !options_.identity.empty(),
           "lease duration > renew deadline > retry period * 1.2 > 0, in whole seconds");
}

Task<void> LeaderElector::run() {
  telemetry::log_info("leader_election_started",
                      {{"lease", options_.name}, {"identity", options_.identity}});
  while (true) {
    auto trying = recovery::guard(base::Handler::kTimer, try_acquire_or_renew());
    const auto held = co_await std::move(trying);
    if (!held && held.error().code == ErrorCode::kCancelled) co_return;
    review();
    auto waiting = clock_.sleep_until(next_try());
    co_await std::move(waiting);
    review();
  }
}

Task<bool> LeaderElector::try_acquire_or_renew() {
  Observed seen = observed();
  base::MonotonicTime sent = clock_.now();
  if (ours(seen.record) && valid(seen, sent)) {
    // The leader hopes that what it wrote last still stands.
    LeaseRecord record = claim(seen, true);
    auto renewing = lock_.update(record);
    const auto renewed = co_await std::move(renewing);
    if (renewed) {
      won(std::move(record), sent);
      co_return true;
    }
    telemetry::log_debug("lease_not_renewed_at_once",
                         {{"lease", options_.name}, {"err", renewed.error()}});
  }
  auto getting = lock_.get();
  auto got = co_await std::move(getting);
  if (!got && got.error().code == ErrorCode::kNotFound) {
    auto creating = try_create();
    co_return co_await std::move(creating);
  }
  if (!got) {
    failed(got.error());
    co_return false;
  }
  if (*got != seen.record) observe(*std::move(got));
  seen = observed();
  sent = clock_.now();
  const bool held = ours(seen.record);
  if (!seen.record.holder.empty() && !held && valid(seen, sent)) co_return false;
  if (held) slow_path_.Increment();
  LeaseRecord record = claim(seen, held);
  auto taking = lock_.update(record);
  const auto taken = co_await std::move(taking);
  if (taken) {
    won(std::move(record), sent);
  } else {
    failed(taken.error());
  }
  co_return taken.has_value();
}

Task<bool> LeaderElector::try_create() {
  const Observed seen = observed();
  const base::MonotonicTime sent = clock_.now();
  const bool held = ours(seen.record);
  // Whoever held it may not know yet that it is gone.
  if (!seen.record.holder.empty() && !held && valid(seen, sent)) co_return false;
  LeaseRecord record = claim(seen, held);
  if (seen.record == LeaseRecord{}) record.transitions = 0;
  auto creating = lock_.create(record);
  const auto created = co_await std::move(creating);
  if (created) {
    won(std::move(record), sent);
  } else {
    failed(created.error());
  }
  co_return created.has_value();
}

Task<void> LeaderElector::release() {
  bool held = false;
  {
    base::Lock lock(mutex_);
    held = ours(observed_.record);
    observed_.until = {};
  }
  review();
  for (int tries = 0; held && tries < kReleasesMax; ++tries) {
    auto getting = lock_.get();
    auto got = co_await std::move(getting);
    if (!got || !ours(*got)) {
      if (!got) failed(got.error());
      co_return;
    }
    LeaseRecord record{.duration_seconds = 1,
                       .transitions = got->transitions,
                       .acquire_time = wall_time(),
                       .renew_time = wall_time()};
    auto releasing = lock_.update(record);
    const auto released = co_await std::move(releasing);
    if (released) {
      observe(std::move(record));
      telemetry::log_info("leader_lease_released", {{"lease", options_.name}});
      co_return;
    }
    failed(released.error());
    held = released.error().code == ErrorCode::kConflict;
  }
}

LeaseRecord LeaderElector::claim(const Observed& seen, bool held) const {
  std::string now = wall_time();
  const bool since_then = held && !seen.record.acquire_time.empty();
  return {.holder = options_.identity,
          .duration_seconds =
              std::chrono::duration_cast<std::chrono::seconds>(options_.lease_duration).count(),
          .transitions = seen.record.transitions + (held ? 0 : 1),
          .acquire_time = since_then ? seen.record.acquire_time : now,
          .renew_time = std::move(now)};
}

LeaderElector::Observed LeaderElector::observed() const {
  base::Lock lock(mutex_);
  return observed_;
}

void LeaderElector::observe(LeaseRecord record) {
  const base::MonotonicTime now = clock_.now();
  base::Lock lock(mutex_);
  observed_.record = std::move(record);
  observed_.at = now;
}

void LeaderElector::won(LeaseRecord record, base::MonotonicTime sent) {
  reported_error_.clear();
  base::Lock lock(mutex_);
  observed_ = {.record = std::move(record), .at = sent, .until = sent + options_.renew_deadline};
}

bool LeaderElector::valid(const Observed& seen, base::MonotonicTime now) {
  return seen.at + std::chrono::seconds(seen.record.duration_seconds) > now;
}

std::optional<Term> LeaderElector::term() const {
  const base::MonotonicTime now = clock_.now();
  base::Lock lock(mutex_);
  if (!ours(observed_.record) || now >= observed_.until) return std::nullopt;
  return Term{.number = static_cast<std::uint64_t>(observed_.record.transitions),
              .until = observed_.until};
}

std::string LeaderElector::holder() const { return observed().record.holder; }

Result<void> LeaderElector::check(base::Duration tolerance) const {
  const base::MonotonicTime now = clock_.now();
  base::Lock lock(mutex_);
  const base::Duration may_be_taken = options_.lease_duration - options_.renew_deadline;
  if (!leading_ || now <= observed_.until + may_be_taken + tolerance) return {};
  return Error{ErrorCode::kTimeout,
               "failed election to renew leadership on lease " + options_.name};
}

void LeaderElector::review() {
  const bool leads = term().has_value();
  const std::string holder = this->holder();
  bool changed = false;
  {
    base::Lock lock(mutex_);
    changed = std::exchange(leading_, leads) != leads;
  }
  if (holder != std::exchange(reported_holder_, holder) && !holder.empty()) {
    telemetry::log_info("leader_seen", {{"lease", options_.name}, {"holder", holder}});
  }
  if (!changed) return;
  const std::initializer_list<telemetry::LogField> fields = {{"lease", options_.name},
                                                             {"identity", options_.identity}};
  if (leads) {
    telemetry::log_info("leading_began", fields);
  } else {
    telemetry::log_info("leading_ended", fields);
  }
  changes_.notify_all();
}

void LeaderElector::failed(const Error& error) {
  // Once until something else is wrong: a candidate tries about once a second.
  const bool news = std::exchange(reported_error_, error.message) != error.message;
  const auto say =
      news && error.code != ErrorCode::kConflict ? telemetry::log_warn : telemetry::log_debug;
  say("leader_lease_not_taken", {{"lease", options_.name}, {"err", error}});
}

base::MonotonicTime LeaderElector::next_try() const {
  const base::MonotonicTime now = clock_.now();
  const Observed seen = observed();
  if (ours(seen.record) && now < seen.until) {
    return std::min(now + options_.retry_period, seen.until);
  }
  const double stretch = 1.0 + kJitterFactor * random_.fraction();
  const auto wait = std::chrono::duration<double, std::nano>(options_.retry_period) * stretch /
                    kLooksPerRetryPeriod;
  const auto look = now + std::chrono::duration_cast<base::Duration>(wait);
  const auto end = seen.at + std::chrono::seconds(seen.record.duration_seconds);
  return seen.record.holder.empty() || end <= now ? look : std::min(look, end);
}

std::string LeaderElector::wall_time() const {
  const auto now = std::chrono::floor<std::chrono::microseconds>(clock_.wall_now());
  return kube::format_micro_time(now.time_since_epoch().count());
}

}  // namespace podkeeper::leader
