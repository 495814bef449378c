#include "tests/world/support/scene.h"

#include "pkg/http/client.h"
#include "pkg/runtime/seeded_random.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metrics.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>

#include "tests/world/support/checks.h"
#include "tests/world/support/client.h"
#include "tests/world/support/instance.h"
#include "tests/world/support/judge.h"
#include "tests/world/support/model.h"
#include "tests/world/support/model_server.h"
#include "tests/world/support/nemesis.h"
#include "tests/world/support/writers.h"

namespace podkeeper::world {
namespace {

using base::Duration;
using base::Task;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kConvergeMax = seconds(60);
/// A restored upstream may be silent about it: then two watches have to count as frozen first.
constexpr Duration kConvergeAfterRestoreMax = seconds(300);
constexpr Duration kCapsEvery = seconds(1), kCapsEveryInLong = seconds(30);
constexpr std::size_t kWiresMax = 64;
constexpr std::size_t kUnsentBytesMax = 2 << 20;

/// What a scene is like, by its seed.
struct Cast {
  Cast(runtime::SimulatedWorld& world, const SceneOptions& options) {
    const Bug planted = options.planted;
    const auto one_of = [&](std::uint64_t bound) { return world.random().below(bound); };
    instances = 1 + one_of(3);
    clients = 2 + one_of(3);
    writers.pods = 6 + one_of(14);
    writers.nodes = 2 + one_of(3);
    writers.pause = milliseconds(150 << one_of(5));
    writers.poison = one_of(3) == 0;
    chaos = seconds(40 + one_of(120));
    small_history = one_of(4) == 0;
    nemesis.pause = milliseconds(1'000 << one_of(4));
    nemesis.restores = one_of(20) < 2;
    if (options.is_long()) be_long(one_of);
    if (planted == Bug::kNone) return;
    // What hides a planted bug says nothing of the oracles.
    nemesis.restores = false;
    if (planted == Bug::kSuspendedClock) {
      instances = 3;
      writers.pause = milliseconds(150);
      nemesis.means = Means::kStops;
      nemesis.pause = seconds(10);
    }
    if (planted == Bug::kUnboundedBuffer) {
      writers.fat = 40'000;
      writers.pause = milliseconds(200);
      clients = 8;
      nemesis.means = Means::kClogs;
    }
  }
  std::size_t instances, clients;
  WriterOptions writers;
  NemesisOptions nemesis;
  Duration chaos;
  bool small_history;
  bool is_long = false;
  bool slow_lease = false;
  ClientManner clients_manner;

 private:
  template <class OneOf>
  void be_long(OneOf&& one_of) {
    is_long = true;
    chaos = hours(3 + one_of(34));
    writers.pause = seconds(60 << one_of(6));
    nemesis.pause = seconds(300 << one_of(4));
    nemesis.stretch = std::uint64_t{1} << one_of(8);
    slow_lease = one_of(2) == 0;
    clients_manner = {.watch_min = seconds(60), .watch_max = seconds(60 << one_of(7))};
  }
};

settings::Settings settings_of(const Cast& cast, std::size_t number) {
  settings::Settings settings;
  settings.apiserver = "http://127.0.0.1:" + std::to_string(ModelServer::kFirstPort + number);
  settings.api_bind_address = "127.0.0.1:" + std::to_string(kFirstReplicaPort + number);
  settings.health_probe_bind_address = "0";
  settings.metrics_bind_address = "0";
  settings.auth_mode = settings::AuthMode::kNone;
  settings.leader_elect = true;
  settings.leader_elect_resource_namespace = "podkeeper";
  if (cast.small_history) settings.history_bytes = 64 << 10;
  if (cast.is_long) {
    if (!cast.slow_lease) return settings;
    settings.leader_elect_lease_duration = seconds(40);
    settings.leader_elect_renew_deadline = seconds(30);
    settings.leader_elect_retry_period = seconds(8);
    return settings;
  }
  settings.audit_interval = seconds(20);
  settings.watch_idle_timeout = seconds(15);
  settings.shutdown_grace_period = seconds(2);
  return settings;
}

/// In some scenes every read is short, in others few are: then most of the time goes to what comes
/// after the framing.
runtime::SimulatedNetworkOptions network_of(std::uint64_t seed) {
  constexpr std::uint64_t kShortReadIn[] = {1, 4, 32};
  return {.short_read_in = kShortReadIn[seed % std::size(kShortReadIn)]};
}

class Scene {
 public:
  explicit Scene(const SceneOptions& options)
      : options_(options),
        bugs_(options.planted),
        world_(options.seed, network_of(options.seed)),
        cast_(world_, options),
        logging_(log_options(options), world_.clock()),
        model_(world_.clock()),
        server_(world_, serving_, metrics_, model_, bugs_),
        writers_(world_, model_, cast_.writers),
        nemesis_(world_, model_, server_, cast_.nemesis) {
    if (cast_.is_long) server_.tell_bookmarks_every(seconds(60));
    if (!options.tell) logging_.set_verbosity(std::numeric_limits<int>::min());
    for (std::size_t i = 0; i < cast_.instances; ++i) {
      instances_.push_back(std::make_unique<Instance>(world_, logging_, bugs_, server_.view(i),
                                                      settings_of(cast_, i), i));
      nemesis_.add(*instances_.back());
    }
    const Client::Sources sources{.world = world_,
                                  .metrics = metrics_,
                                  .model = model_,
                                  .server = server_,
                                  .bugs = bugs_,
                                  .verdict = verdict_,
                                  .instances = cast_.instances,
                                  .manner = cast_.clients_manner};
    for (std::size_t i = 0; i < cast_.clients; ++i) {
      const char* const resource = i % 3 == 2 ? Model::kNodes : Model::kPods;
      clients_.push_back(std::make_unique<Client>(sources, resource, i));
    }
  }

