#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/resource.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace podkeeper::kube {

struct ObjectClientOptions {
  base::Duration timeout = std::chrono::seconds(10);
  std::size_t answer_bytes_max = 16 << 20;
};

/// Requests for single objects: one request, one answer, no retry. Gives the object of the answer
/// as JSON; an answer that is a Status, or none at all, is an Error that begins with what was asked
/// and carries the answer's code: kConflict where a precondition on the resourceVersion failed,
/// kAlreadyExists, kNotFound, kUnprocessable; kForbidden names the missing rule. Any task may call
/// it; the world and the client outlive it.
class ObjectClient {
 public:
  ObjectClient(base::World& world, http::Client& client, ObjectClientOptions options = {})
      : world_(world), client_(client), options_(options) {}

  base::Task<base::Result<std::string>> get(Resource resource, ObjectKey key);
  base::Task<base::Result<std::string>> create(Resource resource, std::string namespace_,
                                               std::string body);
  /// `subresource` is empty, or "status". With metadata.resourceVersion in the patch it holds only
  /// for that version.
  base::Task<base::Result<std::string>> merge_patch(Resource resource, ObjectKey key,
                                                    std::string subresource, std::string patch);

 private:
  /// What is asked, for messages and in the words of access rules.
  struct Asked {
    std::string what;
    std::string_view verb;
    Resource resource;
    std::string subresource = {};
    std::string namespace_ = {};
  };
  base::Task<base::Result<std::string>> send(http::ClientRequest request, Asked asked);

  base::World& world_;
  http::Client& client_;
  const ObjectClientOptions options_;
};

}  // namespace podkeeper::kube
