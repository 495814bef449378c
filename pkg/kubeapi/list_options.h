#pragma once

#include "pkg/http/message.h"
#include "pkg/kube/selector.h"
#include "pkg/kube/status.h"
#include "pkg/kubeapi/api_path.h"
#include "pkg/state/store.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::kubeapi {

/// A longer timeoutSeconds is taken as this: a week.
inline constexpr std::int64_t kWatchSecondsMax = 7 * 24 * 3600;

/// What a Table's rows carry beside their cells.
enum class IncludeObject { kNone, kMetadata, kObject };

/// The query of a read, decoded and validated in upstream's order, so that a request with several
/// faults is refused for the same one: values that do not parse (400), rules between options (422),
/// then selectors and tokens (400).
struct ListOptions {
  bool watch = false;
  bool pretty = false;
  IncludeObject include = IncludeObject::kMetadata;
  /// A revision the answer must have reached; the caller waits for it. 0: any.
  kube::Revision not_older_than;

  /// Of a LIST. `query.at` is set where the list must be exactly of one revision.
  state::ListQuery query;
  bool continued = false;  ///< the query goes on after an earlier page

  /// Of a WATCH, which uses the namespace and selectors of `query` too.
  struct Watch {
    bool bookmarks = false;
    /// The state as synthetic ADDED events first; otherwise changes after `from`.
    bool initial_events = false;
    bool mark_initial_end = false;  ///< sendInitialEvents: a bookmark says where the state ends
    /// Unset: from now on.
    std::optional<kube::Revision> from;
    std::optional<std::chrono::seconds> timeout;
  };
  Watch watch_options;
};

/// Decodes the query of `target` for `path`. Pure; O(query).
std::expected<ListOptions, kube::Status> parse_list_options(const http::Target& target,
                                                            const ApiPath& path);

/// The query of a GET of one object.
struct GetOptions {
  bool pretty = false;
  IncludeObject include = IncludeObject::kMetadata;
  kube::Revision not_older_than;  ///< the caller waits for it. 0: any
};
std::expected<GetOptions, kube::Status> parse_get_options(const http::Target& target);

/// True where the request is a WATCH, which decides its verb before anything else of it is checked.
bool asks_for_watch(const http::Target& target, const ApiPath& path);

/// The token for the page after `last`, for a list of `path`.
std::string next_page(const ApiPath& path, kube::Revision revision, std::string_view last_key);

}  // namespace podkeeper::kubeapi
