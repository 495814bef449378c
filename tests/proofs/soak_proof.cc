// Two hours of churn with faults on: every upstream connection cut again and again, watchers that
// drop their own watches, clients that read without a pause, policies that change strategy. Memory,
// descriptors and p99 of reads are sampled all the while and must be flat once it has warmed up;
// at the end the replica equals the cluster.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "tests/proofs/support/cluster.h"
#include "tests/proofs/support/json_digest.h"
#include "tests/proofs/support/policies.h"
#include "tests/proofs/support/raw_http.h"
#include "tests/proofs/support/watcher.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::ordered_json;
using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kSamples = 120;
/// The first quarter is warming up: caches, slabs and the history of changes fill.
constexpr int kWarmSamples = kSamples / 4;
constexpr std::size_t kDescriptorsMore = 16;
constexpr double kMiB = 1 << 20;

/// What flat means for one size of the run. The small one shows that it works, no more: what takes
/// minutes to fill is still filling.
struct Bounds {
  double rss_rise_of_mean = 0;  ///< of the fitted line, from warm to the end
  double p99_ratio = 0;         ///< the last quarter's against the first one that is warm
  double p99_more_ms = 0;       ///< allowed on top
};
constexpr Bounds kFull{.rss_rise_of_mean = 0.05, .p99_ratio = 1.5, .p99_more_ms = 5};
constexpr Bounds kSmall{.rss_rise_of_mean = 0.5, .p99_ratio = 5, .p99_more_ms = 100};

struct Sample {
  double at_seconds = 0;
  double rss_mib = 0;
  std::size_t descriptors = 0;
  double p99_ms = 0;
};

/// A client that reads one thing after another, and how long each took since it was asked last.
class Reader {
 public:
  Reader(std::uint16_t port, std::string target)
      : thread_([this, port, target = std::move(target)] {
          while (!stopping_) read(port, target);
        }) {}
  ~Reader() {
    stopping_ = true;
    thread_.join();
  }
  std::vector<double> take_milliseconds() {
    const std::lock_guard lock(mutex_);
    return std::exchange(milliseconds_, {});
  }
  [[nodiscard]] std::uint64_t reads() const { return reads_; }
  [[nodiscard]] std::uint64_t failures() const { return failures_; }

 private:
  void read(std::uint16_t port, const std::string& target) {
    const auto began = steady_clock::now();
    const RawResponse response = raw_request(port, target);
    const double took = duration<double, std::milli>(steady_clock::now() - began).count();
    ++reads_;
    if (response.status != 200 || !response.complete) ++failures_;
    {
      const std::lock_guard lock(mutex_);
      milliseconds_.push_back(took);
    }
    pause(milliseconds(5));
  }
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> reads_{0}, failures_{0};
  std::mutex mutex_;
  std::vector<double> milliseconds_;
  std::thread thread_;
};

double p99(std::vector<double> all) {
  if (all.empty()) return 0;
  const auto at = all.begin() + static_cast<std::ptrdiff_t>(all.size() * 99 / 100);
  std::ranges::nth_element(all, at);
  return *at;
}

/// The slope of the least squares line through `of` over time.
template <class F>
double slope(const std::vector<Sample>& samples, F of) {
  double mean_x = 0, mean_y = 0;
  for (const Sample& sample : samples) {
    mean_x += sample.at_seconds / static_cast<double>(samples.size());
    mean_y += of(sample) / static_cast<double>(samples.size());
  }
  double covariance = 0, variance = 0;
  for (const Sample& sample : samples) {
    covariance += (sample.at_seconds - mean_x) * (of(sample) - mean_y);
    variance += (sample.at_seconds - mean_x) * (sample.at_seconds - mean_x);
  }
  return variance == 0 ? 0 : covariance / variance;
}

template <class F>
double mean(const std::vector<Sample>& samples, std::size_t begin, std::size_t end, F of) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) sum += static_cast<double>(of(samples[i]));
  return sum / static_cast<double>(end - begin);
}