  SceneReport run() {
    world_.run_task([this] { return play(); });
    return report();
  }

 private:
  static telemetry::LogOptions log_options(const SceneOptions& options) {
    telemetry::LogOptions log;
    log.write = [tell = options.tell](std::string_view line) {
      if (tell) std::cerr << line;
    };
    return log;
  }

  void spawn(runtime::TaskGroup& group, const char* name, std::function<Task<void>()> task) {
    (void)group.spawn(name, base::Handler::kTimer, std::move(task));
  }

  Task<void> play() {
    server_.start(cast_.instances);
    writers_.populate();
    for (auto& instance : instances_) {
      auto starting = instance->start();
      co_await std::move(starting);
    }
    spawn(writing_, "writers", [this] { return writers_.run(); });
    spawn(watching_, "caps", [this] { return watch_caps(); });
    for (auto& client : clients_) {
      spawn(watching_, "client", [&client] { return client->run(); });
    }
    auto disturbing = nemesis_.run(world_.clock().now() + cast_.chaos);
    co_await std::move(disturbing);
    auto ending_writes = end(writing_);
    co_await std::move(ending_writes);
    for (auto& client : clients_) client->be_calm();
    auto converging = converge();
    co_await std::move(converging);
    auto ending = end_all();
    co_await std::move(ending);
  }

  Task<void> converge() {
    const auto since = world_.clock().now();
    const auto most = model_.restored() ? kConvergeAfterRestoreMax : kConvergeMax;
    std::string missing;
    do {
      auto looking = what_is_missing();
      missing = co_await std::move(looking);
      convergence_ = world_.clock().now() - since;
      if (options_.tell) std::cerr << "missing: " << missing << "\n";
      if (missing.empty()) co_return;
      auto waiting = world_.clock().sleep_for(seconds(1));
      co_await std::move(waiting);
    } while (convergence_ < most);
    verdict_.violated("liveness: long after the last fault " + missing);
  }

