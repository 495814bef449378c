#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/world.h"
#include "pkg/http/message.h"
#include "pkg/http/overload.h"
#include "pkg/kubeapi/api_path.h"
#include "pkg/kubeapi/table.h"
#include "pkg/state/currency.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace podkeeper::kubeapi {

/// Answers what is not a read. The replica's refuses everything with 405 as upstream words it;
/// simkube's writes.
using WriteHandler =
    std::move_only_function<base::Task<http::Response>(http::Request, ApiPath) const>;

/// Asks upstream in the place of a mirror that could not be proven current enough in time. Called
/// only for what the Authorizer has allowed; its answer goes to the client as it is.
using ForwardHandler =
    std::move_only_function<base::Task<base::Result<http::Response>>(http::Request) const>;

struct ReadApiOptions {
  std::string git_version = "v1.36.2";       ///< what /version tells kubectl
  WriteHandler writes;                       ///< empty: 405
  ForwardHandler forward;                    ///< empty: 504
  std::shared_ptr<http::Overload> overload;  ///< says when lists are refused; null: never
  bool podkeeper_headers = true;  ///< Podkeeper-Revision, -Age-Ms, -Consistency on every answer
  base::Duration bookmark_interval = std::chrono::seconds(60);
  base::Duration watch_timeout_min =
      std::chrono::minutes(30);  ///< without timeoutSeconds: random in [min, 2 min)
  base::Duration future_revision_wait = std::chrono::seconds(3);
};

/// A resource as clients see it.
struct ServedResource {
  explicit ServedResource(const state::Reader& from) : reader(from), resource(from.resource()) {}
  state::Reader reader;
  kube::Resource resource;                  ///< the reader's, or another version of it
  bool has_status = true;                   ///< a status subresource
  std::vector<PrinterColumn> columns = {};  ///< of a custom resource's Table
  std::uint64_t definition = 0;             ///< another number: another look of the same resource
  /// Proves how current the reader is; null: consistency, maxAgeMs and minRevision are unknown
  /// parameters, which Kubernetes ignores.
  std::shared_ptr<state::Currency> currency = {};
};

/// Kubernetes' read protocol over state::Readers: discovery (aggregated and legacy), get, list,
/// watch, /version. What is served may change while requests are answered. The one implementation
/// of LIST and WATCH: the replica's API and simkube both stand on it.
class ReadApi {
 public:
  ReadApi(base::World& world, access::Authorizer& authorizer, telemetry::Metrics& metrics,
          std::vector<state::Reader> readers, ReadApiOptions options);
  ~ReadApi();
  /// Serves exactly these from now on. What `served` keeps goes on undisturbed; watches of what it
  /// lacks, or shows otherwise, end cleanly. Of two calls at a time the one with the higher
  /// `generation` counts. Any thread.
  void serve(const std::vector<ServedResource>& served, std::uint64_t generation);
  /// For /api, /apis and /version; errors are Status objects.
  [[nodiscard]] http::Handler handler();
  [[nodiscard]] http::ErrorRenderer error_renderer();
  /// Ends every watch cleanly, at shutdown.
  void drain();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace podkeeper::kubeapi
