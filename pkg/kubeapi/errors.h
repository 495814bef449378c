#pragma once

#include "pkg/base/result.h"
#include "pkg/http/message.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace podkeeper::kubeapi {

/// A Status as an answer, with Retry-After where the Status asks for it.
http::Response status_response(const kube::Status& status);

kube::Status bad_request(std::string message);
/// A Status about the object `name` of a resource, which its details name by the plural.
kube::Status about_object(const kube::Resource& resource, std::string_view name, int code,
                          std::string reason, std::string message);
kube::Status not_found(const kube::Resource& resource, std::string_view name);
/// 504 for a revision that upstream has not reached within the wait.
kube::Status too_large_revision(std::uint64_t wanted, kube::Revision current);
/// 504 for a consistency that could not be proven in time.
kube::Status not_current(const kube::Resource& resource, std::string why);
/// 503 until the first complete LIST.
kube::Status not_synced(const kube::Resource& resource);
/// 429 for a LIST, or a WATCH that begins with one, while memory is scarce.
kube::Status list_shed(const kube::Resource& resource);
/// 410 for a LIST at a revision that is no longer known.
kube::Status list_too_old();
/// The answers that kube-apiserver gives with an empty `details` object, which kube::Status leaves
/// out.
http::Response method_not_allowed();
http::Response no_such_resource();
/// The same as a Status: what was found when the request came is not served any more.
kube::Status not_served();
/// text/plain "404 page not found": no such group.
http::Response no_such_path();
/// 406, indented as upstream sends it, naming what this server can send.
http::Response not_acceptable();

}  // namespace podkeeper::kubeapi
