#pragma once

#include "pkg/base/processes.h"
#include "pkg/base/world.h"
#include "pkg/credentials/cluster_identity.h"
#include "pkg/http/client.h"
#include "pkg/kube/shared_doubt.h"
#include "pkg/runtime/task_group.h"
#include "pkg/settings/settings.h"
#include "pkg/telemetry/metrics.h"

#include <memory>
#include <optional>
#include <string>

namespace podkeeper::daemon {

/// The API server that is mirrored, and the one client of it, which all share: its connections, its
/// credentials and its limit on requests. And what all its reflectors tell each other.
class Upstream {
 public:
  /// The embedded cluster where there is one, else --apiserver, else what the kubeconfig or the pod
  /// says. Says in the log which one it is. kInvalidArgument is one line that says what to do.
  static base::Result<std::unique_ptr<Upstream>> make(
      base::World& world, base::Processes& processes, telemetry::Metrics& metrics,
      const settings::Settings& settings, const std::optional<base::Endpoint>& embedded);

  /// Starts what keeps the credentials fresh, where there are any.
  base::Result<void> start(runtime::TaskGroup& group);

  [[nodiscard]] http::Client& client() noexcept { return client_; }
  [[nodiscard]] kube::SharedDoubt& shared_doubt() noexcept { return shared_doubt_; }
  /// The namespace of our own pod, or of the kubeconfig's context; empty where neither says one.
  [[nodiscard]] const std::string& own_namespace() const noexcept { return namespace_; }

 private:
  Upstream(base::World& world, telemetry::Metrics& metrics, http::ClientOptions options,
           std::shared_ptr<credentials::ClusterIdentity> identity);

  std::string namespace_;
  std::shared_ptr<credentials::ClusterIdentity> identity_;  ///< null: a server without TLS
  http::Client client_;
  kube::SharedDoubt shared_doubt_;
};

}  // namespace podkeeper::daemon
