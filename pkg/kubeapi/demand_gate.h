#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/message.h"
#include "pkg/kubeapi/catalog.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/state/currency.h"

#include <cstdint>
#include <optional>

namespace podkeeper::kubeapi {

/// Where a read waits until what it is going to read is as current as it asked for. Behind the
/// Authorizer: who may not read must not make upstream work either. The world and the options
/// outlive it. Any thread.
class DemandGate {
 public:
  /// What is given to a read that was not met although upstream told where it is.
  enum class Instead : std::uint8_t { kNothing, kUpstream };

  DemandGate(base::World& world, const ReadApiOptions& options)
      : world_(world), options_(options) {}

  /// What the request asks for, of a resource whose currency somebody proves; else what the
  /// policies say for it.
  static base::Result<state::ReadDemand> demand_of(const http::Request& request,
                                                   const ApiPath& path, const Served& from);
  /// Nothing once the demand is met; else the answer to give instead: upstream's own, or 504.
  base::Task<std::optional<http::Response>> meet(http::Request request, state::ReadDemand demand,
                                                 const Served& from, Instead instead) const;

 private:
  base::Task<std::optional<http::Response>> forward(http::Request request, state::ReadDemand demand,
                                                    kube::Revision at_least) const;
  base::World& world_;
  const ReadApiOptions& options_;
};

}  // namespace podkeeper::kubeapi
