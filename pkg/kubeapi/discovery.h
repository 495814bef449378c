#pragma once

#include "pkg/http/message.h"
#include "pkg/kube/resource.h"
#include "pkg/kubeapi/api_path.h"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kubeapi {

/// One resource of those told.
struct Discovered {
  const kube::Resource* resource = nullptr;
  bool has_status = true;  ///< a status subresource
};

/// What is served, told to clients: /api, /apis and below, /version. Legacy and aggregated (v2)
/// form, whichever the client asks for. Every body is built once, at start; immutable, any thread.
class Discovery {
 public:
  /// `writable` offers the write verbs and the status subresource's too.
  Discovery(const std::vector<Discovered>& served, bool writable, std::string_view git_version);

  /// For any PathMatch that is not about objects.
  [[nodiscard]] http::Response answer(const PathMatch& match, const http::Request& request) const;

 private:
  struct Aggregated {
    std::string body, etag;
  };
  [[nodiscard]] http::Response answer_aggregated(const Aggregated& document,
                                                 const http::Request& request) const;

  std::map<std::string, std::string, std::less<>> resource_lists_;  ///< by "v1" or "apps/v1"
  std::map<std::string, std::string, std::less<>> groups_;          ///< by "apps"
  std::string group_list_;
  std::string version_;
  Aggregated core_, named_;
};

}  // namespace podkeeper::kubeapi
