#include "pkg/http/server.h"

#include "pkg/http/connection.h"
#include "pkg/http/server_core.h"
#include "pkg/recovery/guard.h"
#include "pkg/telemetry/log.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace podkeeper::http {
namespace {

constexpr base::Duration kAcceptBackoffFirst = std::chrono::milliseconds(50);
constexpr base::Duration kAcceptBackoffMax = std::chrono::seconds(1);

/// Holds a connection's place in the table from its admission to the end of its task.
class Place {
 public:
  Place(std::shared_ptr<ServerCore> core, std::shared_ptr<Connection> connection)
      : core_(std::move(core)), connection_(std::move(connection)) {
    core_->metrics.connections.Increment();
  }
  Place(Place&&) noexcept = default;
  Place& operator=(Place&&) = delete;
  ~Place() {
    if (!core_) return;
    core_->metrics.connections.Decrement();
    const std::size_t left = core_->connections.remove(*connection_);
    if (left == 0 && core_->draining.load(std::memory_order_acquire)) core_->last_gone.notify();
  }
  [[nodiscard]] Connection& connection() const noexcept { return *connection_; }

 private:
  std::shared_ptr<ServerCore> core_;
  std::shared_ptr<Connection> connection_;
};

/// One of the few refusals that may be under way.
class RefusalPermit {
 public:
  explicit RefusalPermit(std::shared_ptr<ServerCore> core)
      : core_(std::move(core)), granted_(core_->refusals_underway.fetch_add(1) < kRefusalsMax) {}
  RefusalPermit(RefusalPermit&&) noexcept = default;
  RefusalPermit& operator=(RefusalPermit&&) = delete;
  ~RefusalPermit() {
    if (core_) core_->refusals_underway.fetch_sub(1);
  }
  [[nodiscard]] bool granted() const noexcept { return granted_; }

 private:
  std::shared_ptr<ServerCore> core_;
  bool granted_;
};

std::string task_name(const ServerCore& core, const Connection& connection) {
  return "http/" + core.name + "/" + connection.peer();
}

void start_refusal(const std::shared_ptr<ServerCore>& core, std::shared_ptr<Connection> connection,
                   Rejection rejection) {
  RefusalPermit permit(core);
  if (!permit.granted()) {
    core->metrics.reject(rejection);
    return;
  }
  const std::string name = task_name(*core, *connection);
  const auto executor = connection->executor();
  auto refuse = [connection = std::move(connection), permit = std::move(permit), rejection] {
    return connection->refuse(rejection);
  };
  if (!core->group.spawn_on(executor, name, base::Handler::kHttp, std::move(refuse))) {
    core->metrics.reject(rejection);
  }
}

void start(const std::shared_ptr<ServerCore>& core, base::Executor executor,
           std::unique_ptr<base::Stream> stream) {
  auto connection = std::make_shared<Connection>(core, executor, std::move(stream));
  auto admission = core->refuses() ? ConnectionTable::Admission{Rejection::kOverload, {}}
                                   : core->connections.add(connection);
  for (auto& idle : admission.giving_way) Connection::end_soon(std::move(idle));
  if (admission.rejection) {
    if (const auto suppressed = core->refused_lines.admit()) {
      telemetry::log_warn("connection refused", {{"listener", core->name},
                                                 {"peer", connection->peer()},
                                                 {"reason", to_string(*admission.rejection)},
                                                 {"suppressed", *suppressed}});
    }
    start_refusal(core, std::move(connection), *admission.rejection);
    return;
  }
  const std::string name = task_name(*core, *connection);
  auto run = [place = Place(core, std::move(connection))] { return place.connection().run(); };
  if (!core->group.spawn_on(executor, name, base::Handler::kHttp, std::move(run))) {
    core->metrics.reject(Rejection::kTasks);
  }
}

void tell_accept_error(ServerCore& core, const base::Error& error, base::Duration backoff) {
  const auto suppressed = core.refused_lines.admit();
  if (!suppressed) return;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(backoff);
  telemetry::log_warn("accept failed", {{"listener", core.name},
                                        {"error", error.message},
                                        {"retryAfterMs", ms.count()},
                                        {"suppressed", *suppressed}});
}

/// Accepts until the listener is closed. What fails is counted and waited out, so that a shortage
/// of descriptors does not spin, and nothing but a stop ends the loop.
base::Task<void> accept_loop(std::shared_ptr<ServerCore> core,
                             std::shared_ptr<base::Listener> listener) {
  base::Duration backoff = kAcceptBackoffFirst;
  while (!core->draining.load(std::memory_order_acquire)) {
    auto executor = core->world.make_executor();
    auto accepted = co_await listener->accept(executor);
    if (core->draining.load(std::memory_order_acquire)) break;
    if (accepted) {
      auto begin = [&] { start(core, executor, *std::move(accepted)); };
      if (recovery::guard(base::Handler::kHttp, begin)) {
        backoff = kAcceptBackoffFirst;
        continue;
      }
    }
    core->metrics.accept_errors.Increment();
    if (!accepted) tell_accept_error(*core, accepted.error(), backoff);
    // What it wanted for may be a descriptor: those who idle have one to spare.
    for (auto& idle : core->connections.longest_idle()) Connection::end_soon(std::move(idle));
    co_await core->world.clock().sleep_for(backoff);
    backoff = std::min(backoff * 2, kAcceptBackoffMax);
  }
}

}  // namespace

Server::Server(base::World& world, runtime::TaskGroup& group, telemetry::Metrics& metrics,
               std::string name, Router router, ServerLimits limits,
               std::shared_ptr<Overload> overload)
    : core_(std::make_shared<ServerCore>(world, group, metrics, std::move(name), std::move(router),
                                         limits, std::move(overload))) {}

Server::~Server() { close_listeners(); }

base::Result<base::Endpoint> Server::listen(const base::Endpoint& endpoint) {
  auto bound = core_->world.network().listen(endpoint);
  if (!bound) return std::move(bound).error();
  const std::shared_ptr<base::Listener> listener = *std::move(bound);
  const auto executor = core_->world.make_executor();
  auto accept = [core = core_, listener] { return accept_loop(core, listener); };
  auto started = core_->group.spawn_on(executor, "http/" + core_->name + "/accept",
                                       base::Handler::kHttp, std::move(accept));
  if (!started) return std::move(started).error();
  listening_.push_back(Listening{executor, listener});
  return listener->address();
}

void Server::close_listeners() {
  core_->draining.store(true, std::memory_order_release);
  for (const Listening& listening : listening_) {
    // On the accept loop's own executor: a listener, like a stream, is used by one thread at a
    // time.
    boost::asio::post(listening.executor, [listener = listening.listener] { listener->close(); });
  }
  listening_.clear();
}

base::Task<void> Server::drain(base::MonotonicTime deadline) {
  const auto core = core_;
  close_listeners();
  for (auto& connection : core->connections.all()) Connection::end_soon(std::move(connection));
  while (core->connections.size() > 0) {
    const bool notified = co_await core->last_gone.wait_until(deadline);
    if (!notified) co_return;
  }
}

std::size_t Server::evict_slow() {
  if (!core_->overload) return 0;
  const auto slow_since = core_->world.clock().now() - Overload::kSlowAfter;
  auto slow = core_->connections.most_behind(slow_since, kEvictionsMin);
  const std::size_t count = slow.size();
  for (auto& [since, connection] : slow) Connection::evict(std::move(connection), since);
  return count;
}

std::size_t Server::connections() const noexcept { return core_->connections.size(); }

}  // namespace podkeeper::http
