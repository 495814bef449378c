#include "pkg/simkube/strategic_merge.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

#include "tests/simkube/support/simulated.h"
#include "tests/simkube/support/widgets.h"

namespace podkeeper::simkube {
namespace {

/// `object` after the patch; what is wrong with the patch where it makes no sense.
std::string merged(const char* object, const char* patch) {
  Json json = Json::parse(object);
  const auto done = strategic_merge(json, Json::parse(patch));
  return done ? json.dump() : done.error();
}

TEST(StrategicMerge, MembersMergeAndNullRemoves) {
  EXPECT_EQ(merged(R"({"spec":{"a":1,"b":{"c":2}}})", R"({"spec":{"a":null,"b":{"d":3},"e":[1]}})"),
            R"({"spec":{"b":{"c":2,"d":3},"e":[1]}})");
}

TEST(StrategicMerge, KeyedListsMergeElementByElementAndOthersAreReplaced) {
  EXPECT_EQ(
      merged(R"({"spec":{"containers":[{"name":"a","image":"1","args":["x"]},{"name":"b"}]}})",
             R"({"spec":{"containers":[{"name":"a","image":"2","args":["y"]},{"name":"c"}]}})"),
      R"({"spec":{"containers":[{"name":"a","image":"2","args":["y"]},{"name":"b"},{"name":"c"}]}})");
}

TEST(StrategicMerge, ListsInsideContainersHaveKeysOfTheirOwn) {
  EXPECT_EQ(merged(R"({"spec":{"initContainers":[{"name":"a","ports":[{"containerPort":1}]}]}})",
                   R"({"spec":{"initContainers":[{"name":"a","ports":[)"
                   R"({"containerPort":1,"name":"http"},{"containerPort":2}]}]}})"),
            R"({"spec":{"initContainers":[{"name":"a","ports":[)"
            R"({"containerPort":1,"name":"http"},{"containerPort":2}]}]}})");
  EXPECT_EQ(merged(R"({"spec":{"ports":[{"port":80,"name":"a"}]}})",
                   R"({"spec":{"ports":[{"port":80,"name":"b"}]}})"),
            R"({"spec":{"ports":[{"port":80,"name":"b"}]}})");
}

TEST(StrategicMerge, AnElementIsDeletedByItsKey) {
  EXPECT_EQ(merged(R"({"spec":{"volumes":[{"name":"a"},{"name":"b"}]}})",
                   R"({"spec":{"volumes":[{"$patch":"delete","name":"a"},)"
                   R"({"$patch":"delete","name":"none"}]}})"),
            R"({"spec":{"volumes":[{"name":"b"}]}})");
}

TEST(StrategicMerge, AWholeListOrObjectIsReplacedOnDemand) {
  EXPECT_EQ(merged(R"({"spec":{"volumes":[{"name":"a"}],"strategy":{"type":"x","y":1}}})",
                   R"({"spec":{"volumes":[{"$patch":"replace"},{"name":"c"}],)"
                   R"("strategy":{"$patch":"replace","type":"z"}}})"),
            R"({"spec":{"volumes":[{"name":"c"}],"strategy":{"type":"z"}}})");
  EXPECT_EQ(merged(R"({"spec":{"strategy":{"type":"x"}}})",
                   R"({"spec":{"strategy":{"$patch":"delete"}}})"),
            R"({"spec":{"strategy":{}}})");
}

TEST(StrategicMerge, RetainKeysDropsTheOtherMembers) {
  EXPECT_EQ(merged(R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{}}}})",
                   R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})"),
            R"({"spec":{"strategy":{"type":"Recreate"}}})");
}

TEST(StrategicMerge, PlainValuesAreASet) {
  EXPECT_EQ(merged(R"({"metadata":{"finalizers":["a","b"]}})",
                   R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a","z"],)"
                   R"("finalizers":["b","c"]}})"),
            R"({"metadata":{"finalizers":["b","c"]}})");
}

TEST(StrategicMerge, ElementsTakeTheOrderThatThePatchGivesThem) {
  EXPECT_EQ(
      merged(R"({"spec":{"containers":[{"name":"a"},{"name":"injected"},{"name":"b"}]}})",
             R"({"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"b"},)"
             R"({"name":"a"}],"containers":[{"name":"c"}]}})"),
      R"({"spec":{"containers":[{"name":"injected"},{"name":"c"},{"name":"b"},{"name":"a"}]}})");
}

TEST(StrategicMerge, WhatMakesNoSenseIsToldOrIgnoredAndNeverThrows) {
  EXPECT_EQ(merged(R"({"spec":{}})", R"({"spec":{"containers":[{"image":"x"}]}})"),
            "an element of containers has no name");
  EXPECT_EQ(merged(R"({"spec":{}})", R"({"spec":{"containers":[1]}})"),
            "an element of containers has no name");
  EXPECT_EQ(merged(R"({"a":1})", R"({"$patch":5,"$retainKeys":"x","$setElementOrder/a":[1],)"
                                 R"("$deleteFromPrimitiveList/a":[1],"$":null})"),
            "{}");
}

TEST(StrategicMerge, KubectlChangesADeploymentByItAndItsPodsFollow) {
  Simulated simulated;
  const char* deployments = "/apis/apps/v1/namespaces/shop/deployments";
  ASSERT_EQ(simulated
                .ask("POST", deployments,
                     R"({"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"d"},)"
                     R"("spec":{"selector":{},"template":{"spec":{"containers":[)"
                     R"({"name":"a","image":"i:1"},{"name":"b","image":"i:1"}]}}}})")
                .status,
            201);
  const auto response =
      simulated.ask("PATCH", std::string(deployments) + "/d",
                    R"({"spec":{"template":{"spec":{"containers":[{"name":"b","image":"i:2"}]}}}})",
                    "application/strategic-merge-patch+json");
  ASSERT_EQ(response.status, 200);
  const auto changed = simulated.json(response);
  EXPECT_EQ(changed["metadata"]["generation"], 2);
  const auto& containers = changed["spec"]["template"]["spec"]["containers"];
  ASSERT_EQ(containers.size(), 2U);
  EXPECT_EQ(containers[0]["image"], "i:1");
  EXPECT_EQ(containers[1]["image"], "i:2");
}

TEST(StrategicMerge, CustomResourcesAreNotPatchedSo) {
  Simulated simulated;
  ASSERT_TRUE(simulated.cluster.define(widgets_crd()).has_value());
  simulated.serve_offer();
  const char* widget = "/apis/test.podkeeper.dev/v1/namespaces/shop/widgets/first";
  const auto response =
      simulated.ask("PATCH", widget, "{}", "application/strategic-merge-patch+json");
  EXPECT_EQ(response.status, 415);
}

}  // namespace
}  // namespace podkeeper::simkube