/// Fails where something is not flat; what it was goes into the figures.
void judge(const std::vector<Sample>& samples, const Bounds& bounds, ordered_json& figures) {
  const auto rss = [](const Sample& sample) { return sample.rss_mib; };
  const auto descriptors = [](const Sample& sample) { return sample.descriptors; };
  const auto latency = [](const Sample& sample) { return sample.p99_ms; };
  const std::size_t quarter = samples.size() / 3;  // of the warm samples, the first and the last
  const double per_second = slope(samples, rss);
  const double mean_rss = mean(samples, 0, samples.size(), rss);
  const double rise = per_second * (samples.back().at_seconds - samples.front().at_seconds);
  const double first_p99 = mean(samples, 0, quarter, latency);
  const double last_p99 = mean(samples, samples.size() - quarter, samples.size(), latency);
  const double first_descriptors = mean(samples, 0, quarter, descriptors);
  const double last_descriptors =
      mean(samples, samples.size() - quarter, samples.size(), descriptors);
  figures["rssMeanMiB"] = mean_rss;
  figures["rssSlopeMiBPerHour"] = per_second * 3600;
  figures["rssRiseMiB"] = rise;
  figures["descriptorsFirst"] = first_descriptors;
  figures["descriptorsLast"] = last_descriptors;
  figures["p99FirstMs"] = first_p99;
  figures["p99LastMs"] = last_p99;
  require(rise <= bounds.rss_rise_of_mean * mean_rss,
          "memory rose by " + std::to_string(rise) + " MiB of " + std::to_string(mean_rss));
  require(last_descriptors <= first_descriptors + kDescriptorsMore,
          "descriptors rose from " + std::to_string(first_descriptors) + " to " +
              std::to_string(last_descriptors));
  require(last_p99 <= bounds.p99_ratio * first_p99 + bounds.p99_more_ms,
          "p99 went from " + std::to_string(first_p99) + " ms to " + std::to_string(last_p99));
}

/// Changes the policy's strategy; simkube may cut this connection as any other.
void change_strategy(std::uint16_t simkube, std::size_t turn) {
  const std::string strategy = kStrategies[turn % kStrategies.size()];
  eventually("the strategy is changed to " + strategy, seconds(30), [&] {
    try {
      set_strategy(simkube, strategy);
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  });
}

void check_end_state(const Simkube& simkube, const Podkeeperd& podkeeperd) {
  eventually("the replica holds what the cluster holds", seconds(120), [&] {
    const RawResponse truth = raw_request(simkube.port, "/api/v1/pods");
    const RawResponse held = raw_request(podkeeperd.api_port, "/api/v1/pods");
    return truth.complete && held.complete && digest_list(truth.body) == digest_list(held.body);
  });
  require(panics(podkeeperd.api_port) == 0, "podkeeperd panicked");
  require(metric(podkeeperd.api_port, "podkeeper_watchdog_stalls_total") == 0,
          "a thread of podkeeperd was stuck");
}

ordered_json prove(const Options& options) {
  const int length = options.small ? 24 : 7200;
  const Simkube simkube({"--nodes=100", "--pods=2000", "--churn=200",
                         options.small ? "--cut-every=2s" : "--cut-every=10s",
                         "--churn-for=" + std::to_string(length) + "s",
                         "--seed=" + std::to_string(options.seed)});
  const Podkeeperd podkeeperd({"--apiserver=http://127.0.0.1:" + std::to_string(simkube.port)});
  podkeeperd.wait_ready(seconds(60));
  eventually("the policy is made", seconds(30), [&] {
    const RawResponse made =
        raw_request(simkube.port, "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies", "POST",
                    "Content-Type: application/json\r\n", backend_policy("Mutex").dump());
    return made.status == 201 || made.status == 409;
  });

  ordered_json figures;
  std::vector<Sample> samples;
  {
    std::deque<Watcher> watchers;
    for (int i = 0; i < 10; ++i) {
      watchers.emplace_back(podkeeperd.api_port,
                            i < 3 ? "" : "fieldSelector=spec.nodeName%3Dnode-" + std::to_string(i),
                            i % 2 == 0 ? 200 : 0);
    }
    std::deque<Reader> readers;
    readers.emplace_back(podkeeperd.api_port, "/state/v1/summary");
    readers.emplace_back(podkeeperd.api_port, "/api/v1/pods?limit=100");
    const auto began = steady_clock::now();
    for (int i = 0; i < kSamples; ++i) {
      std::this_thread::sleep_until(began + (i + 1) * milliseconds(length * 1000 / kSamples));
      if (i % 4 == 0) change_strategy(simkube.port, static_cast<std::size_t>(i / 4));
      std::vector<double> took;
      for (Reader& reader : readers)
        std::ranges::copy(reader.take_milliseconds(), std::back_inserter(took));
      if (i < kWarmSamples) continue;
      samples.push_back({.at_seconds = duration<double>(steady_clock::now() - began).count(),
                         .rss_mib = static_cast<double>(podkeeperd.process->rss_bytes()) / kMiB,
                         .descriptors = podkeeperd.process->open_descriptors(),
                         .p99_ms = p99(std::move(took))});
    }
    std::uint64_t reads = 0, failures = 0, events = 0;
    for (Reader& reader : readers) {
      reads += reader.reads();
      failures += reader.failures();
    }
    for (Watcher& watcher : watchers) {
      watcher.request_stop();
      events += watcher.events();
      require(watcher.violation().empty(), watcher.violation());
    }
    figures = {{"seconds", length},
               {"reads", reads},
               {"failedReads", failures},
               {"eventsDelivered", events}};
    require(failures == 0, std::to_string(failures) + " reads failed");
  }
  judge(samples, options.small ? kSmall : kFull, figures);
  check_end_state(simkube, podkeeperd);
  podkeeperd.stop();
  return figures;
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
