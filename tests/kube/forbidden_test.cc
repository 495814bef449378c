#include "pkg/kube/forbidden.h"

#include <gtest/gtest.h>

namespace podkeeper::kube {
namespace {

using base::Error;
using base::ErrorCode;

TEST(Forbidden, NamesTheMissingRuleAndWhereItBelongs) {
  EXPECT_EQ(
      with_missing_rule(Error{ErrorCode::kForbidden, "no"}, {.verb = "list", .resource = pods()})
          .message,
      "no; give podkeeper's user, by a ClusterRole, the missing rule {apiGroups: [\"\"], "
      "resources: [\"pods\"], verbs: [\"list\"]}");
  EXPECT_EQ(
      with_missing_rule(Error{ErrorCode::kForbidden, "no"}, {.verb = "patch",
                                                             .resource = concurrent_map_policies(),
                                                             .subresource = "status",
                                                             .namespace_ = "shop"})
          .message,
      "no; give podkeeper's user, by a Role in shop, the missing rule {apiGroups: "
      "[\"podkeeper.dev\"], resources: [\"concurrentmappolicies/status\"], verbs: "
      "[\"patch\"]}");
}

TEST(Forbidden, LeavesOtherErrorsAsTheyAre) {
  const AccessRequest request{.verb = "list", .resource = pods()};
  EXPECT_EQ(with_missing_rule(Error{ErrorCode::kNotFound, "no"}, request).message, "no");
  const Error unknown = with_missing_rule(Error{ErrorCode::kUnauthorized, "who"}, request);
  EXPECT_EQ(unknown.code, ErrorCode::kUnauthorized);
  EXPECT_EQ(unknown.message, "who; podkeeper's credentials are missing, expired or not accepted");
}

}  // namespace
}  // namespace podkeeper::kube
