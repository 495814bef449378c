#pragma once

#include "pkg/base/result.h"
#include "pkg/kube/resource.h"

#include <string_view>

namespace podkeeper::kube {

/// What was asked of the API server, in the words of its access rules.
struct AccessRequest {
  std::string_view verb;  ///< "list", "patch"
  const Resource& resource;
  std::string_view subresource = {};  ///< "status"
  std::string_view namespace_ = {};   ///< empty: everywhere, or a cluster-scoped resource
  std::string_view also = {};         ///< a verb that is asked for as well
};

/// Adds to a kForbidden the rule that is missing, and where it belongs, and to a kUnauthorized what
/// is wrong with us; leaves other errors as they are.
base::Error with_missing_rule(base::Error error, const AccessRequest& request);

}  // namespace podkeeper::kube
