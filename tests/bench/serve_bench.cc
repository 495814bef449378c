// What an answer costs the server: GET of one pod of 6.7 KB and LIST of 10,000 pods over loopback,
// kept alive, counted as CPU time of the serving thread. Peer: Boost.Beast's own asynchronous
// server with a string body, which for LIST serializes its document first, as a server without
// stored bytes has to.

#include "pkg/access/authorized.h"
#include "pkg/http/server.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/runtime/real_world.h"
#include "pkg/state/store.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <future>
#include <thread>

#include "tests/bench/beast_peer.h"
#include "tests/bench/harness.h"
#include "tests/bench/http_load.h"

namespace podkeeper::bench {
namespace {

/// The replica's API over a store of pods, on a thread of its own until it is destroyed.
class Replica {
 public:
  explicit Replica(const std::string& list_json)
      : store_(world_.clock(),
               state::StoreOptions{.resource = kube::pods(), .map = {}, .log = {}}) {
    auto list = kube::decode_list(kube::pods(), list_json);
    if (!list) std::abort();
    store_.replace(std::move(list->items), list->revision);
    std::promise<std::uint16_t> bound;
    auto port = bound.get_future();
    thread_ =
        std::jthread([this, &bound] { world_.run_task([this, &bound] { return serve(bound); }); });
    port_ = port.get();
  }
  ~Replica() { stop_.notify(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] pthread_t thread() { return thread_.native_handle(); }

 private:
  base::Task<void> serve(std::promise<std::uint16_t>& bound) {
    runtime::TaskRegistry tasks(world_.clock());
    runtime::TaskGroup group(world_, tasks, "bench");
    kubeapi::ReadApi api(world_, authorizer_, metrics_, {state::Reader(store_)}, {});
    http::Router router;
    router.prefix("/api", api.handler(), api.error_renderer());
    http::Server server(world_, group, metrics_, "bench", std::move(router));
    bound.set_value(server.listen({.host = "127.0.0.1", .port = 0}).value().port);
    auto waiting = stop_.wait();
    co_await std::move(waiting);
    group.stop();
    auto joining = group.join();
    co_await std::move(joining);
  }

  runtime::RealWorld world_;
  telemetry::Metrics metrics_;
  access::LoopbackAuthorizer authorizer_;
  state::Store store_;
  runtime::Wakeup stop_{world_.clock()};
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

Cost measure(pthread_t server, std::uint16_t port, const std::string& path, std::size_t requests) {
  const double before = thread_cpu_seconds(server);
  const double started = clock_seconds(CLOCK_MONOTONIC);
  load(port, path, requests);
  return {.wall_seconds = clock_seconds(CLOCK_MONOTONIC) - started,
          .cpu_seconds = thread_cpu_seconds(server) - before};
}

int run(int argc, char** argv) {
  const Flags flags = parse_flags(argc, argv);
  const std::string list = inflate_file(PK_SOURCE_DIR "/tests/data/pods-10k.json.gz");
  Replica replica(list);
  const auto document = nlohmann::ordered_json::parse(list);
  const auto& pod = document.at("items")[0];
  const std::string path = "/api/v1/namespaces/" +
                           pod.at("metadata").at("namespace").get<std::string>() + "/pods/" +
                           pod.at("metadata").at("name").get<std::string>();
  BeastPeer stored_peer([text = pod.dump()] { return text; });
  BeastPeer list_peer([&document] { return document.dump(); });
  const std::size_t gets = flags.small ? 2'000 : 30'000;
  const std::size_t lists = flags.small ? 1 : 5;
  const std::size_t repetitions = flags.small ? 3 : 7;
  const auto get = interleave(
      repetitions, {[&] { return measure(stored_peer.thread(), stored_peer.port(), path, gets); },
                    [&] { return measure(replica.thread(), replica.port(), path, gets); }});
  const auto all = interleave(
      repetitions,
      {[&] { return measure(list_peer.thread(), list_peer.port(), "/api/v1/pods", lists); },
       [&] { return measure(replica.thread(), replica.port(), "/api/v1/pods", lists); }});
  const double get_us = get[1].cost.cpu_seconds * 1e6 / static_cast<double>(gets);
  const double list_ms = all[1].cost.cpu_seconds * 1e3 / static_cast<double>(lists);
  std::printf("GET one pod: %.2f us CPU (Beast, string body: %.2f us), %.2fx\n", get_us,
              get[0].cost.cpu_seconds * 1e6 / static_cast<double>(gets), get[1].cpu_ratio);
  std::printf("LIST 10,000 pods: %.1f ms CPU (serialized each time: %.1f ms), %.1fx\n", list_ms,
              all[0].cost.cpu_seconds * 1e3 / static_cast<double>(lists), all[1].cpu_ratio);
  Report report(flags);
  report.add("serve_get_cpu_us", get_us, "us", "Boost.Beast async server, string body",
             get[1].cpu_ratio);
  report.add("serve_list_cpu_ms", list_ms, "ms", "Boost.Beast async server, nlohmann-json dump",
             all[1].cpu_ratio);
  return report.finish();
}

}  // namespace
}  // namespace podkeeper::bench

int main(int argc, char** argv) { return podkeeper::bench::run(argc, argv); }
