// Policies applied with kubectl while four clients read and events flow: each takes effect on its
// partitions within 2 s, no read fails, kubectl prints its columns and waits for its condition. A
// policy edited a hundred times a second changes its partitions about once a second, and its last
// state wins. In the end the replica equals a fresh LIST of the cluster.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "tests/proofs/support/cluster.h"
#include "tests/proofs/support/json_digest.h"
#include "tests/proofs/support/kubectl.h"
#include "tests/proofs/support/policies.h"
#include "tests/proofs/support/raw_http.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Seconds kTakesEffectWithin{2};
constexpr int kEditsPerSecond = 100;

/// Four clients that read all the time: pods by name, a list, pod states. A pod that is not found
/// counts as failed only if it is there in the end, with the uid that it had before.
class Readers {
 public:
  explicit Readers(std::uint16_t port) : port_(port) {
    renew();
    for (std::size_t i = 0; i < 4; ++i) threads_.emplace_back([this, i] { run(i); });
  }
  ~Readers() { stop(); }
  /// Reads the pods of now from here on.
  void renew() {
    auto keys = std::make_shared<Keys>();
    const json pods = json::parse(get(port_, "/api/v1/pods"));
    const std::lock_guard lock(mutex_);
    for (const json& pod : pods.at("items")) {
      keys->push_back(object_key(pod));
      uids_[keys->back()] = pod.at("metadata").at("uid").get<std::string>();
    }
    keys_ = std::move(keys);
  }
  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  [[nodiscard]] std::uint64_t reads() const { return reads_; }
  /// After stop().
  [[nodiscard]] std::vector<std::string> failures(const json& pods_in_the_end) const {
    std::vector<std::string> failures = failures_;
    for (const json& pod : pods_in_the_end.at("items")) {
      const std::string key = object_key(pod);
      if (!not_found_.contains({key, pod.at("metadata").at("uid")})) continue;
      failures.push_back(key + " was not found");
    }
    return failures;
  }

 private:
  using Keys = std::vector<std::string>;

  void run(std::size_t turn) {
    for (; !stopping_; ++turn) {
      const std::string key = pick(turn);
      const std::size_t slash = key.find('/');
      switch (turn % 4) {
        case 0:
          ask("/api/v1/pods?limit=50", key);
          break;
        case 1:
          ask("/state/v1/pods/" + key, key);
          break;
        default:
          ask("/api/v1/namespaces/" + key.substr(0, slash) + "/pods/" + key.substr(slash + 1), key);
      }
      // Leaves something of a small machine to the cluster and to kubectl.
      pause(std::chrono::milliseconds(1));
    }
  }
  std::string pick(std::size_t turn) {
    const std::lock_guard lock(mutex_);
    return keys_->at(turn * 7919 % keys_->size());
  }
  void ask(const std::string& target, const std::string& key) {
    const RawResponse response = raw_request(port_, target);
    ++reads_;
    if (response.status == 200 && response.complete) return;
    const std::lock_guard lock(mutex_);
    if (response.status == 404) {
      not_found_.insert({key, uids_.at(key)});
    } else {
      failures_.push_back(target + " was answered " + std::to_string(response.status));
    }
  }

  const std::uint16_t port_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> reads_{0};
  std::mutex mutex_;
  std::shared_ptr<const Keys> keys_;
  std::map<std::string, std::string> uids_;
  std::set<std::pair<std::string, std::string>> not_found_;  ///< key and the last uid known of it
  std::vector<std::string> failures_;
  std::vector<std::thread> threads_;
};

/// Until both partitions of the policy run `strategy`.
Seconds until_applied(std::uint16_t port, const std::string& strategy) {
  const auto began = Clock::now();
  eventually("both partitions run " + strategy, std::chrono::seconds(20),
             [&] { return partitions_run(port, strategy); });
  return Clock::now() - began;
}

void expect_columns(const std::string& table, const std::string& strategy) {
  for (const char* column : {"NAME", "STRATEGY", "ACTIVE", "READY", "ENTRIES", "AGE"}) {
    require(table.find(column) != std::string::npos,
            std::string("kubectl get cmpol has no column ") + column + ":\n" + table);
  }
  std::string words;
  std::ranges::unique_copy(table, std::back_inserter(words),
                           [](char a, char b) { return a == ' ' && b == ' '; });
  const std::string row = "backend " + strategy + " " + strategy + " True ";
  require(words.find(row) != std::string::npos,
          "kubectl get cmpol has no row \"" + row + "\":\n" + table);
}

