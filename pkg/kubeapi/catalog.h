#pragma once

#include "pkg/base/panic.h"
#include "pkg/base/world.h"
#include "pkg/kube/resource.h"
#include "pkg/kubeapi/discovery.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/kubeapi/shapes.h"
#include "pkg/kubeapi/watch_stream.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::kubeapi {

/// One resource served: where to read it, and what stands around its objects. Requests and watches
/// hold it, so it lives as long as anybody answers from it.
struct Served {
  Served(base::World& world, telemetry::Metrics& metrics, const ReadApiOptions& options,
         std::string_view known_label, ServedResource with)
      : reader(with.reader),
        resource(std::move(with.resource)),
        has_status(with.has_status),
        definition(with.definition),
        currency(std::move(with.currency)),
        label(known_label),
        words(resource, std::move(with.columns)),
        watches(metrics, resource),
        watch_services{.world = world,
                       .bookmark_interval = options.bookmark_interval,
                       .timeout_min = options.watch_timeout_min,
                       .future_revision_wait = options.future_revision_wait} {}

  void end_watches() {
    watch_services.draining.store(true, std::memory_order_relaxed);
    watch_services.drain_wakeups.notify_all();
  }
  [[nodiscard]] bool shows(const ServedResource& other) const {
    return resource == other.resource && reader.resource() == other.reader.resource() &&
           definition == other.definition && currency == other.currency;
  }

  const state::Reader reader;
  const kube::Resource resource;
  const bool has_status;
  const std::uint64_t definition;
  const std::shared_ptr<state::Currency> currency;  ///< null: nobody proves anything
  const std::string_view label;                     ///< for http's metrics, which keep a view
  const Words words;
  WatchMetrics watches;
  WatchServices watch_services;
};

/// What is served at one time. Immutable; a request keeps the one it began with.
struct Catalog {
  std::vector<std::shared_ptr<Served>> served;
  std::vector<const kube::Resource*> resources;
  std::shared_ptr<const Discovery> discovery;
  std::uint64_t generation = 0;

  [[nodiscard]] const std::shared_ptr<Served>& find(const kube::Resource& resource) const {
    for (const auto& one : served) {
      if (one->resource == resource) return one;
    }
    PK_CHECK(false, "a path matched a resource that is not served: " + resource.plural_group());
    std::unreachable();
  }
};

}  // namespace podkeeper::kubeapi