  Task<std::string> what_is_missing() {
    for (const auto& client : clients_) {
      if (!client->is_current()) co_return "a client is not current: " + client->describe();
    }
    if (server_.lease_holder() < 0) co_return "nobody leads";
    for (std::size_t i = 0; i < instances_.size(); ++i) {
      auto checking = check_replica(world_, metrics_, model_, i);
      auto wrong = co_await std::move(checking);
      if (!wrong.empty()) co_return "replica " + std::to_string(i) + ": " + wrong;
    }
    co_return check_policies(model_, instances_.size());
  }

  Task<void> watch_caps() {
    while (true) {
      for (std::size_t i = 0; i < instances_.size(); ++i) {
        auto& process = instances_[i]->process();
        if (process.wires() > kWiresMax) {
          verdict_.violated("caps: replica " + std::to_string(i) + " has " +
                            std::to_string(process.wires()) + " connections");
        }
        if (process.unsent_bytes_max() > kUnsentBytesMax) {
          verdict_.violated("caps: replica " + std::to_string(i) + " holds " +
                            std::to_string(process.unsent_bytes_max()) + " bytes for one client");
        }
      }
      auto waiting = world_.clock().sleep_for(cast_.is_long ? kCapsEveryInLong : kCapsEvery);
      co_await std::move(waiting);
    }
  }

  static Task<void> end(runtime::TaskGroup& group) {
    group.stop();
    auto joining = group.join();
    co_await std::move(joining);
  }

  Task<void> end_all() {
    auto ending_clients = end(watching_);
    co_await std::move(ending_clients);
    for (auto& instance : instances_) {
      auto terminating = instance->kill();
      co_await std::move(terminating);
    }
    auto ending = end(serving_);
    co_await std::move(ending);
  }

  SceneReport report() {
    SceneReport report;
    report.violations = verdict_.found();
    for (const auto& violation : server_.violations()) report.violations.push_back(violation);
    report.trace_hash = world_.trace_hash();
    report.steps = world_.steps();
    report.is_long = cast_.is_long;
    report.virtual_time = world_.clock().now().time_since_epoch();
    report.convergence = convergence_;
    report.revisions = model_.revision();
    report.faults = nemesis_.faults();
    report.leader_writes = server_.leader_writes();
    report.takeovers = server_.takeovers();
    for (const auto& client : clients_) {
      report.events += client->events();
      report.lists += client->lists();
      report.watches += client->resumed();
      report.states += client->states_judged();
    }
    return report;
  }

  const SceneOptions options_;
  const Bugs bugs_;
  runtime::SimulatedWorld world_;
  const Cast cast_;
  telemetry::Logging logging_;
  telemetry::Metrics metrics_;
  runtime::TaskRegistry registry_{world_.clock()};
  runtime::TaskGroup serving_{world_, registry_, "upstream"};
  runtime::TaskGroup writing_{world_, registry_, "writing"};
  runtime::TaskGroup watching_{world_, registry_, "clients"};
  Model model_;
  ModelServer server_;
  Writers writers_;
  Nemesis nemesis_;
  Verdict verdict_;
  std::vector<std::unique_ptr<Instance>> instances_;
  std::vector<std::unique_ptr<Client>> clients_;
  Duration convergence_{};
};

}  // namespace

bool SceneOptions::is_long() const noexcept {
  // Not by the seed itself: every 100th is run twice, and worlds differ by its remainders.
  runtime::SeededRandom random(seed * 0x632be59bd9b4e019);
  return planted == Bug::kNone && random.below(kLongIn) == 0;
}

SceneReport run_scene(const SceneOptions& options) { return Scene(options).run(); }

std::string replay_line(const SceneOptions& options) {
  std::string line =
      "replay: build/release/tests/proofs/prove_simulation --only " + std::to_string(options.seed);
  if (options.planted != Bug::kNone) line += std::string(" --bug ") + to_string(options.planted);
  return line;
}

}  // namespace podkeeper::world
