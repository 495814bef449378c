#pragma once

#include "pkg/base/world.h"
#include "pkg/http/server.h"
#include "pkg/runtime/task_group.h"
#include "pkg/telemetry/metrics.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/world/support/bugs.h"
#include "tests/world/support/model.h"

namespace podkeeper::world {

/// How the server looks from one instance, whose connections it tells by their port.
struct View {
  base::Duration lag{};       ///< watches are told this much later, as by a cache that is behind
  bool gone_as_http = false;  ///< 410 as an HTTP status instead of an event of the stream
  std::size_t refusals = 0;   ///< so many requests are answered 429, 500 or 503
  bool list_is_first = true;  ///< the instance has not listed since it started
  std::map<std::string, Revision> listed;  ///< the newest LIST it was given of each resource
};

/// A model of kube-apiserver over the Model, with what podkeeper asks of one: LIST by pages, WATCH
/// with bookmarks, metadata-only answers, 410, a Lease with optimistic concurrency, server-side
/// apply of a policy's status, Events. Independent of simkube and kubeapi. Judges who writes as the
/// leader. One thread; what it is given outlives it.
class ModelServer {
 public:
  static constexpr std::size_t kInstancesMax = 3;
  static constexpr std::uint16_t kFirstPort = 6'000;

  ModelServer(base::World& world, runtime::TaskGroup& group, telemetry::Metrics& metrics,
              Model& model, const Bugs& bugs);
  ~ModelServer();
  void start(std::size_t instances);
  void tell_bookmarks_every(base::Duration interval) { bookmark_every_ = interval; }

  /// Its watch caches start anew: they know no history before now.
  void restart();
  [[nodiscard]] View& view(std::size_t instance) { return views_.at(instance); }
  [[nodiscard]] Revision oldest() const;
  /// Index of the instance that holds the Lease; -1: nobody.
  [[nodiscard]] int lease_holder() const noexcept { return holder_; }
  [[nodiscard]] std::uint64_t leader_writes() const noexcept { return leader_writes_; }
  /// Takeovers of the Lease by another than the last holder.
  [[nodiscard]] std::uint64_t takeovers() const noexcept { return takeovers_; }
  /// What instances did that none may do.
  [[nodiscard]] const std::vector<std::string>& violations() const noexcept { return violations_; }

 private:
  struct Asked {
    std::size_t instance = 0;
    std::string resource = {};
    bool metadata_only = false;
  };
  struct Watch;
  using Response = http::Response;

  base::Task<Response> answer(std::size_t instance, http::Request request);
  Response answer_objects(Asked asked, const http::Request& request,
                          const std::vector<std::string>& path);
  Response list(const Asked& asked, const http::Request& request);
  Response watch(const Asked& asked, const http::Request& request);
  base::Task<void> follow(std::shared_ptr<Watch> watch, http::BodyWriter& out);
  void gather(Watch& watch);
  /// When there may be something to send next, if nothing changes.
  [[nodiscard]] base::MonotonicTime next_look(const Watch& watch) const;
  void gather_change(Watch& watch, const VersionRef& change);
  Response write_status(std::size_t instance, const http::Request& request,
                        const std::string& name);
  Response answer_lease(std::size_t instance, const http::Request& request);
  Response put_lease(std::size_t instance, const http::Request& request);
  void judge_leader_write(std::size_t instance, const std::string& what);
  [[nodiscard]] bool chance(std::uint64_t one_in) { return world_.random().below(one_in) == 0; }
  [[nodiscard]] Objects list_at(const Asked& asked, Revision at, bool continued);

  base::World& world_;
  runtime::TaskGroup& group_;
  telemetry::Metrics& metrics_;
  Model& model_;
  const Bugs& bugs_;
  std::vector<std::unique_ptr<http::Server>> servers_;
  std::array<View, kInstancesMax> views_;
  base::Duration bookmark_every_ = std::chrono::seconds(5);
  Revision cache_from_ = 0;
  std::uint64_t incarnation_ = 0;
  base::MonotonicTime restarted_{};
  Json lease_;
  int holder_ = -1;
  std::uint64_t leader_writes_ = 0, takeovers_ = 0;
  std::map<std::string, std::map<std::string, Json>> applied_;  ///< by policy's uid and manager
  std::vector<std::string> violations_;
};

}  // namespace podkeeper::world
