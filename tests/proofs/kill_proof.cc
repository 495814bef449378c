// podkeeperd killed at random points while partitions change their strategy and clients read and
// pods change: by SIGKILL, by SIGTERM, in a migration, while it starts. Each time it is started
// again it becomes ready, serves what the cluster holds, each object in one partition, with the
// strategy that the policy says. It never panics, and SIGTERM ends it with 0.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <signal.h>
#include <thread>
#include <vector>

#include "tests/faults/record_line.h"
#include "tests/proofs/support/cluster.h"
#include "tests/proofs/support/json_digest.h"
#include "tests/proofs/support/policies.h"
#include "tests/proofs/support/raw_http.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Threads that go round until they are stopped; a body that throws ends its thread, and stop()
/// throws it on.
class Threads {
 public:
  ~Threads() { join(); }
  void start(std::function<void(std::size_t turn)> body) {
    threads_.emplace_back([this, body = std::move(body)] {
      try {
        for (std::size_t turn = 0; !stopping_; ++turn) body(turn);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        thrown_ = std::current_exception();
      }
    });
  }
  void stop() {
    join();
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  void join() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::exception_ptr thrown_;
  std::vector<std::thread> threads_;
};

/// Changes pods of the cluster, one after the other: an annotation, and for every fourth the label
/// by which it is in the policy's partition or not. Rests while a Pause lives.
class Writer {
 public:
  explicit Writer(std::uint16_t simkube) : simkube_(simkube) {
    for (const json& pod : json::parse(get(simkube, "/api/v1/pods")).at("items")) {
      keys_.push_back(object_key(pod));
    }
  }
  void start(Threads& threads) {
    threads.start([this](std::size_t turn) { write(turn); });
  }
  using Pause = std::unique_lock<std::mutex>;
  [[nodiscard]] Pause rest() { return Pause(mutex_); }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }

 private:
  void write(std::size_t turn) {
    {
      const std::lock_guard lock(mutex_);
      const std::string& key = keys_[turn * 7919 % keys_.size()];
      const std::size_t slash = key.find('/');
      json metadata = {{"annotations", {{"turn", std::to_string(turn)}}}};
      if (turn % 4 == 0) metadata["labels"] = {{"tier", turn % 8 == 0 ? "frontend" : "backend"}};
      const RawResponse response = raw_request(
          simkube_, "/api/v1/namespaces/" + key.substr(0, slash) + "/pods/" + key.substr(slash + 1),
          "PATCH", "Content-Type: application/merge-patch+json\r\n",
          json{{"metadata", metadata}}.dump());
      require(response.status == 200, "a pod's patch was answered " + response.body);
      ++writes_;
    }
    pause(milliseconds(2));
  }
  const std::uint16_t simkube_;
  std::vector<std::string> keys_;
  std::mutex mutex_;
  std::atomic<std::uint64_t> writes_{0};
};

