#include "pkg/kube/resource_name.h"

#include "pkg/kube/sensitive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "tests/kube/recorded.h"

namespace podkeeper::kube {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;
using ::testing::Not;

OfferedResource custom(const std::string& plural, const std::string& kind,
                       const std::string& version) {
  OfferedResource one;
  one.resource.group = "cert-manager.io";
  one.resource.version = version;
  one.resource.plural = plural;
  one.resource.singular = plural.substr(0, plural.size() - 1);
  one.resource.kind = kind;
  one.resource.short_names = {"cert", "certs"};
  one.verbs = {"get", "list", "watch"};
  return one;
}

/// The recorded core group and apps, a custom group in two versions, and one that is away.
Offered offered() {
  Offered all;
  all.versions = parse_aggregated_discovery(testing::read_recorded("011").body).value();
  all.versions.push_back(
      parse_resource_list(testing::read_recorded("008").body, "apps", "v1").value());
  all.versions.push_back({.group = "cert-manager.io",
                          .version = "v1",
                          .resources = {custom("certificates", "Certificate", "v1")}});
  all.versions.push_back({.group = "cert-manager.io",
                          .version = "v1alpha2",
                          .resources = {custom("certificates", "Certificate", "v1alpha2"),
                                        custom("orders", "Order", "v1alpha2")}});
  all.versions.push_back(
      {.group = "metrics.k8s.io", .version = "v1beta1", .stale = true, .resources = {}});
  OfferedResource review = custom("tokenreviews", "TokenReview", "v1");
  review.resource.group = "authentication.k8s.io";
  review.resource.short_names.clear();
  review.verbs = {"create"};
  all.versions.push_back(
      {.group = "authentication.k8s.io", .version = "v1", .resources = {review}});
  return all;
}

TEST(ResourceName, HasKubectlsForms) {
  using Parts = std::tuple<std::string, std::string, std::string>;
  const std::vector<std::pair<std::string, Parts>> cases = {
      {"pods", {"pods", "", ""}},
      {"pods.v1.", {"pods", "v1", ""}},
      {"deployments.apps", {"deployments", "", "apps"}},
      {"deployments.v1.apps", {"deployments", "v1", "apps"}},
      {"certificates.v1alpha2.cert-manager.io", {"certificates", "v1alpha2", "cert-manager.io"}},
      {"certificates.cert-manager.io", {"certificates", "", "cert-manager.io"}},
      {"vs.v2x.example.com", {"vs", "", "v2x.example.com"}},
      {"vs.v0.example.com", {"vs", "", "v0.example.com"}},
      {"vs.v1beta.example.com", {"vs", "", "v1beta.example.com"}},
  };
  for (const auto& [text, parts] : cases) {
    const auto name = parse_resource_name(text);
    ASSERT_TRUE(name) << name.error().message;
    EXPECT_EQ(std::tie(name->plural, name->version, name->group), parts) << text;
  }
}

TEST(ResourceName, WhatIsNoneIsRefusedWithWhatToWrite) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"pods/status", "name \"pods\""}, {"serviceaccounts/token", "name \"serviceaccounts\""},
      {"pods.v1", "\"pods.v1.\""},      {"", "pods or deployments.apps"},
      {".apps", "deployments.apps"},    {"pods.", "deployments.apps"},
      {"p ods", "deployments.apps"},    {"p?watch=1", "deployments.apps"},
  };
  for (const auto& [text, advice] : cases) {
    const auto name = parse_resource_name(text);
    ASSERT_FALSE(name) << text;
    EXPECT_EQ(name.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(name.error().message, HasSubstr(advice)) << text;
  }
  EXPECT_FALSE(parse_resource_name(std::string(300, 'a')));
}

TEST(ResourceName, IsFoundInTheVersionThatIsPreferredOrNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"configmaps", "v1"},
      {"configmaps.v1.", "v1"},
      {"deployments.apps", "apps/v1"},
      {"deployments.v1.apps", "apps/v1"},
      {"certificates.cert-manager.io", "cert-manager.io/v1"},
      {"certificates.v1alpha2.cert-manager.io", "cert-manager.io/v1alpha2"},
      {"orders.cert-manager.io", "cert-manager.io/v1alpha2"},
  };
  for (const auto& [text, version] : cases) {
    const auto found = find_offered(offered(), parse_resource_name(text).value());
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->resource.api_version(), version) << text;
  }
}

TEST(ResourceName, WhatIsNotFoundIsToldWithWhatWasMeant) {
  struct Case {
    const char* text;
    ErrorCode code;
    std::vector<const char*> words;
  };
  const Case cases[] = {
      {"deploy", ErrorCode::kInvalidArgument, {"short name", "deployments.apps"}},
      {"deploy.apps", ErrorCode::kInvalidArgument, {"short name", "deployments.apps"}},
      {"cm", ErrorCode::kInvalidArgument, {"short name", "configmaps"}},
      {"deployment.apps", ErrorCode::kInvalidArgument, {"a kind", "deployments.apps"}},
      {"Deployment.apps", ErrorCode::kInvalidArgument, {"a kind", "deployments.apps"}},
      {"Certificate", ErrorCode::kInvalidArgument, {"a kind", "certificates.cert-manager.io"}},
      {"ConfigMaps", ErrorCode::kInvalidArgument, {"small letters", "configmaps"}},
      {"deployments", ErrorCode::kInvalidArgument, {"another group", "deployments.apps"}},
      {"bindings", ErrorCode::kInvalidArgument, {"cannot be mirrored", "only create"}},
      {"tokenreviews.authentication.k8s.io", ErrorCode::kInvalidArgument, {"only create"}},
      {"componentstatuses", ErrorCode::kInvalidArgument, {"list and watch", "only get, list"}},
      {"deployments.v1beta1.apps", ErrorCode::kNotFound, {"deployments.v1beta1.apps", "offers v1"}},
      {"deploymets.apps", ErrorCode::kNotFound, {"did you mean", "deployments.apps"}},
      {"configmap.v1.", ErrorCode::kInvalidArgument, {"a kind", "configmaps"}},
      {"certificates.certmanager.io", ErrorCode::kNotFound, {"certificates.cert-manager.io"}},
      {"widgets.example.com", ErrorCode::kNotFound, {"does not offer \"widgets.example.com\""}},
      {"nodes.metrics.k8s.io", ErrorCode::kUnavailable, {"metrics.k8s.io", "does not answer"}},
  };
  for (const auto& [text, code, words] : cases) {
    const auto found = find_offered(offered(), parse_resource_name(text).value());
    ASSERT_FALSE(found) << text;
    EXPECT_EQ(found.error().code, code) << text << ": " << found.error().message;
    for (const char* word : words) EXPECT_THAT(found.error().message, HasSubstr(word));
  }
  const auto far = find_offered(offered(), parse_resource_name("widgets.example.com").value());
  EXPECT_THAT(far.error().message, Not(HasSubstr("did you mean")));
}

TEST(Sensitive, IsAClosedListOfWhatHoldsCredentials) {
  for (const char* name : {"secrets", "routes.route.openshift.io", "signingkeies.dex.coreos.com"}) {
    EXPECT_TRUE(is_sensitive(name)) << name;
  }
  for (const char* name : {"configmaps", "pods", "secrets.example.com", "Secrets", ""}) {
    EXPECT_FALSE(is_sensitive(name)) << name;
  }
  for (const auto name : sensitive_resources()) {
    EXPECT_EQ(parse_resource_name(name).value().plural_group(), name);
  }
}

}  // namespace
}  // namespace podkeeper::kube
