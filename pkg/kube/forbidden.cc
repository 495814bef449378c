#include "pkg/kube/forbidden.h"

#include <string>

namespace podkeeper::kube {

base::Error with_missing_rule(base::Error error, const AccessRequest& request) {
  if (error.code == base::ErrorCode::kUnauthorized) {
    error.message += "; podkeeper's credentials are missing, expired or not accepted";
  }
  if (error.code != base::ErrorCode::kForbidden) return error;
  const std::string binding =
      request.namespace_.empty() ? "a ClusterRole" : "a Role in " + std::string(request.namespace_);
  error.message += "; give podkeeper's user, by " + binding + ", the missing rule {apiGroups: [\"" +
                   request.resource.group + "\"], resources: [\"" + request.resource.plural;
  if (!request.subresource.empty()) error.message.append("/").append(request.subresource);
  error.message.append("\"], verbs: [\"").append(request.verb);
  if (!request.also.empty()) error.message.append("\", \"").append(request.also);
  error.message.append("\"]}");
  return error;
}

}  // namespace podkeeper::kube