/// Clients of whatever podkeeperd runs. A read may be refused or cut while it starts or dies, but
/// no pod is ever told to be missing: none is deleted.
class Clients {
 public:
  explicit Clients(const std::vector<std::string>& keys) : keys_(keys) {}
  void start(Threads& threads) {
    for (std::size_t i = 0; i < 3; ++i) {
      threads.start([this, i](std::size_t turn) { read(turn + i * 1'000); });
    }
    threads.start([this](std::size_t) { watch_migrations(); });
  }
  void ask(std::uint16_t port) { port_ = port; }
  [[nodiscard]] std::uint64_t reads() const { return reads_; }
  /// A partition was between two strategies when it was asked last.
  [[nodiscard]] bool migrating() const { return migrating_; }

 private:
  void read(std::size_t turn) {
    const std::uint16_t port = port_;
    if (port == 0) return pause(milliseconds(5));
    const std::string& key = keys_[turn * 7919 % keys_.size()];
    const RawResponse response = raw_request(port, "/state/v1/pods/" + key);
    if (response.status == 200) ++reads_;
    const bool refused = response.status == 0 || response.status == 503;
    require(refused || response.status == 200, "the read of " + key + " was answered " +
                                                   std::to_string(response.status) + ": " +
                                                   response.body);
    pause(milliseconds(1));
  }
  void watch_migrations() {
    const std::uint16_t port = port_;
    if (port == 0) return pause(milliseconds(5));
    const RawResponse response = raw_request(port, "/state/v1/maps");
    migrating_ = response.body.find("\"migration\":") != std::string::npos;
  }
  const std::vector<std::string>& keys_;
  std::atomic<std::uint16_t> port_{0};
  std::atomic<std::uint64_t> reads_{0};
  std::atomic<bool> migrating_{false};
};

/// When a life of podkeeperd ends.
enum class Moment { kStarting, kAnyTime, kMigrating };

class Killing {
 public:
  explicit Killing(const Options& options)
      : options_(options),
        random_(options.seed),
        simkube_(
            {"--nodes=20", "--pods=2000", "--churn=0", "--seed=" + std::to_string(options.seed)}),
        writer_(simkube_.port),
        clients_(writer_.keys()) {
    create_policy(simkube_.port, backend_policy(strategy_));
    writer_.start(threads_);
    clients_.start(threads_);
  }

  ordered_json run() {
    const int kills = options_.small ? 20 : 200;
    for (int i = 0; i < kills; ++i) live(i);
    Podkeeperd last = start();
    verify(last);
    clients_.ask(0);
    last.stop();
    threads_.stop();
    faults::write_record({.row = 33,
                          .outcome = "after SIGKILL at random points, during changes too, it runs "
                                     "what the policy says and holds what the cluster holds",
                          .evidence = "/state/v1/maps; the lists of both by digest",
                          .recovery = slowest_ready_},
                         "scripts/prove kill", __FILE__, true);
    return {{"kills", kills},
            {"withSigkill", by_kill_},
            {"withSigterm", kills - by_kill_},
            {"whileStarting", at_start_},
            {"duringAMigration", in_migration_},
            {"slowestReadySeconds", slowest_ready_.count()},
            {"reads", clients_.reads()},
            {"podWrites", writer_.writes()}};
  }

 private:
  /// Starts it, looks at it, changes the policy, kills it.
  void live(int i) {
    const Moment moment = i % 5 == 4   ? Moment::kStarting
                          : i % 5 >= 2 ? Moment::kMigrating
                                       : Moment::kAnyTime;
    Podkeeperd podkeeperd = start();
    if (moment == Moment::kStarting) {
      pause(up_to(milliseconds(300)));
      ++at_start_;
    } else {
      verify(podkeeperd);
      change();
      if (moment == Moment::kAnyTime) {
        pause(up_to(milliseconds(1'000)));
      } else {
        await_migration();
      }
    }
    const bool migrating = clients_.migrating();
    if (random_() % 4 == 0) {
      podkeeperd.stop();
    } else {
      podkeeperd.process->signal(SIGKILL);
      const int code = podkeeperd.process->wait(seconds(60));
      require(code == 128 + SIGKILL, "podkeeperd had ended with " + std::to_string(code));
      ++by_kill_;
      if (migrating) ++in_migration_;
    }
    clients_.ask(0);
    for (const std::string& line : podkeeperd.process->lines()) {
      require(line.find("panic") == std::string::npos, "podkeeperd said: " + line);
    }
  }
  Podkeeperd start() {
    Podkeeperd podkeeperd({"--apiserver=http://127.0.0.1:" + std::to_string(simkube_.port)});
    clients_.ask(podkeeperd.api_port);
    return podkeeperd;
  }
  void change() {
    const std::string before = strategy_;
    while (strategy_ == before) strategy_ = kStrategies[random_() % kStrategies.size()];
    set_strategy(simkube_.port, strategy_);
  }
  /// Returns at a random point of the change that change() asked for; after 5 s without one seen,
  /// for it is short.
  void await_migration() {
    const auto deadline = std::chrono::steady_clock::now() + seconds(5);
    while (!clients_.migrating() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 3'000));
  }
  milliseconds up_to(milliseconds most) {
    return milliseconds(random_() % static_cast<std::uint64_t>(most.count()));
  }

  /// It becomes ready, runs what the policy says, and holds what the cluster holds, once.
  void verify(const Podkeeperd& podkeeperd) {
    const auto began = std::chrono::steady_clock::now();
    podkeeperd.wait_ready(seconds(60));
    slowest_ready_ = std::max(
        slowest_ready_, std::chrono::duration<double>(std::chrono::steady_clock::now() - began));
    const std::uint16_t port = podkeeperd.api_port;
    eventually("a restarted daemon runs " + strategy_, seconds(20),
               [&] { return partitions_run(port, strategy_); });
    const Writer::Pause quiet = writer_.rest();
    const DigestMap expected = digest_list(get(simkube_.port, "/api/v1/pods"));
    eventually("a restarted daemon holds what the cluster holds", seconds(20),
               [&] { return digest_list(get(port, "/api/v1/pods")) == expected; });
    for (const std::string plural : {"pods", "podstates.state.podkeeper.dev"}) {
      const auto entries = [&](const std::string& name) {
        return partition(port, name).at("entries").get<std::size_t>();
      };
      require(entries(plural) + entries(plural + "~backend") == expected.size(),
              "a pod is in no partition of " + plural + " or in two");
    }
    require(panics(port) == 0, "podkeeperd panicked");
  }

  const Options options_;
  std::mt19937_64 random_;
  std::string strategy_ = "Mutex";
  Simkube simkube_;
  Writer writer_;
  Clients clients_;
  int by_kill_ = 0;
  int at_start_ = 0;
  int in_migration_ = 0;
  std::chrono::duration<double> slowest_ready_{};
  Threads threads_;  // last: they end before what they use
};

ordered_json prove(const Options& options) { return Killing(options).run(); }

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
