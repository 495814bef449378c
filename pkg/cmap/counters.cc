#include "pkg/cmap/counters.h"

#include <bit>

namespace podkeeper::cmap {
namespace {

/// Bit i: line i is leased. The release and acquire hand the line's counts from one thread to the
/// next.
constinit std::atomic<std::uint64_t> leased{0};

}  // namespace

constinit thread_local std::size_t Counters::thread_stripe = Counters::kNoStripe;

/// One thread's hold on a line; gone with the thread.
struct Counters::Lease {
  Lease() noexcept {
    std::uint64_t taken = leased.load(std::memory_order_acquire);
    do {
      stripe = static_cast<std::size_t>(std::countr_one(taken));
      if (stripe >= kSharedStripe) {
        stripe = kSharedStripe;
        return;
      }
    } while (!leased.compare_exchange_weak(taken, taken | (std::uint64_t{1} << stripe),
                                           std::memory_order_acq_rel, std::memory_order_acquire));
  }
  ~Lease() {
    thread_stripe = kSharedStripe;  // for what still counts while this thread unwinds
    if (stripe == kSharedStripe) return;
    leased.fetch_and(~(std::uint64_t{1} << stripe), std::memory_order_release);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  std::size_t stripe = kSharedStripe;
};

void Counters::add_slowly(Kind kind, std::uint64_t by) noexcept {
  if (thread_stripe == kNoStripe) {
    thread_local Lease lease;
    thread_stripe = lease.stripe;
    if (thread_stripe != kSharedStripe) return add(kind, by);
  }
  stripes_[kSharedStripe].counts[kind].fetch_add(by, std::memory_order_relaxed);
}

std::uint64_t Counters::total(Kind kind) const noexcept {
  std::uint64_t sum = 0;
  for (const Stripe& stripe : stripes_) sum += stripe.counts[kind].load(std::memory_order_relaxed);
  return sum;
}

void Counters::report(MapStats& stats) const noexcept {
  stats.finds = total(kFinds);
  stats.puts = total(kPuts);
  stats.erases = total(kErases);
  stats.scans = total(kScans);
  stats.contended = total(kContended);
  // An erase may be counted before the put it undoes, while that is still under way.
  const auto bytes = static_cast<std::int64_t>(total(kRecordBytes));
  stats.record_bytes = bytes < 0 ? 0 : static_cast<std::size_t>(bytes);
}

}  // namespace podkeeper::cmap
