#include "pkg/kube/api_discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/kube/recorded.h"

namespace podkeeper::kube {
namespace {

using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const OfferedResource& named(const std::vector<OfferedResource>& all, const std::string& plural) {
  return *std::ranges::find(all, plural,
                            [](const OfferedResource& one) { return one.resource.plural; });
}

/// One line a resource: everything that is read of it.
std::string line(const OfferedResource& one) {
  const Resource& r = one.resource;
  std::string text = r.plural_group() + " " + r.api_version() + " " + r.kind + " " + r.singular;
  text += r.namespaced ? " namespaced" : " cluster";
  for (const auto& name : r.short_names) text += " short:" + name;
  for (const auto& name : r.categories) text += " in:" + name;
  for (const auto& name : one.subresources) text += " /" + name;
  return text + (one.can_be_followed() ? " followed" : "");
}

std::vector<std::string> lines(const std::vector<OfferedResource>& all) {
  std::vector<std::string> text;
  for (const auto& one : all) text.push_back(line(one));
  return text;
}

TEST(ApiDiscovery, TheRecordedCoreGroupIsTheSameInBothForms) {
  const auto aggregated = parse_aggregated_discovery(testing::read_recorded("011").body).value();
  const auto legacy = parse_resource_list(testing::read_recorded("007").body, "", "v1").value();
  ASSERT_EQ(aggregated.size(), 1);
  EXPECT_EQ(aggregated[0].group, "");
  EXPECT_EQ(aggregated[0].version, "v1");
  EXPECT_FALSE(aggregated[0].stale);
  auto one = lines(aggregated[0].resources), other = lines(legacy.resources);
  for (auto* some : {&one, &other}) std::ranges::sort(*some);
  EXPECT_EQ(one, other);
  EXPECT_GT(one.size(), 15);
}

TEST(ApiDiscovery, AResourceIsReadWhole) {
  const auto core = parse_aggregated_discovery(testing::read_recorded("011").body).value();
  const auto& resources = core[0].resources;
  EXPECT_THAT(line(named(resources, "configmaps")),
              "configmaps v1 ConfigMap configmap namespaced short:cm followed");
  EXPECT_THAT(line(named(resources, "nodes")),
              "nodes v1 Node node cluster short:no /proxy /status followed");
  EXPECT_FALSE(named(resources, "bindings").can_be_followed());
  EXPECT_FALSE(named(resources, "componentstatuses").can_be_followed());
  const auto apps = parse_resource_list(testing::read_recorded("008").body, "apps", "v1").value();
  EXPECT_THAT(line(named(apps.resources, "deployments")),
              "deployments.apps apps/v1 Deployment deployment namespaced short:deploy in:all "
              "/scale /status followed");
}

TEST(ApiDiscovery, TheGroupsOfTheLegacyFormStandPreferredFirst) {
  EXPECT_THAT(parse_group_list(testing::read_recorded("005").body).value()[0].versions,
              ElementsAre("v1"));
  const auto groups = parse_group_list(testing::read_recorded("006").body).value();
  const auto apps = std::ranges::find(groups, "apps", &GroupVersions::group);
  ASSERT_NE(apps, groups.end());
  EXPECT_THAT(apps->versions, ElementsAre("v1"));
  const auto turned = parse_group_list(
      R"({"kind":"APIGroupList","groups":[{"name":"g.io","versions":[{"version":"v2"},)"
      R"({"version":"v1"},{"version":"v1beta1"}],"preferredVersion":{"version":"v1"}}]})");
  ASSERT_TRUE(turned);
  EXPECT_THAT(turned->at(0).versions, ElementsAre("v1", "v2", "v1beta1"));
}

TEST(ApiDiscovery, AGroupWhoseServerIsAwayIsStale) {
  const auto versions = parse_aggregated_discovery(
      R"({"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"metrics.k8s.io"},)"
      R"("versions":[{"version":"v1beta1","freshness":"Stale"}]}]})");
  ASSERT_TRUE(versions);
  EXPECT_TRUE(versions->at(0).stale);
  EXPECT_THAT(versions->at(0).resources, IsEmpty());
}

TEST(ApiDiscovery, WhatCouldStandInNoPathIsLeftOut) {
  const auto entry = [](const std::string& plural, const std::string& kind) {
    return R"({"resource":")" + plural + R"(","responseKind":{"kind":")" + kind +
           R"("},"scope":"Cluster"})";
  };
  const std::string json =
      R"({"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"../x"},"versions":[]},)"
      R"({"metadata":{"name":"g.io"},"versions":[{"version":"v1/.."},{"version":"v1",)"
      R"("resources":[7,{},)" +
      entry("a/b", "Kind") + "," + entry("As", "Kind") + "," + entry("..", "Kind") + "," +
      entry("as", R"(\"},{)") + "," + entry("bs", "") + "," + entry(std::string(300, 'a'), "Kind") +
      "," + entry("as", "Kind") + "]}]}]}";
  const auto versions = parse_aggregated_discovery(json);
  ASSERT_TRUE(versions) << versions.error().message;
  ASSERT_EQ(versions->size(), 1);
  EXPECT_THAT(lines(versions->at(0).resources), ElementsAre("as.g.io g.io/v1 Kind  cluster"));
}

TEST(ApiDiscovery, WhatIsNoDiscoveryIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("null"), std::string("[]"),
        std::string(R"({"kind":"APIGroupDiscoveryList","items":{}})"),
        std::string(R"({"kind":7,"items":[]})"), testing::read_recorded("012").body,
        testing::read_recorded("019").body}) {
    for (const auto& error :
         {parse_aggregated_discovery(text).error(), parse_group_list(text).error(),
          parse_resource_list(text, "", "v1").error()}) {
      EXPECT_EQ(error.code, ErrorCode::kDecode);
      EXPECT_THAT(error.message, HasSubstr("discovery"));
      EXPECT_LT(error.message.size(), 200);
    }
  }
}

}  // namespace
}  // namespace podkeeper::kube