/// Takes the policy through all strategies; how long each took to be in use.
std::vector<Seconds> apply_each(Kubectl& kubectl, std::uint16_t port) {
  std::vector<Seconds> took;
  for (const char* strategy : kStrategies) {
    kubectl({"apply", "-f", kubectl.file("policy.json", backend_policy(strategy).dump())});
    took.push_back(until_applied(port, strategy));
    kubectl({"wait", "--for=condition=Ready", "cmpol/backend", "--timeout=60s"});
    expect_columns(kubectl({"get", "cmpol"}), strategy);
    require(partition(port, kBackendPartitions[0]).at("entries") > 0,
            "the policy's partition is empty");
  }
  return took;
}

/// Edits the policy a hundred times a second and lets it rest: the last state is in use and told
/// of, and the store was given a plan about once a second at the most.
ordered_json flap(std::uint16_t simkube, std::uint16_t port, std::chrono::seconds length) {
  const auto applications = [&](const char* result) {
    return metric(port, std::string(R"(podkeeper_policy_applications_total{result=")") + result +
                            R"(",store="pods"})");
  };
  create_policy(simkube, backend_policy("Sharded"));
  until_applied(port, "Sharded");
  const double before = applications("success");
  const auto began = Clock::now();
  const auto edits = static_cast<int>(length.count()) * kEditsPerSecond;
  for (int i = 1; i <= edits; ++i) {
    std::this_thread::sleep_until(began + i * std::chrono::milliseconds(1000 / kEditsPerSecond));
    set_strategy(simkube, i == edits ? "SyncMap" : i % 2 == 0 ? "Mutex" : "LockFree");
  }
  const Seconds edited = Clock::now() - began;
  const Seconds took = until_applied(port, "SyncMap");
  require(took <= kTakesEffectWithin,
          "the last of many edits took " + std::to_string(took.count()) + " s to take effect");
  eventually("the status is of the last edit", std::chrono::seconds(20),
             [&] { return status_is_of_now(policy_object(simkube), "SyncMap"); });
  const double applied = applications("success") - before;
  require(applied <= edited.count() + 3,
          std::to_string(applied) + " plans were applied for " + std::to_string(edits) + " edits");
  require(applications("error") == 0, "a plan was not applied");
  return {{"edits", edits}, {"seconds", edited.count()}, {"plansApplied", applied}};
}

ordered_json prove(const Options& options) {
  const auto length = std::chrono::seconds(options.small ? 12 : 240);
  const auto flapping = std::chrono::seconds(options.small ? 3 : 20);
  const Simkube simkube({"--nodes=50", options.small ? "--pods=2000" : "--pods=5000",
                         options.small ? "--churn=200" : "--churn=500",
                         "--churn-for=" + std::to_string((length + flapping).count()) + "s",
                         "--seed=" + std::to_string(options.seed)});
  const Podkeeperd podkeeperd({"--apiserver=http://127.0.0.1:" + std::to_string(simkube.port)});
  const std::uint16_t port = podkeeperd.api_port;
  podkeeperd.wait_ready(std::chrono::seconds(60));
  Readers readers(port);
  Kubectl kubectl(simkube.port);

  std::vector<Seconds> took;
  const auto end = Clock::now() + length;
  do {
    std::ranges::copy(apply_each(kubectl, port), std::back_inserter(took));
    kubectl({"delete", "cmpol", "backend"});
    eventually("the partition of a deleted policy goes", std::chrono::seconds(20),
               [&] { return partition(port, kBackendPartitions[0]).is_null(); });
    readers.renew();
  } while (Clock::now() < end);
  const Seconds slowest = *std::ranges::max_element(took);
  require(slowest <= kTakesEffectWithin,
          "a policy took " + std::to_string(slowest.count()) + " s to take effect");
  const ordered_json flaps = flap(simkube.port, port, flapping);
  readers.stop();

  DigestMap expected;
  eventually("the replica holds what the cluster holds", std::chrono::seconds(180), [&] {
    expected = digest_list(get(simkube.port, "/api/v1/pods"));
    return digest_list(get(port, "/api/v1/pods")) == expected;
  });
  const auto failures = readers.failures(json::parse(get(port, "/api/v1/pods")));
  require(failures.empty(), std::to_string(failures.size()) + " reads failed, the first: " +
                                (failures.empty() ? "" : failures.front()));
  require(panics(port) == 0, "podkeeperd panicked");
  podkeeperd.stop();
  return {{"policiesApplied", took.size()},
          {"slowestSeconds", slowest.count()},
          {"slowestKubectlSeconds", kubectl.slowest().count()},
          {"flaps", flaps},
          {"reads", readers.reads()},
          {"failedReads", failures.size()},
          {"objectsInTheEnd", expected.size()}};
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
