#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/api_discovery.h"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace podkeeper::kube {

struct DiscoveryOptions {
  base::Duration timeout = std::chrono::seconds(10);  ///< for one request
  std::size_t answer_bytes_max = 32 << 20;
  std::size_t group_versions_max = 1000;  ///< asked one by one, in the legacy form
};

/// Asks an API server what it offers: aggregated discovery (apidiscovery.k8s.io/v2, else v2beta1)
/// where it speaks it, else one request a group and version. What has not changed since the last
/// answer, by its ETag, is not sent again. For one task at a time; the world and the client outlive
/// it.
class DiscoveryClient {
 public:
  DiscoveryClient(base::World& world, http::Client& client, DiscoveryOptions options = {})
      : world_(world), client_(client), options_(options) {}

  /// Everything offered: the core group first. An Error begins with what was asked ("GET /apis").
  /// A group whose own server is away is told as stale, and is no error.
  base::Task<base::Result<Offered>> discover();

 private:
  struct Answer {
    std::string etag;  ///< empty: there is nothing to go by
    std::vector<OfferedVersion> versions;
  };
  struct Document {
    int status = 0;
    bool aggregated = false;
    std::string etag;
    std::string body;
  };
  /// Brings `known` up to date with the answer to `root`: "/api" or "/apis".
  base::Task<base::Result<void>> refresh(std::string root, Answer& known);
  base::Task<base::Result<std::vector<OfferedVersion>>> ask_each(std::string root,
                                                                 std::string group_list);
  base::Task<base::Result<OfferedVersion>> ask_one(std::string root, std::string group,
                                                   std::string version);
  base::Task<base::Result<Document>> get(std::string path, std::string accept, std::string etag);

  base::World& world_;
  http::Client& client_;
  const DiscoveryOptions options_;
  std::array<Answer, 2> known_;
};

}  // namespace podkeeper::kube
