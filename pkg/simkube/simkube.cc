#include "pkg/simkube/simkube.h"

#include "pkg/access/authorized.h"
#include "pkg/http/server.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/simkube/actors.h"
#include "pkg/simkube/definition_files.h"
#include "pkg/simkube/faulty_world.h"
#include "pkg/simkube/load.h"
#include "pkg/simkube/openapi.h"
#include "pkg/simkube/population.h"
#include "pkg/simkube/writes.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <variant>

namespace podkeeper::simkube {
namespace {

/// How often stores that did not change learn the cluster's revision, so that no client waits for
/// it long.
constexpr std::chrono::milliseconds kProgressInterval{100};

http::ServerLimits limits(std::size_t connections_max) {
  http::ServerLimits limits;
  limits.connections_max = connections_max;
  limits.connections_per_source_max = connections_max;
  limits.target_bytes_max = 8 * 1024;
  limits.header_bytes_max = 16 * 1024;
  limits.body_bytes_max =
      2 * kWriteBytesMax;  // the write handler says 413 itself, in upstream's words
  return limits;
}

kubeapi::ReadApiOptions api_options(Cluster& cluster, std::function<void()> definitions_changed) {
  kubeapi::ReadApiOptions options;
  options.writes = make_write_handler(cluster, std::move(definitions_changed));
  options.podkeeper_headers = false;
  return options;
}

}  // namespace

struct SimKube::State {
  State(base::World& real, runtime::TaskGroup& in_group, telemetry::Metrics& in_metrics,
        SimKubeOptions with)
      : options(std::move(with)),
        world(real, in_metrics, options.faults, [this] { restore(); }),
        group(in_group),
        metrics(in_metrics),
        cluster(real,
                {.seed = options.seed,
                 .log = {.events_max = options.history_events, .bytes_max = options.history_bytes},
                 .validate_custom = options.validate_crds}),
        api(real, authorizer, in_metrics, {}, api_options(cluster, [this] { serve_offer(); })),
        actors(real, cluster,
               {.seed = options.seed, .churn = options.churn, .churn_for = options.churn_for}) {}

  base::Result<void> fill();
  base::Result<void> define();
  base::Result<void> define(const std::vector<Json>& definitions);
  void serve_offer() {
    const auto offer = cluster.offer();
    api.serve(offer.served, offer.generation);
  }
  http::Router routes();
  void restore() {
    cluster.restore();
    world.cut_connections();
  }

  const SimKubeOptions options;
  FaultyWorld world;
  runtime::TaskGroup& group;
  telemetry::Metrics& metrics;
  access::LoopbackAuthorizer authorizer;
  Cluster cluster;
  kubeapi::ReadApi api;
  Actors actors;
  std::optional<http::Server> server;
};

base::Result<void> SimKube::State::define(const std::vector<Json>& definitions) {
  for (const auto& definition : definitions) {
    if (auto defined = cluster.define(definition); !defined) {
      return base::Error{base::ErrorCode::kInvalidArgument, defined.error().message};
    }
  }
  return {};
}

base::Result<void> SimKube::State::define() {
  for (const auto text : embedded_definitions()) {
    auto definitions = parse_definitions(text, "config/crd/bases");
    if (!definitions) return definitions.error();
    if (auto ok = define(*definitions); !ok) return ok;
  }
  for (const auto& path : options.crds) {
    auto definitions = read_definitions(world.files(), path);
    if (!definitions) return definitions.error();
    if (auto ok = define(*definitions); !ok) return ok;
  }
  return {};
}

base::Result<void> SimKube::State::fill() {
  if (options.load.empty()) {
    populate(cluster, {.seed = options.seed, .nodes = options.nodes, .pods = options.pods});
    return {};
  }
  std::set<std::string> spaces;
  for (const auto& path : options.load) {
    auto loaded = load_list(world.files(), path);
    if (!loaded) return loaded.error();
    for (const auto& object : loaded->list.items) {
      if (object->namespace_length > 0) spaces.emplace(object->namespace_());
    }
    cluster.load(*loaded->resource, std::move(loaded->list.items), loaded->list.revision);
  }
  populate_namespaces(cluster, {spaces.begin(), spaces.end()});
  cluster.tell_progress();
  return {};
}

http::Router SimKube::State::routes() {
  http::Router router;
  const auto health = [](http::Request) -> base::Task<http::Response> {
    co_return http::Response::text(200, "ok");
  };
  for (const char* path : {"/healthz", "/livez", "/readyz"}) router.exact(path, health);
  for (const char* path : {"/api", "/apis", "/version"})
    router.prefix(path, api.handler(), api.error_renderer());
  const auto documents = [this](http::Request request) -> base::Task<http::Response> {
    co_return answer_openapi(request, cluster.offer());
  };
  router.prefix("/openapi", documents, api.error_renderer());
  return router;
}

SimKube::SimKube(base::World& world, runtime::TaskGroup& group, telemetry::Metrics& metrics,
                 SimKubeOptions options)
    : state_(std::make_shared<State>(world, group, metrics, std::move(options))) {}

SimKube::~SimKube() = default;

base::Result<base::Endpoint> SimKube::start() {
  auto& state = *state_;
  if (auto filled = state.fill(); !filled) return filled.error();
  if (auto defined = state.define(); !defined) return defined.error();
  state.serve_offer();
  state.server.emplace(state.world, state.group, state.metrics, "simkube", state.routes(),
                       limits(state.options.connections_max));
  const auto restores = [](const FaultRule& rule) {
    return std::holds_alternative<FaultRestore>(rule.what);
  };
  if (std::ranges::any_of(state.options.faults, restores)) state.cluster.back_up();
  auto bound = state.server->listen(state.options.listen);
  if (!bound) return bound;
  auto acting =
      state.group.spawn("simkube actors", base::Handler::kTimer,
                        [held = state_]() -> base::Task<void> { co_await held->actors.run(); });
  if (!acting) return acting.error();
  auto telling = state.group.spawn("simkube progress", base::Handler::kTimer,
                                   [held = state_]() -> base::Task<void> {
                                     while (true) {
                                       co_await held->world.clock().sleep_for(kProgressInterval);
                                       held->cluster.tell_progress();
                                     }
                                   });
  if (!telling) return telling.error();
  if (state.options.cut_every <= base::Duration::zero()) return bound;
  auto cutting = state.group.spawn(
      "simkube cuts", base::Handler::kTimer, [held = state_]() -> base::Task<void> {
        base::Clock& clock = held->world.clock();
        const auto churn_for = held->options.churn_for;
        const auto end = churn_for > base::Duration::zero() ? clock.now() + churn_for
                                                            : base::MonotonicTime::max();
        while (clock.now() < end) {
          co_await clock.sleep_for(held->options.cut_every);
          held->world.cut_connections();
        }
      });
  if (!cutting) return cutting.error();
  return bound;
}

base::Task<void> SimKube::drain(base::MonotonicTime deadline) {
  const auto held = state_;
  held->api.drain();
  if (held->server) co_await held->server->drain(deadline);
}

Cluster& SimKube::cluster() noexcept { return state_->cluster; }

void SimKube::set_churn(double churn) { state_->actors.set_churn(churn); }

std::size_t SimKube::cut_connections() { return state_->world.cut_connections(); }

std::size_t SimKube::freeze_connections() { return state_->world.freeze_connections(); }

void SimKube::lose_next_event() { state_->world.lose_next_event(); }

bool SimKube::lost_event() const { return state_->world.lost_event(); }

}  // namespace podkeeper::simkube
