#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/resource.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::kube {

struct ObjectClientOptions {
  base::Duration timeout = std::chrono::seconds(10);  ///< for a request with all its repeats
  std::size_t answer_bytes_max = 16 << 20;
  /// Asked before each write, where there is one: the write is sent only while this gives a time,
  /// and has to end by it. kUnavailable where it gives none, and nothing is sent.
  std::function<std::optional<base::MonotonicTime>()> write_until = {};
};

/// Whose fields a server-side apply owns.
struct ApplyOptions {
  std::string field_manager;  ///< 1 to 128 characters
  bool force = false;         ///< take the fields that others own, instead of kConflict
};

/// Which object a removal is meant for, and whether it is in earnest.
struct RemoveOptions {
  std::string uid = {};  ///< empty: whatever has the name
  std::optional<Revision> revision = {};
  bool dry_run = false;  ///< everything is checked, nothing is removed
};

/// Requests for single objects: one request, one answer. Gives the object of the answer as JSON;
/// an answer that is an error, or none at all, is an Error that begins with what was asked and
/// carries the answer's code: kConflict where a precondition (resourceVersion, uid) or the owner of
/// a field stood against it, kAlreadyExists, kNotFound, kUnprocessable; kForbidden names the
/// missing rule.
///
/// Repeated by itself is only what the server asks for: 429 or 5xx with Retry-After, after that
/// wait, kRepeatsMax times at most (both as client-go has it) and never beyond the timeout: an
/// error that would need a longer wait is given back at once, with its retry_after. 401 is
/// http::Client's business; what to do about a conflict only the caller knows.
///
/// Any task may call it; the world and the client outlive it.
class ObjectClient {
 public:
  static constexpr int kRepeatsMax = 10;

  ObjectClient(base::World& world, http::Client& client, ObjectClientOptions options = {})
      : world_(world), client_(client), options_(std::move(options)) {}

  base::Task<base::Result<std::string>> get(Resource resource, ObjectKey key);
  base::Task<base::Result<std::string>> create(Resource resource, std::string namespace_,
                                               std::string body);
  /// Replaces the object, or the part of it that a subresource is. With metadata.resourceVersion in
  /// the body it holds only for that version. `subresource`, here and below, is empty or "status".
  base::Task<base::Result<std::string>> update(Resource resource, ObjectKey key,
                                               std::string subresource, std::string body);
  /// With metadata.resourceVersion in the patch it holds only for that version.
  base::Task<base::Result<std::string>> merge_patch(Resource resource, ObjectKey key,
                                                    std::string subresource, std::string patch);
  /// Server-side apply (KEP-555): `body` is the fields that the manager wants, with apiVersion,
  /// kind and metadata.name; what it owned and leaves out goes. Makes the object where there is
  /// none, but for a subresource.
  base::Task<base::Result<std::string>> apply(Resource resource, ObjectKey key,
                                              std::string subresource, std::string body,
                                              ApplyOptions options);
  /// Gives the answer's body: a Status, or the object while something (finalizers, a grace period)
  /// still keeps it.
  base::Task<base::Result<std::string>> remove(Resource resource, ObjectKey key,
                                               RemoveOptions options = {});

 private:
  /// What is asked, for messages and in the words of access rules.
  struct Asked {
    std::string what;
    std::string_view verb;
    std::string_view also = {};
    Resource resource;
    std::string subresource = {};
    std::string namespace_ = {};
  };
  /// An answer; the status is 0 where there was none.
  struct Answer {
    int status = 0;
    base::Result<std::string> body;
  };
  /// The verbs that a request takes.
  struct Verbs {
    std::string_view one, also = {};
  };
  /// A request that changes an object that has a name.
  base::Task<base::Result<std::string>> change(http::ClientRequest request, Verbs verbs,
                                               Resource resource, ObjectKey key,
                                               std::string subresource);
  base::Task<base::Result<std::string>> send(http::ClientRequest request, Asked asked);
  /// Until when the request may take: no longer than the right to write lasts.
  [[nodiscard]] base::Result<base::MonotonicTime> allowed_until(const Asked& asked,
                                                                base::MonotonicTime deadline) const;
  base::Task<Answer> send_once(http::ClientRequest request, base::MonotonicTime deadline);

  base::World& world_;
  http::Client& client_;
  const ObjectClientOptions options_;
};

}  // namespace podkeeper::kube
