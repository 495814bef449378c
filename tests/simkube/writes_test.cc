#include "pkg/simkube/writes.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <regex>
#include <string>

#include "tests/simkube/support/simulated.h"

namespace podkeeper::simkube {
namespace {

using kubeapi::exchange;

constexpr const char* kWeb0 = "/api/v1/namespaces/shop/pods/web-0";
constexpr const char* kPods = "/api/v1/namespaces/shop/pods";

class RecordedWrite : public testing::TestWithParam<const char*> {};

TEST_P(RecordedWrite, IsRefusedAsKubeApiserverDid) {
  const auto recorded = exchange(GetParam());
  Simulated simulated;
  // The recorder had changed web-0 by then.
  ASSERT_EQ(simulated
                .ask("PATCH", kWeb0, R"({"metadata":{"labels":{"v":"2"}}})",
                     "application/merge-patch+json")
                .status,
            200);
  auto response = simulated.ask(recorded.request);
  EXPECT_EQ(response.status, recorded.status) << recorded.name;
  EXPECT_EQ(response.content_type, recorded.headers.get("Content-Type").value_or(""));
  EXPECT_EQ(std::get<std::string>(response.body), recorded.body) << recorded.name;
}
INSTANTIATE_TEST_SUITE_P(Recorded, RecordedWrite,
                         testing::Values("119", "120", "124", "125", "126", "127", "129", "130",
                                         "131", "132", "134", "135"));

TEST(Writes, AnUnknownMediaTypeIs415AndNamesWhatIsAccepted) {
  auto recorded = exchange("122");
  Simulated simulated;
  const std::string upstream =
      "application/json, application/yaml, application/vnd.kubernetes.protobuf";
  recorded.body.replace(recorded.body.find(upstream), upstream.size(), "application/json");
  auto response = simulated.ask(recorded.request);
  EXPECT_EQ(response.status, 415);
  EXPECT_EQ(std::get<std::string>(response.body), recorded.body);
  response = simulated.ask("PATCH", kWeb0, "{}", "application/json");
  EXPECT_EQ(response.status, 415);
  EXPECT_NE(std::get<std::string>(response.body)
                .find("application/json-patch+json, application/merge-patch+json"),
            std::string::npos);
}

TEST(Writes, ABodyAboveThreeMebibytesIs413) {
  const auto recorded = exchange("211");
  Simulated simulated;
  auto response = simulated.ask("POST", kPods, std::string(kWriteBytesMax + 1, ' '));
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(std::get<std::string>(response.body), recorded.body);
}

TEST(Writes, APodIsCreatedWithUpstreamsDefaults) {
  const auto recorded = exchange("002");
  Simulated simulated;
  simulated.ask("DELETE", std::string(kWeb0) + "?gracePeriodSeconds=0");
  auto response = simulated.ask(recorded.request);
  EXPECT_EQ(response.status, 201);
  auto ours = simulated.json(response);
  auto theirs = nlohmann::ordered_json::parse(recorded.body);
  for (auto* pod : {&ours, &theirs}) {
    for (const char* key : {"uid", "resourceVersion", "creationTimestamp", "managedFields"}) {
      (*pod)["metadata"].erase(key);
    }
  }
  theirs["metadata"]["labels"].erase("topology.kubernetes.io/zone");  // an admission plugin's
  EXPECT_EQ(ours.dump(), theirs.dump());
}

TEST(Writes, GenerateNameAppendsFiveCharacters) {
  Simulated simulated;
  auto response = simulated.ask(exchange("197").request);
  ASSERT_EQ(response.status, 201);
  const auto name = simulated.json(response)["metadata"]["name"].get<std::string>();
  EXPECT_TRUE(std::regex_match(name, std::regex("gen-[bcdfghjklmnpqrstvwxz2456789]{5}"))) << name;
  EXPECT_EQ(simulated.get(std::string(kPods) + "/" + name)["status"]["phase"], "Pending");
}

TEST(Writes, AGracefulDeleteWaitsForTheKubeletAndAForcedOneDoesNot) {
  Simulated simulated;
  const auto graceful = simulated.json(simulated.ask("DELETE", kWeb0));
  const auto recorded = nlohmann::json::parse(exchange("194").body);
  EXPECT_EQ(graceful["metadata"]["deletionGracePeriodSeconds"],
            recorded["metadata"]["deletionGracePeriodSeconds"]);
  EXPECT_EQ(graceful["metadata"]["generation"], recorded["metadata"]["generation"]);
  EXPECT_EQ(simulated.ask("GET", kWeb0).status, 200);
  const auto forced = simulated.ask("DELETE", std::string(kWeb0) + "?gracePeriodSeconds=0");
  EXPECT_EQ(forced.status, 200);
  EXPECT_EQ(simulated.json(forced)["metadata"]["deletionGracePeriodSeconds"], 0);
  const auto gone = simulated.ask("DELETE", kWeb0);
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(std::get<std::string>(gone.body),
            std::regex_replace(exchange("196").body, std::regex("web-1"), "web-0"));
}

TEST(Writes, TheStatusIsWrittenThroughItsSubresourceAlone) {
  Simulated simulated;
  const std::string patch = R"({"status":{"phase":"Failed"},"spec":{"nodeName":"node-z"}})";
  auto main = simulated.json(simulated.ask("PATCH", kWeb0, patch, "application/merge-patch+json"));
  EXPECT_EQ(main["status"]["phase"], "Running");
  EXPECT_EQ(main["spec"]["nodeName"], "node-z");
  EXPECT_EQ(main["metadata"]["generation"], 2);
  auto status =
      simulated.json(simulated.ask("PATCH", std::string(kWeb0) + "/status",
                                   R"({"status":{"phase":"Failed"},"spec":{"nodeName":"node-y"}})",
                                   "application/merge-patch+json"));
  EXPECT_EQ(status["status"]["phase"], "Failed");
  EXPECT_EQ(status["spec"]["nodeName"], "node-z");
  EXPECT_EQ(status["metadata"]["generation"], 2);
}

TEST(Writes, APatchThatChangesNothingKeepsTheRevision) {
  Simulated simulated;
  const auto before = simulated.cluster.revision();
  const auto same = simulated.ask("PATCH", kWeb0, R"({"metadata":{"labels":{"app":"web"}}})",
                                  "application/merge-patch+json");
  EXPECT_EQ(same.status, 200);
  EXPECT_EQ(simulated.cluster.revision(), before);
}

TEST(Writes, AStaleRevisionInAPatchIsAConflict) {
  Simulated simulated;
  const auto answer =
      simulated.ask("PATCH", kWeb0, R"({"metadata":{"resourceVersion":"1"},"spec":{"priority":1}})",
                    "application/merge-patch+json");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(simulated.json(answer)["reason"], "Conflict");
}

TEST(Writes, ADryRunChangesNothing) {
  Simulated simulated;
  const auto before = simulated.cluster.revision();
  auto request = exchange("197").request;
  request.target = http::parse_target(std::string(kPods) + "?dryRun=All").value();
  EXPECT_EQ(simulated.ask(request).status, 201);
  EXPECT_EQ(simulated.ask("DELETE", std::string(kWeb0) + "?dryRun=All").status, 200);
  EXPECT_EQ(simulated.cluster.revision(), before);
}

TEST(Writes, WhatCannotBeDecodedIs400NotAPanic) {
  Simulated simulated;
  for (
      const char* body :
      {R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","labels":5},"spec":{"containers":[{"name":"a","image":"b"}]}})",
       R"({"kind":"Pod","apiVersion":"v1","metadata":[],"spec":{}})", "[]", "null", ""}) {
    EXPECT_EQ(simulated.ask("POST", kPods, body).status, 400) << body;
  }
  for (const char* patch : {R"({"metadata":null})", R"({"metadata":{"name":"other"}})", "[1]"}) {
    EXPECT_EQ(simulated.ask("PATCH", kWeb0, patch, "application/merge-patch+json").status, 400)
        << patch;
  }
}

TEST(Writes, ANamespaceGoesWithAllThatIsInIt) {
  Simulated simulated;
  EXPECT_EQ(simulated.ask("DELETE", "/api/v1/namespaces/shop").status, 200);
  EXPECT_TRUE(simulated.get("/api/v1/pods")["items"].empty());
  EXPECT_EQ(simulated.ask("GET", "/api/v1/namespaces/shop").status, 404);
}

TEST(Writes, DiscoveryOffersTheVerbsThatAreServed) {
  Simulated simulated;
  const auto verbs = simulated.get("/api/v1")["resources"][0]["verbs"];
  EXPECT_EQ(verbs.dump(), R"(["create","delete","get","list","patch","update","watch"])");
  EXPECT_EQ(simulated.get("/apis")["groups"][0]["name"], "apps");
}

}  // namespace
}  // namespace podkeeper::simkube
