#pragma once

#include "pkg/base/random.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/object.h"
#include "pkg/kube/reflector.h"
#include "pkg/kube/resource.h"

#include <memory>
#include <string>
#include <string_view>

namespace podkeeper::kube {

/// The two requests of a reflector, for one resource in one scope. Errors begin with what was asked
/// ("LIST pods", "WATCH pods") and carry the Retry-After that the answer asked for. For one task at
/// a time; the world, the client and the options outlive it.
class ListWatchClient {
 public:
  ListWatchClient(base::World& world, http::Client& client, const ReflectorOptions& options)
      : world_(world), client_(client), options_(options) {}

  /// One page; `continue_token` is empty for the first. Without `paged` everything comes at once.
  base::Task<base::Result<DecodedList>> list(std::string continue_token, bool paged);
  /// A watch from behind `from` on, with bookmarks. The answer's status is 200.
  base::Task<base::Result<http::ClientResponse>> watch(Revision from);
  /// A watch that tells the newest state first, as ADDED events in no order of revisions, then a
  /// bookmark that ends them, then what changes (sendInitialEvents, KEP-3157: WatchList). A server
  /// that does not offer it answers kUnprocessable or kInvalidArgument, or ignores the wish.
  base::Task<base::Result<http::ClientResponse>> watch_from_state();
  /// Puts what was asked before an error's message; after it, for 401 and 403, what to do.
  [[nodiscard]] base::Error explain(std::string_view verb, base::Error error) const;

 private:
  /// For timeoutSeconds: between the option and twice that.
  std::string watch_seconds();
  base::Task<base::Result<http::ClientResponse>> send(std::string verb, std::string query,
                                                      bool accept_gzip,
                                                      base::MonotonicTime deadline);

  base::World& world_;
  http::Client& client_;
  const ReflectorOptions& options_;
};

}  // namespace podkeeper::kube
