#include "pkg/simkube/stored_resources.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

#include "tests/simkube/support/simulated.h"

namespace podkeeper::simkube {
namespace {

constexpr const char* kConfigMaps = "/api/v1/namespaces/shop/configmaps";
constexpr const char* kSecrets = "/api/v1/namespaces/shop/secrets";
constexpr const char* kServices = "/api/v1/namespaces/shop/services";
constexpr const char* kBindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";

/// An object of the resource with what it needs.
nlohmann::ordered_json example(const StoredResource& stored, const std::string& name) {
  nlohmann::ordered_json object = {{"kind", stored.resource.kind},
                                   {"apiVersion", stored.resource.api_version()},
                                   {"metadata", {{"name", name}}}};
  for (const auto path : stored.needed) {
    std::string pointer = "/" + std::string(path);
    for (auto& c : pointer) c = c == '.' ? '/' : c;
    object[nlohmann::ordered_json::json_pointer(pointer)] =
        path.ends_with("kind") || path.ends_with("name") ? "Role"
                                                         : nlohmann::ordered_json::object();
  }
  return object;
}

std::string message_of(Simulated& simulated, const http::Response& response) {
  return simulated.json(response)["message"].get<std::string>();
}

TEST(StoredResources, EachIsCreatedReadChangedListedAndDeleted) {
  Simulated simulated;
  for (const auto& stored : stored_resources()) {
    SCOPED_TRACE(stored.resource.kind);
    const auto collection = stored.resource.path(stored.resource.namespaced ? "shop" : "");
    const auto one = collection + "/x";
    ASSERT_EQ(simulated.ask("POST", collection, example(stored, "x").dump()).status, 201);
    EXPECT_EQ(simulated.ask("POST", collection, example(stored, "x").dump()).status, 409);
    const auto held = simulated.get(one);
    EXPECT_EQ(held["kind"], stored.resource.kind);
    EXPECT_FALSE(held["metadata"]["uid"].get<std::string>().empty());
    EXPECT_EQ(held["metadata"].contains("generation"), stored.counts_generation);
    for (const char* type : {"merge", "strategic-merge"}) {
      const std::string patch = R"({"metadata":{"labels":{")" + std::string(type) + R"(":"yes"}}})";
      const auto media = "application/" + std::string(type) + "-patch+json";
      EXPECT_EQ(simulated.ask("PATCH", one, patch, media).status, 200);
    }
    auto changed = simulated.get(one);
    EXPECT_EQ(changed["metadata"]["labels"].size(), 2U);
    changed["metadata"]["labels"] = {{"put", "yes"}};
    EXPECT_EQ(simulated.ask("PUT", one, changed.dump()).status, 200);
    EXPECT_EQ(simulated.get(collection + "?labelSelector=put%3Dyes")["items"].size(), 1U);
    EXPECT_EQ(simulated.ask("DELETE", one).status, 200);
    EXPECT_EQ(simulated.ask("GET", one).status, 404);
  }
}

TEST(StoredResources, DiscoveryAndOpenApiTellOfEach) {
  Simulated simulated;
  for (const auto& stored : stored_resources()) {
    SCOPED_TRACE(stored.resource.kind);
    bool told = false, status = false;
    const auto list = simulated.get(stored.resource.api_root());
    for (const auto& one : list["resources"]) {
      told = told || one["name"] == stored.resource.plural;
      status = status || one["name"] == stored.resource.plural + "/status";
    }
    EXPECT_TRUE(told);
    EXPECT_EQ(status, stored.members.back() == "status");
  }
}

TEST(StoredResources, MembersThatAKindDoesNotHaveAreDroppedWithAWarning) {
  Simulated simulated;
  const auto response = simulated.ask(
      "POST", kConfigMaps,
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":{"a":"b"},"spec":{}})");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.headers.get("Warning"), R"(299 - "unknown field \"spec\"")");
  const auto held = simulated.get(std::string(kConfigMaps) + "/x");
  EXPECT_EQ(held["data"]["a"], "b");
  EXPECT_FALSE(held.contains("spec"));
}

TEST(StoredResources, NamesFollowTheRuleOfTheirKind) {
  Simulated simulated;
  const auto status = [&](const char* path, const char* kind, const char* version,
                          const char* name) {
    nlohmann::ordered_json object = {
        {"kind", kind}, {"apiVersion", version}, {"metadata", {{"name", name}}}};
    object["spec"]["ports"] = nlohmann::ordered_json::array();
    object["roleRef"] = {{"kind", "ClusterRole"}, {"name", "view"}};
    return simulated.ask("POST", path, object.dump()).status;
  };
  const char* rbac = "rbac.authorization.k8s.io/v1";
  EXPECT_EQ(status(kConfigMaps, "ConfigMap", "v1", "kube-root-ca.crt"), 201);
  EXPECT_EQ(status(kConfigMaps, "ConfigMap", "v1", "A"), 422);
  EXPECT_EQ(status(kServices, "Service", "v1", "a.b"), 422);
  EXPECT_EQ(status(kServices, "Service", "v1", std::string(64, 'a').c_str()), 422);
  EXPECT_EQ(status(kServices, "Service", "v1", std::string(63, 'a').c_str()), 201);
  EXPECT_EQ(status("/api/v1/namespaces", "Namespace", "v1", "a.b"), 422);
  EXPECT_EQ(status(kBindings, "ClusterRoleBinding", rbac, "system:View"), 201);
  EXPECT_EQ(status(kBindings, "ClusterRoleBinding", rbac, "a/b"), 422);
  EXPECT_EQ(status(kBindings, "ClusterRoleBinding", rbac, ".."), 422);
}

TEST(StoredResources, ObjectsOfAnotherKindOrVersionAreRefused) {
  Simulated simulated;
  for (const char* body :
       {R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}})",
        R"({"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"x"}})",
        R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","namespace":"other"}})"}) {
    EXPECT_EQ(simulated.ask("POST", kConfigMaps, body).status, 400) << body;
  }
  const auto nowhere =
      simulated.ask("POST", "/api/v1/namespaces/nowhere/configmaps",
                    R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"}})");
  EXPECT_EQ(nowhere.status, 404);
}

