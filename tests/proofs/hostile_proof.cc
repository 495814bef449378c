// Hostile HTTP clients against a real podkeeperd: some 500 raw requests, each refused as it should
// be and cut within 10 s; then thousands of connections that send a byte at a time, read nothing,
// say nothing or vanish, while a good client is served as before, in little more memory; then more
// connections than descriptors, while health is answered. Nothing is left behind.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/http/support/hostile_cases.h"
#include "tests/proofs/support/cluster.h"
#include "tests/proofs/support/crowd.h"
#include "tests/proofs/support/raw_http.h"
#include "tests/proofs/support/raw_socket.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// The server's deadline for a head or a body, and what a loaded machine may add.
constexpr milliseconds kCut{10'000};
constexpr milliseconds kScheduling{1'500};
/// The crowd runs at the lowest priority, and sees late that it was cut.
constexpr milliseconds kCrowdLate{5'000};
constexpr std::uint64_t kMemoryMax = std::uint64_t{64} << 20;
constexpr double kSlowdownMax = 2.0;
/// Of podkeeperd itself, to upstream: watches, requests under way, and idle ones kept for the next.
constexpr std::size_t kUpstreamConnectionsMax = 16;

/// A node: pods come and go.
std::string some_object(std::uint16_t port) {
  const json list = json::parse(raw_request(port, "/api/v1/nodes?limit=1").body);
  return "/api/v1/nodes/" + list.at("items").at(0).at("metadata").at("name").get<std::string>();
}

/// One case on a connection of its own.
void try_case(std::uint16_t port, const hostile::Case& one, bool smuggling) {
  const std::string name = one.name + (smuggling ? ", and a good request behind it" : "");
  const auto began = steady_clock::now();
  RawSocket socket(port);
  socket.send(one.bytes + (smuggling ? hostile::kSmuggled : ""));
  const RawSocket::Heard heard = socket.hear(kCut + kScheduling);
  require(heard.closed, name + ": the connection was left open");
  require(steady_clock::now() - began <= kCut + kScheduling, name + ": cut too late");
  // An answer may be overtaken by the reset that ends an upload nobody reads; never by another.
  const std::size_t answers = heard.statuses.size();
  require(answers == 1, name + ": " + std::to_string(answers) + " answers");
  require(smuggling || heard.statuses.front() == one.status,
          name + ": answered " + std::to_string(heard.statuses.front()));
}

std::size_t try_all_cases(std::uint16_t port) {
  const auto cases = hostile::all_cases({});
  std::atomic<std::size_t> tried{0};
  std::exception_ptr failed;
  std::mutex mutex;
  const auto guarded = [&](const hostile::Case& one, bool smuggling) {
    try {
      try_case(port, one, smuggling);
      ++tried;
    } catch (...) {
      const std::lock_guard lock(mutex);
      failed = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> waiting;  // each of them takes 10 s
    for (const hostile::Case& one : cases) {
      if (one.waits) waiting.emplace_back([&] { guarded(one, false); });
    }
    for (const hostile::Case& one : cases) {
      if (one.waits) continue;
      guarded(one, false);
      guarded(one, true);
    }
  }
  if (failed) std::rethrow_exception(failed);
  require(cases.size() >= 300, "fewer than 300 cases");
  return cases.size();
}

/// A client of good faith on one connection, asking in turn for an object, a page and a summary,
/// 200 times a second.
class GoodClient {
 public:
  explicit GoodClient(std::uint16_t port)
      : targets_{some_object(port), "/api/v1/pods?limit=50", "/state/v1/summary"}, socket_(port) {}
  /// Milliseconds that each request of the next `time` took.
  std::vector<double> ask_for(milliseconds time) {
    std::vector<double> took;
    auto next = steady_clock::now();
    const auto end = next + time;
    for (std::size_t turn = 0; steady_clock::now() < end; ++turn) {
      std::this_thread::sleep_until(next += milliseconds(5));
      const auto began = steady_clock::now();
      const int status = socket_.get(targets_[turn % targets_.size()]);
      took.push_back(
          std::chrono::duration<double, std::milli>(steady_clock::now() - began).count());
      require(status == 200, "the good client was answered " + std::to_string(status));
    }
    return took;
  }

 private:
  const std::vector<std::string> targets_;
  RawSocket socket_;
};

double percentile(std::vector<double> values, double part) {
  require(!values.empty(), "nothing was measured");
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

/// The highest resident memory of a process until it is stopped.
class MemoryPeak {
 public:
  explicit MemoryPeak(const Process& process)
      : thread_([this, &process](const std::stop_token& stopping) {
          while (!stopping.stop_requested()) {
            peak_ = std::max<std::uint64_t>(peak_, process.rss_bytes());
            pause(milliseconds(100));
          }
        }) {}
  std::uint64_t stop() {
    thread_.request_stop();
    thread_.join();
    return peak_;
  }

 private:
  std::atomic<std::uint64_t> peak_{0};
  std::jthread thread_;
};

std::vector<Bad> crowd_of(std::size_t all) {
  const auto share = [all](std::size_t percent) { return all * percent / 100; };
  const std::string fields = " HTTP/1.1\r\nHost: a\r\n";
  return {
      {.name = "slowHeads",
       .count = share(30),
       .opening = "GET /api/v1/pods" + fields + "X: ",
       .drop = "x"},
      {.name = "slowBodies",
       .count = share(10),
       .opening = "POST /api/v1/pods" + fields + "Content-Length: 60000\r\n\r\n",
       .drop = "x"},
      {.name = "silent", .count = share(26), .opening = "", .drop = ""},
      {.name = "idle", .count = share(14), .opening = "GET /version" + fields + "\r\n", .drop = ""},
      {.name = "unreadLists",
       .count = share(4),
       .opening = "GET /api/v1/pods" + fields + "\r\n",
       .drop = "",
       .reads = false,
       .stays = seconds(15)},
      {.name = "unreadWatches",
       .count = share(6),
       .opening = "GET /api/v1/pods?watch=1" + fields + "\r\n",
       .drop = "",
       .reads = false,
       .stays = seconds(40)},
      {.name = "vanishing",
       .count = share(10),
       .opening = "GET /api/v1/pods?limit=10" + fields + "\r\n",
       .drop = "",
       .reads = false,
       .stays = milliseconds(100)},
  };
}

ordered_json figures_of(const std::map<std::string, Crowd::Seen>& seen) {
  ordered_json figures;
  for (const auto& [kind, one] : seen) {
    figures[kind] = {{"opened", one.opened}, {"cut", one.cut}, {"refused", one.refused}};
    if (kind == "slowHeads" || kind == "slowBodies" || kind == "silent") {
      require(one.cut > 0, kind + ": none was cut");
      require(one.longest <= kCut + kCrowdLate,
              kind + ": cut after " + std::to_string(one.longest.count()) + " ms");
      figures[kind]["longestMs"] = one.longest.count();
    }
  }
  return figures;
}

double metric(std::uint16_t port, const std::string& series) {
  const std::string metrics = raw_request(port, "/metrics").body;
  const std::size_t at = metrics.find("\n" + series + " ");
  return at == std::string::npos ? 0 : std::stod(metrics.substr(at + series.size() + 2));
}

/// Thousands of hostile connections, and a good client before, meanwhile and after.
ordered_json attack(const Options& options, const Podkeeperd& podkeeperd) {
  const std::size_t crowd_size = options.small ? 600 : 5'000;
  const seconds calm(options.small ? 3 : 10);
  const seconds fight(options.small ? 12 : 45);
  const std::uint16_t port = podkeeperd.api_port;
  const Process& process = *podkeeperd.process;
  GoodClient good(port);
  good.ask_for(seconds(2));  // warm
  std::vector<double> undisturbed = good.ask_for(calm);
  const std::size_t descriptors = process.open_descriptors();
  const double connections_before = metric(port, "podkeeper_http_connections");
  const std::uint64_t memory = process.rss_bytes();

  MemoryPeak peak(process);
  const double cpu_before = process.cpu_seconds();
  Crowd crowd(port, crowd_of(crowd_size), options.small ? 300 : 800);
  eventually("the crowd is there", seconds(30),
             [&] { return crowd.open() >= crowd_size * 9 / 10; });
  const std::vector<double> attacked = good.ask_for(fight);
  const double connections = metric(port, "podkeeper_http_connections");
  const auto seen = crowd.stop();
  const double cpu = process.cpu_seconds() - cpu_before;
  const std::uint64_t memory_peak = peak.stop();

  eventually("every connection of the attack is ended", seconds(30),
             [&] { return metric(port, "podkeeper_http_connections") <= connections_before; });
  eventually("every descriptor of the attack is given back", seconds(30),
             [&] { return process.open_descriptors() <= descriptors + kUpstreamConnectionsMax; });
  const auto after = good.ask_for(calm);
  undisturbed.insert(undisturbed.end(), after.begin(), after.end());

  const double before_p99 = percentile(undisturbed, 0.99);
  const double attacked_p99 = percentile(attacked, 0.99);
  ordered_json figures = {
      {"hostileConnections", crowd_size},
      {"openAtTheEnd", connections},
      {"attackSeconds", fight.count()},
      {"memoryBeforeMiB", static_cast<double>(memory >> 10) / 1024},
      {"memoryAddedMiB",
       static_cast<double>((memory_peak > memory ? memory_peak - memory : 0) >> 10) / 1024},
      {"goodP50Ms", percentile(undisturbed, 0.5)},
      {"goodP50MsAttacked", percentile(attacked, 0.5)},
      {"goodP99Ms", before_p99},
      {"goodP99MsAttacked", attacked_p99},
      {"goodP99Ratio", attacked_p99 / before_p99},
      {"goodRequestsAttacked", attacked.size()},
      {"crowdCpuSeconds", crowd.cpu_seconds()},
      {"podkeeperdCpuSeconds", cpu},
      {"descriptorsBefore", descriptors},
      {"descriptorsAfter", process.open_descriptors()},
      {"byKind", figures_of(seen)},
  };
  std::cerr << figures.dump() << "\n";
  require(process.alive(), "podkeeperd ended");
  require(memory_peak <= memory + kMemoryMax, "memory rose by more than 64 MiB");
  require(attacked_p99 < kSlowdownMax * before_p99, "the good client's p99 doubled");
  require(metric(port, "podkeeper_http_timeouts_total{phase=\"write\"}") > 0 || options.small,
          "no unread list was cut");
  return figures;
}

/// More connections than there are descriptors: the API keeps to its share, health is answered.
ordered_json starve(std::uint16_t simkube) {
  constexpr std::size_t kDescriptors = 600;
  const Podkeeperd podkeeperd({"--apiserver=http://127.0.0.1:" + std::to_string(simkube)},
                              kDescriptors);
  podkeeperd.wait_ready(seconds(60));
  Crowd crowd(podkeeperd.api_port,
              {{.name = "slowHeads",
                .count = 2 * kDescriptors,
                .opening = "GET /api/v1/pods HTTP/1.1\r\nHost: a\r\nX: ",
                .drop = "x"}},
              1'000);
  eventually("newcomers are refused", seconds(20),
             [&] { return raw_request(podkeeperd.api_port, "/version").status != 200; });
  std::size_t answered = 0;
  std::size_t most = 0;
  const auto end = steady_clock::now() + seconds(4);
  while (steady_clock::now() < end) {
    const RawResponse response = raw_request(podkeeperd.health_port, "/livez");
    require(response.status == 200, "health was answered " + std::to_string(response.status));
    ++answered;
    most = std::max(most, podkeeperd.process->open_descriptors());
    pause(milliseconds(20));
  }
  crowd.stop();
  require(most < kDescriptors, "every descriptor was taken");
  eventually("it serves again", seconds(20),
             [&] { return raw_request(podkeeperd.api_port, "/version").status == 200; });
  podkeeperd.stop();
  return {{"openFilesLimit", kDescriptors},
          {"mostOpen", most},
          {"healthAnswered", answered},
          {"healthFailed", 0}};
}

ordered_json prove(const Options& options) {
  const std::size_t files = raise_open_files();
  require(options.small || files >= 12'000, "12,000 open files are needed (ulimit -Hn)");
  const Simkube simkube({"--nodes=50", options.small ? "--pods=500" : "--pods=2000", "--churn=20",
                         "--seed=" + std::to_string(options.seed)});
  ordered_json figures;
  {
    const Podkeeperd podkeeperd(
        {"--apiserver=http://127.0.0.1:" + std::to_string(simkube.port), "--history-bytes=8MiB"});
    podkeeperd.wait_ready(seconds(60));
    figures["rawCases"] = try_all_cases(podkeeperd.api_port);
    require(raw_request(podkeeperd.health_port, "/readyz").status == 200,
            "not ready after the raw cases");
    figures.update(attack(options, podkeeperd));
    require(raw_request(podkeeperd.health_port, "/readyz").status == 200,
            "not ready after the attack");
    require(metric(podkeeperd.api_port, "podkeeper_panics_suppressed_total") == 0, "it panicked");
    podkeeperd.stop();
    for (const std::string& line : podkeeperd.process->lines()) {
      require(line.find("panic_recovered") == std::string::npos, "podkeeperd said: " + line);
    }
  }
  figures["descriptors"] = starve(simkube.port);
  return figures;
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
