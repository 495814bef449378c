// podkeeperd: reads its settings, then runs one App in the real world until a signal ends it.

#include "pkg/api/process_api.h"
#include "pkg/cmap/record.h"
#include "pkg/recovery/crash_report.h"
#include "pkg/recovery/guard.h"
#include "pkg/runtime/real_supervisor.h"
#include "pkg/runtime/real_watchdog.h"
#include "pkg/runtime/real_world.h"
#include "pkg/settings/settings.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/process.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <span>
#include <unistd.h>

#include "daemon/app.h"
#include "daemon/healthcheck.h"
#include "daemon/mirrors.h"
#include "daemon/panic_sinks.h"

namespace podkeeper::daemon {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitInternal = 70;

int refuse(const base::Error& error) {
  std::cerr << "podkeeperd: " << error.message << std::endl;
  return kExitFailure;
}

int print_version(bool json) {
  const api::BuildInfo& build = api::build_info();
  if (json) {
    std::cout << "{\"version\":\"" << build.version << "\",\"commit\":\"" << build.commit
              << "\",\"compiler\":\"" << build.compiler << "\"}\n";
  } else {
    std::cout << "podkeeperd " << build.version << " (" << build.commit << ", " << build.compiler
              << ")\n";
  }
  return 0;
}

base::Task<void> serve_until_signal(runtime::RealWorld& world, App& app, int& exit_code) {
  auto starting = recovery::guard(base::Handler::kThread, app.start());
  const auto started = co_await std::move(starting);
  if (!started) {
    exit_code = kExitInternal;  // a panic, already recorded
  } else if (!*started) {
    exit_code = refuse(started->error());
  } else {
    auto waiting = world.termination_signal();
    const int signal = co_await std::move(waiting);
    world.end_at_next_termination_signal();
    telemetry::log_info("shutting down", {{"signal", signal}});
  }
  co_await app.shut_down();
}

bool logs_json(const settings::Settings& settings) {
  return settings.logging_format == settings::LogFormat::kJson;
}

/// `supervision`: null where nobody would replace this process.
int serve(const settings::Settings& settings, runtime::Supervision* supervision) {
  const api::BuildInfo& build = api::build_info();
  recovery::tell_of_crashes({.json = logs_json(settings),
                             .build = build.version + " (" + build.commit + ")",
                             .report_to = supervision == nullptr ? -1 : supervision->report_to()});
  runtime::RealWorld world(supervision);
  telemetry::Metrics metrics;
  const telemetry::Logging logging(
      {.format = logs_json(settings) ? telemetry::LogFormat::kJson : telemetry::LogFormat::kText,
       .verbosity = static_cast<int>(settings.verbosity)},
      world.clock(), &metrics);
  const PanicSinks panics(world.clock(), metrics);
  const telemetry::ProcessCollector process(metrics);
  const runtime::Watchdog watchdog(world, metrics, {.timeout = settings.watchdog_timeout});
  cmap::set_hash_secret(world.random().next());
  const auto threads = settings.worker_threads > 0 ? settings.worker_threads
                                                   : std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));
  world.catch_termination_signals();
  App app(world, world.processes(), settings, metrics, logging, &watchdog, supervision);
  int exit_code = 0;
  world.run_task([&] { return serve_until_signal(world, app, exit_code); },
                 static_cast<std::size_t>(threads));
  telemetry::log_info("ended", {{"exitCode", exit_code}});
  return exit_code;
}

int serve_supervised(const settings::Settings& settings) {
  if (!settings.supervise) return serve(settings, nullptr);
  return runtime::supervise(
      [&settings](runtime::Supervision& supervision) { return serve(settings, &supervision); },
      logs_json(settings));
}

base::Result<settings::Command> read_command(std::span<const char* const> arguments) {
  runtime::RealWorld world;
  return settings::parse_command(
      arguments, [](const char* name) -> const char* { return std::getenv(name); }, world.files());
}

int run(std::span<const char* const> arguments) {
  const auto command = read_command(arguments);
  if (!command) return refuse(command.error());
  switch (command->kind) {
    case settings::Command::Kind::kHelp:
      std::cout << command->text;
      return 0;
    case settings::Command::Kind::kVersion:
      return print_version(command->json);
    case settings::Command::Kind::kValidateConfig: {
      const auto names = mirrored_names(command->settings);
      if (!names) return refuse(names.error());
      std::cout << "valid\n";
      return 0;
    }
    case settings::Command::Kind::kHealthcheck: {
      runtime::RealWorld world;
      return healthcheck(world, command->settings);
    }
    case settings::Command::Kind::kServe:
      return serve_supervised(command->settings);
  }
  return kExitInternal;
}

}  // namespace
}  // namespace podkeeper::daemon

int main(int argc, char** argv) {
  try {
    return podkeeper::daemon::run({argv + 1, argv + argc});
  } catch (const podkeeper::runtime::ThreadShortage& e) {
    std::cerr << "podkeeperd: " << e.what() << std::endl;
    return podkeeper::daemon::kExitFailure;
  } catch (const std::exception& e) {
    std::cerr << "podkeeperd: internal error: " << e.what() << std::endl;
    return podkeeper::daemon::kExitInternal;
  }
}