TEST(StoredResources, WhatAKindNeedsIsRequiredByName) {
  Simulated simulated;
  const auto response =
      simulated.ask("POST", kBindings,
                    R"({"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1",)"
                    R"("metadata":{"name":"x"},"roleRef":{"kind":"ClusterRole"}})");
  EXPECT_EQ(response.status, 422);
  EXPECT_NE(message_of(simulated, response).find("roleRef.name: Required value"),
            std::string::npos);
}

TEST(StoredResources, WhatIsFixedStaysAsItWasCreated) {
  Simulated simulated;
  ASSERT_EQ(
      simulated
          .ask("POST", kSecrets, R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}})")
          .status,
      201);
  const auto secret = std::string(kSecrets) + "/x";
  EXPECT_EQ(simulated.get(secret)["type"], "Opaque");
  const auto response = simulated.patch(secret, R"({"type":"helm.sh/release.v1"})");
  EXPECT_EQ(response.status, 422);
  EXPECT_NE(message_of(simulated, response).find("type: Invalid value"), std::string::npos);
  EXPECT_EQ(simulated.patch(secret, R"({"data":{"a":"Yg=="}})").status, 200);
}

TEST(StoredResources, TheyGoWithTheirNamespace) {
  Simulated simulated;
  ASSERT_EQ(simulated
                .ask("POST", kConfigMaps,
                     R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"}})")
                .status,
            201);
  EXPECT_EQ(simulated.ask("DELETE", "/api/v1/namespaces/shop").status, 200);
  EXPECT_TRUE(simulated.get("/api/v1/configmaps")["items"].empty());
}

TEST(StoredResources, NoDefinitionTakesTheGroupOfOne) {
  Simulated simulated;
  const auto made = simulated.cluster.define(Json::parse(R"({
    "kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1",
    "metadata":{"name":"widgets.networking.k8s.io"},
    "spec":{"group":"networking.k8s.io","scope":"Cluster",
      "names":{"kind":"Widget","plural":"widgets"},
      "versions":[{"name":"v1","served":true,"storage":true,
        "schema":{"openAPIV3Schema":{"type":"object"}}}]}})"));
  ASSERT_FALSE(made.has_value());
  EXPECT_NE(made.error().message.find("is built in"), std::string::npos);
}

}  // namespace
}  // namespace podkeeper::simkube
