#include "pkg/kubeapi/demand_gate.h"

#include "pkg/kubeapi/errors.h"
#include "pkg/kubeapi/read_demand.h"
#include "pkg/telemetry/log.h"

#include <utility>

namespace podkeeper::kubeapi {

base::Result<state::ReadDemand> DemandGate::demand_of(const http::Request& request,
                                                      const ApiPath& path, const Served& from) {
  if (from.currency == nullptr) return state::ReadDemand{};
  return parse_read_demand(request.target, from.currency->unasked(path.namespace_));
}

base::Task<std::optional<http::Response>> DemandGate::meet(http::Request request,
                                                           state::ReadDemand demand,
                                                           const Served& from,
                                                           Instead instead) const {
  if (from.currency == nullptr) co_return std::nullopt;
  if (demand.plain()) {
    from.currency->refresh_if_old();
    co_return std::nullopt;
  }
  auto meeting = from.currency->meet(demand);
  const auto met = co_await std::move(meeting);
  if (met) co_return std::nullopt;
  const state::Unmet& unmet = met.error();
  if (unmet.kind == state::Unmet::Kind::kRevision) {
    co_return status_response(
        too_large_revision(unmet.wanted.value, from.reader.freshness().revision));
  }
  // Where upstream did not even tell its revision, it would not answer this either.
  const bool told = unmet.kind == state::Unmet::Kind::kBehind;
  if (told && instead == Instead::kUpstream && options_.forward) {
    auto forwarding = forward(std::move(request), demand, unmet.wanted);
    if (auto answer = co_await std::move(forwarding)) co_return answer;
  }
  co_return status_response(not_current(from.resource, unmet.error.message));
}

base::Task<std::optional<http::Response>> DemandGate::forward(http::Request request,
                                                              state::ReadDemand demand,
                                                              kube::Revision at_least) const {
  const auto sent = world_.clock().now();
  auto asking = options_.forward(std::move(request));
  auto answer = co_await std::move(asking);
  if (!answer) {
    telemetry::log_debug("a read was not forwarded", {{"err", answer.error()}});
    co_return std::nullopt;
  }
  tell_freshness(*answer,
                 {.revision = at_least, .age = world_.clock().now() - sent, .synced = true},
                 demand.consistency);
  answer->headers.add("Podkeeper-Forwarded", "true");
  co_return *std::move(answer);
}

}  // namespace podkeeper::kubeapi
