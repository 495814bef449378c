#include "pkg/runtime/simulated_network.h"

#include "pkg/runtime/simulated_stream.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::runtime {

using base::Error;
using base::ErrorCode;

SimulatedNetwork::SimulatedNetwork(SimulatedScheduler& scheduler, std::uint64_t seed,
                                   SimulatedNetworkOptions options)
    : scheduler_(scheduler),
      executor_(scheduler.make_executor()),
      random_(seed),
      options_(options) {}

std::uint64_t SimulatedNetwork::choose(std::uint64_t first, std::uint64_t last) {
  const std::uint64_t chosen = first >= last ? first : first + random_.below(last - first + 1);
  scheduler_.note(chosen);
  return chosen;
}

base::Duration SimulatedNetwork::latency() {
  return base::Duration(
      static_cast<std::int64_t>(choose(static_cast<std::uint64_t>(options_.latency_min.count()),
                                       static_cast<std::uint64_t>(options_.latency_max.count()))));
}

std::uint16_t SimulatedNetwork::free_port() {
  while (listeners_.contains(next_port_)) {
    next_port_ = next_port_ == 65535 ? kFirstFreePort : static_cast<std::uint16_t>(next_port_ + 1);
  }
  return next_port_;
}

base::Result<std::unique_ptr<base::Listener>> SimulatedNetwork::listen(
    const base::Endpoint& endpoint) {
  base::Endpoint bound = endpoint;
  if (bound.port == 0) {
    if (listeners_.size() > 65535 - kFirstFreePort) {
      return Error{ErrorCode::kIo,
                   "listen on " + to_string(endpoint) + ": every port is in use; close a listener"};
    }
    bound.port = free_port();
  }
  if (listeners_.contains(bound.port)) {
    return Error{ErrorCode::kIo, "listen on " + to_string(bound) +
                                     ": address already in use; stop the other process or choose "
                                     "another port"};
  }
  auto listener = std::make_unique<SimulatedListener>(shared_from_this(), bound);
  listeners_[bound.port] = listener.get();
  return std::unique_ptr<base::Listener>(std::move(listener));
}

base::Task<base::Result<std::unique_ptr<base::Stream>>> SimulatedNetwork::connect(
    base::Endpoint endpoint, base::MonotonicTime deadline) {
  const auto self = shared_from_this();
  const base::MonotonicTime answer = scheduler_.now() + latency();
  auto wait = scheduler_.sleep_until(std::min(answer, deadline));
  co_await std::move(wait);
  if (answer > deadline) {
    co_return Error{ErrorCode::kTimeout,
                    "connect to " + to_string(endpoint) + ": no answer before the deadline"};
  }
  const auto refused =
      Error{ErrorCode::kUnavailable, "connect to " + to_string(endpoint) + ": connection refused"};
  const auto found = listeners_.find(endpoint.port);
  if (found == listeners_.end()) co_return refused;
  auto connection = std::make_shared<SimulatedConnection>(self, next_connection_++);
  connections_[connection->id] = connection.get();
  const auto client = base::Endpoint{
      "127.0.0.1", static_cast<std::uint16_t>(kFirstFreePort + connection->id % kFirstFreePort)};
  auto mine = std::make_unique<SimulatedStream>(self, connection, 0, endpoint);
  auto theirs = std::make_unique<SimulatedStream>(self, connection, 1, client);
  if (!found->second->offer(std::move(theirs))) co_return refused;
  co_return std::unique_ptr<base::Stream>(std::move(mine));
}

void SimulatedNetwork::cut_connections() {
  for (const auto& [id, connection] : connections_) connection->cut();
}

void SimulatedNetwork::cut_connections_mid_stream() {
  for (const auto& [id, connection] : connections_) {
    // The size first, so that a cut within the next few bytes is as likely as one within the next
    // kilobytes.
    const std::uint64_t bits = choose(0, 14);
    connection->cut_after(choose(0, std::uint64_t{1} << bits));
  }
}

}  // namespace podkeeper::runtime
