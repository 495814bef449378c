#include "tests/world/support/instance.h"

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace podkeeper::world {

using base::Task;

Instance::Instance(base::World& world, const telemetry::Logging& logging, const Bugs& bugs,
                   View& view, settings::Settings settings, std::size_t number)
    : process_(world, bugs),
      logging_(logging),
      view_(view),
      settings_(std::move(settings)),
      name_("podkeeper-" + std::to_string(number)) {}

Instance::~Instance() = default;

Task<void> Instance::start() {
  metrics_ = std::make_unique<telemetry::Metrics>();
  app_ = std::make_unique<daemon::App>(process_, process_, settings_, *metrics_, logging_, nullptr,
                                       nullptr);
  view_.list_is_first = true;
  // Its identity is the pod's name, as in a cluster; whoever starts next sets another.
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a simulated world is one thread.
  ::setenv("POD_NAME", name_.c_str(), 1);
  auto starting = app_->start();
  const auto started = co_await std::move(starting);
  if (!started) throw std::runtime_error(name_ + ": " + started.error().message);
}

Task<void> Instance::terminate() {
  if (!app_) co_return;
  auto ending = app_->shut_down();
  co_await std::move(ending);
  app_.reset();
  metrics_.reset();
}

Task<void> Instance::kill() {
  process_.set_cut(true);
  auto ending = terminate();
  co_await std::move(ending);
  process_.set_cut(false);
}

}  // namespace podkeeper::world
