// simkube: the embedded cluster as a process of its own. Prints `listening on ADDRESS:PORT` as its
// first line.

#include "pkg/simkube/simkube.h"

#include "pkg/runtime/real_world.h"
#include "pkg/settings/settings.h"
#include "pkg/telemetry/log.h"

#include <CLI/CLI.hpp>

#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "daemon/panic_sinks.h"

namespace podkeeper::daemon {
namespace {

constexpr base::Duration kGrace = std::chrono::seconds(5);

int refuse(const std::string& message) {
  std::cerr << "simkube: " << message << std::endl;
  return 1;
}

base::Task<void> serve_until_signal(runtime::RealWorld& world, runtime::TaskGroup& group,
                                    simkube::SimKube& simkube, int& exit_code) {
  const auto bound = simkube.start();
  if (!bound) {
    exit_code = refuse(bound.error().message);
  } else {
    std::cout << "listening on " << base::to_string(*bound) << std::endl;
    co_await world.termination_signal();
    auto draining = simkube.drain(world.clock().now() + kGrace);
    co_await std::move(draining);
  }
  group.stop();
  auto joining = group.join();
  co_await std::move(joining);
}

base::Result<std::vector<simkube::FaultRule>> read_faults(base::Files& files,
                                                          const std::string& path) {
  if (path.empty()) return std::vector<simkube::FaultRule>{};
  const auto text = files.read(path, simkube::kFaultScriptBytesMax);
  if (!text) return text.error();
  return simkube::parse_fault_script(*text);
}

int run(simkube::SimKubeOptions options, const std::string& fault_script) {
  runtime::RealWorld world;
  auto faults = read_faults(world.files(), fault_script);
  if (!faults) return refuse("--fault-script: " + faults.error().message);
  options.faults = *std::move(faults);
  telemetry::Metrics metrics;
  const telemetry::Logging logging({}, world.clock(), &metrics);
  const PanicSinks panics(world.clock(), metrics);
  runtime::TaskRegistry tasks(world.clock());
  runtime::TaskGroup group(world, tasks, "simkube");
  simkube::SimKube simkube(world, group, metrics, std::move(options));
  int exit_code = 0;
  world.run_task([&] { return serve_until_signal(world, group, simkube, exit_code); });
  return exit_code;
}

/// A duration flag, read as podkeeperd reads its own.
base::Result<void> read_duration(const std::string& flag, const std::string& text,
                                 base::Duration& into) {
  const auto parsed = settings::parse_duration(text);
  if (!parsed) return base::Error{parsed.error().code, flag + ": " + parsed.error().message};
  into = *parsed;
  return {};
}

}  // namespace
}  // namespace podkeeper::daemon

int main(int argc, char** argv) {
  using podkeeper::daemon::read_duration;
  podkeeper::simkube::SimKubeOptions options;
  std::string address = "127.0.0.1:0";
  std::string cut_every = "0";
  std::string churn_for = "0";
  std::string fault_script;
  CLI::App app("simkube runs a small Kubernetes API server with a living cluster behind it.",
               "simkube");
  app.add_option("--bind-address", address, "Where to listen; port 0 takes a free one.")
      ->capture_default_str();
  app.add_option("--nodes", options.nodes, "Nodes of the cluster.")->capture_default_str();
  app.add_option("--pods", options.pods, "Pods of the cluster, about.")->capture_default_str();
  app.add_option("--churn", options.churn, "Changes a second, about.")->capture_default_str();
  app.add_option("--churn-for", churn_for,
                 "How long its actors act and cuts are made; then all is quiet. 0: for ever.")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Seed of everything that happens.")->capture_default_str();
  app.add_option("--load", options.load,
                 "A recorded list (FILE.json or FILE.json.gz); may be repeated.");
  app.add_option("--crds", options.crds,
                 "A file of CustomResourceDefinitions (YAML or JSON); may be repeated. podkeeper's "
                 "own are known without.");
  app.add_option("--validate-crds", options.validate_crds,
                 "Whether custom resources are validated, pruned and defaulted by their schema. "
                 "CEL rules never are.")
      ->capture_default_str();
  app.add_option("--cut-every", cut_every, "Cut every connection this often; 0: never.")
      ->capture_default_str();
  app.add_option("--fault-script", fault_script,
                 "A file with a JSON list of {when, do}: what befalls which requests "
                 "(pkg/simkube/fault_script.h).");
  CLI11_PARSE(app, argc, argv);
  const auto endpoint = podkeeper::base::parse_endpoint(address);
  if (!endpoint) return podkeeper::daemon::refuse("--bind-address: " + endpoint.error().message);
  options.listen = *endpoint;
  if (auto ok = read_duration("--cut-every", cut_every, options.cut_every); !ok) {
    return podkeeper::daemon::refuse(ok.error().message);
  }
  if (auto ok = read_duration("--churn-for", churn_for, options.churn_for); !ok) {
    return podkeeper::daemon::refuse(ok.error().message);
  }
  return podkeeper::daemon::run(std::move(options), fault_script);
}
