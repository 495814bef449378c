// Custom resources through the API, as a client sees them.
#include "pkg/simkube/definition_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

#include "tests/simkube/support/simulated.h"
#include "tests/simkube/support/widgets.h"

namespace podkeeper::simkube {
namespace {

using ::testing::HasSubstr;

constexpr const char* kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
constexpr const char* kWidgets = "/apis/test.podkeeper.dev/v1/namespaces/shop/widgets";
constexpr const char* kFirst = "/apis/test.podkeeper.dev/v1/namespaces/shop/widgets/first";

/// A cluster that knows widgets.
class WithWidgets : public Simulated {
 public:
  explicit WithWidgets(bool validate = true) : Simulated(validate) {
    EXPECT_EQ(ask("POST", kDefinitions, widgets_crd().dump()).status, 201);
  }
  http::Response make(const std::string& spec, const std::string& query = "",
                      const std::string& name = "first") {
    return ask("POST", kWidgets + query,
               R"({"kind":"Widget","apiVersion":"test.podkeeper.dev/v1","metadata":{"name":")" +
                   name + R"("},"spec":)" + spec + "}");
  }
  std::string message(const http::Response& response) { return json(response)["message"]; }
};

/// podkeeper's policies as they were recorded: the definition of that time is in the recording.
class Recorded : public Simulated {
 public:
  Recorded() {
    auto definition = Json::parse(kubeapi::exchange("140").body);
    definition["metadata"] = {{"name", definition["metadata"]["name"]}};
    EXPECT_TRUE(cluster.define(std::move(definition)).has_value());
    serve_offer();
  }
};

std::string without_server_fields(const Json& object) {
  Json rest = object;
  for (const char* key : {"uid", "resourceVersion", "creationTimestamp", "managedFields"}) {
    rest["metadata"].erase(key);
  }
  return nlohmann::json(rest).dump();
}

class RecordedCustom : public testing::TestWithParam<const char*> {};
TEST_P(RecordedCustom, IsAnsweredAsKubeApiserverDid) {
  Recorded simulated;
  ASSERT_EQ(simulated.ask(kubeapi::exchange("142").request).status, 201);
  const auto recorded = kubeapi::exchange(GetParam());
  const auto response = simulated.ask(recorded.request);
  EXPECT_EQ(response.status, recorded.status) << recorded.name;
  EXPECT_EQ(response.headers.get("Warning"), recorded.headers.get("Warning")) << recorded.name;
  if (recorded.status >= 400) {
    EXPECT_EQ(std::get<std::string>(response.body), recorded.body) << recorded.name;
  } else {
    EXPECT_EQ(without_server_fields(simulated.json(response)),
              without_server_fields(Json::parse(recorded.body)));
  }
}
INSTANTIATE_TEST_SUITE_P(Wire, RecordedCustom, testing::Values("146", "150", "151", "152", "159"));

TEST(Custom, ACreatedObjectIsWhatWasRecorded) {
  Recorded simulated;
  const auto recorded = kubeapi::exchange("142");
  const auto response = simulated.ask(recorded.request);
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(without_server_fields(simulated.json(response)),
            without_server_fields(Json::parse(recorded.body)));
}

TEST(Custom, ADefinitionIsEstablishedAndDiscovered) {
  const auto recorded = Json::parse(kubeapi::exchange("140").body);
  Recorded simulated;
  const auto held =
      simulated.get(std::string(kDefinitions) + "/concurrentmappolicies.podkeeper.dev");
  EXPECT_EQ(held["spec"].dump(), recorded["spec"].dump());
  auto ours = held["status"], theirs = recorded["status"];
  for (auto* status : {&ours, &theirs}) {
    for (auto& condition : (*status)["conditions"]) condition.erase("lastTransitionTime");
  }
  EXPECT_EQ(ours.dump(), theirs.dump());
  const auto list = simulated.get("/apis/podkeeper.dev/v1alpha1");
  EXPECT_EQ(list["resources"][0]["shortNames"].dump(), R"(["cmp"])");
  EXPECT_EQ(list["resources"][1]["name"], "concurrentmappolicies/status");
  EXPECT_THAT(simulated.get("/apis").dump(), HasSubstr("podkeeper.dev/v1alpha1"));
}

TEST(Custom, OneVersionsPathsAreNoOthers) {
  WithWidgets simulated;
  ASSERT_EQ(simulated.make("{}").status, 201);
  const std::string object = "/namespaces/shop/widgets/first";
  const auto v2 = simulated.get("/apis/test.podkeeper.dev/v2" + object);
  EXPECT_EQ(v2["apiVersion"], "test.podkeeper.dev/v2");
  EXPECT_EQ(v2["spec"]["colour"], "red");
  EXPECT_EQ(simulated.ask("GET", "/apis/test.podkeeper.dev/v2" + object + "/status").status, 404);
  EXPECT_EQ(simulated.ask("GET", "/apis/test.podkeeper.dev/v0" + object).status, 404);
  EXPECT_EQ(simulated.ask("GET", "/apis/test.podkeeper.dev/v9" + object).status, 404);
}

TEST(Custom, SpecAndStatusAreWrittenApart) {
  WithWidgets simulated;
  ASSERT_EQ(simulated.make(R"({"colour":"green"})").status, 201);
  const std::string both = R"({"spec":{"size":9},"status":{"phase":"Ready"}})";
  auto main = simulated.json(simulated.patch(kFirst, both));
  EXPECT_EQ(main["spec"]["size"], 9);
  EXPECT_FALSE(main.contains("status"));
  EXPECT_EQ(main["metadata"]["generation"], 2);
  auto status = simulated.json(simulated.patch(
      std::string(kFirst) + "/status", R"({"spec":{"size":1},"status":{"phase":"Ready"}})"));
  EXPECT_EQ(status["spec"]["size"], 9);
  EXPECT_EQ(status["status"]["phase"], "Ready");
  EXPECT_EQ(status["metadata"]["generation"], 2);
  const auto bad =
      simulated.patch(std::string(kFirst) + "/status", R"({"status":{"phase":"Odd"}})");
  EXPECT_EQ(bad.status, 422);
  EXPECT_THAT(simulated.message(bad), HasSubstr("status.phase: Unsupported value: \"Odd\""));
  EXPECT_EQ(simulated.get(kFirst)["status"].dump(), R"({"phase":"Ready"})");
}

TEST(Custom, AnUpdateNeedsTheRevisionItReplaces) {
  WithWidgets simulated;
  auto object = simulated.json(simulated.make("{}"));
  object["spec"]["colour"] = "green";
  const auto updated = simulated.ask("PUT", kFirst, object.dump());
  EXPECT_EQ(updated.status, 200);
  EXPECT_EQ(simulated.json(updated)["metadata"]["generation"], 2);
  EXPECT_EQ(simulated.ask("PUT", kFirst, object.dump()).status, 409);
  object["metadata"].erase("resourceVersion");
  const auto blind = simulated.ask("PUT", kFirst, object.dump());
  EXPECT_EQ(blind.status, 422);
  EXPECT_EQ(simulated.message(blind),
            "widgets.test.podkeeper.dev \"first\" is invalid: metadata.resourceVersion: Invalid "
            "value: 0: must be specified for an update");
  const auto status = simulated.json(simulated.ask("GET", kFirst));
  auto next = status;
  next["status"] = {{"phase", "Waiting"}};
  next["spec"]["colour"] = "1";
  const auto put =
      simulated.json(simulated.ask("PUT", std::string(kFirst) + "/status", next.dump()));
  EXPECT_EQ(put["status"]["phase"], "Waiting");
  EXPECT_EQ(put["spec"]["colour"], "green");
}

TEST(Custom, TheSameContentInAnotherOrderKeepsTheRevision) {
  WithWidgets simulated;
  ASSERT_EQ(simulated.make(R"({"size":5,"colour":"green"})").status, 201);
  const auto before = simulated.cluster.revision();
  EXPECT_EQ(simulated.patch(kFirst, R"({"spec":{"colour":"green","size":5,"sealed":null}})").status,
            200);
  EXPECT_EQ(simulated.cluster.revision(), before);
}

TEST(Custom, UnknownFieldsAreWarnedOfRefusedOrNotSpokenOf) {
  WithWidgets simulated;
  const std::string spec = R"({"b":1,"a":1})";
  const auto warned = simulated.make(spec, "?dryRun=All");
  EXPECT_EQ(warned.status, 201);
  EXPECT_EQ(warned.headers.count("Warning"), 2U);
  EXPECT_EQ(warned.headers.get("Warning"), R"(299 - "unknown field \"spec.a\"")");
  EXPECT_EQ(simulated.make(spec, "?dryRun=All&fieldValidation=Ignore").headers.count("Warning"),
            0U);
  const auto refused = simulated.make(spec, "?fieldValidation=Strict");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(simulated.message(refused),
              HasSubstr("strict decoding error: unknown field \"spec.a\", unknown field "
                        "\"spec.b\""));
  ASSERT_EQ(simulated.make("{}").status, 201);
  const auto patched =
      simulated.patch(std::string(kFirst) + "?fieldValidation=Strict", R"({"spec":{"a":1}})");
  EXPECT_EQ(patched.status, 422);
  EXPECT_THAT(simulated.message(patched), HasSubstr("patch: Invalid value: "));
  EXPECT_THAT(simulated.message(patched), HasSubstr("unknown field \"spec.a\""));
}

TEST(Custom, WithoutValidationEverythingIsTakenAsItComes) {
  WithWidgets simulated(/*validate=*/false);
  const auto response =
      simulated.make(R"({"colour":7,"bogus":"1e400"})", "?fieldValidation=Strict");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(simulated.get(kFirst)["spec"].dump(), R"({"bogus":"1e400","colour":7})");
}

TEST(Custom, ATableHasTheColumnsOfTheDefinition) {
  WithWidgets simulated;
  ASSERT_EQ(
      simulated.make(R"({"colour":"green","parts":[{"name":"p"}],"since":"2020-01-01T00:00:00Z"})")
          .status,
      201);
  ASSERT_EQ(simulated
                .patch(std::string(kFirst) + "/status",
                       R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})")
                .status,
            200);
  ASSERT_EQ(simulated.make("{}", "", "second").status, 201);
  const auto table = simulated.json(
      simulated.ask(kubeapi::get(kWidgets, "application/json;as=Table;v=v1;g=meta.k8s.io")));
  std::string names;
  for (const auto& column : table["columnDefinitions"]) {
    names += column["name"].get<std::string>() + std::to_string(column["priority"].get<int>());
  }
  EXPECT_EQ(names, "Name0Colour0Size0Sealed0First0Ready0Since1");
  auto cells = table["rows"][0]["cells"];
  EXPECT_THAT(cells[6].get<std::string>(), HasSubstr("y"));
  cells.erase(6);
  EXPECT_EQ(cells.dump(), R"(["first","green",4,false,"p","True"])");
  EXPECT_EQ(table["rows"][1]["cells"].dump(), R"(["second","red",4,false,null,null,null])");
  EXPECT_EQ(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

TEST(Custom, TheRecordedTableIsOurs) {
  Recorded simulated;
  ASSERT_EQ(simulated.ask(kubeapi::exchange("142").request).status, 201);
  const auto recorded = Json::parse(kubeapi::exchange("161").body);
  const auto table = simulated.json(simulated.ask(kubeapi::exchange("161").request));
  EXPECT_EQ(table["columnDefinitions"].dump(), recorded["columnDefinitions"].dump());
  EXPECT_EQ(table["rows"][0]["cells"].dump(), recorded["rows"][1]["cells"].dump());
}

TEST(Custom, SelectableFieldsSelect) {
  WithWidgets simulated;
  ASSERT_EQ(simulated.make(R"({"colour":"green"})").status, 201);
  ASSERT_EQ(simulated.make("{}", "", "second").status, 201);
  const auto green =
      simulated.get(std::string(kWidgets) + "?fieldSelector=spec.colour%3Dgreen")["items"];
  ASSERT_EQ(green.size(), 1U);
  EXPECT_EQ(green[0]["metadata"]["name"], "first");
  EXPECT_EQ(simulated.ask("GET", std::string(kWidgets) + "?fieldSelector=spec.size%3D4").status,
            400);
}

TEST(Custom, ADeletedDefinitionTakesItsObjectsAndItsDiscoveryAlong) {
  WithWidgets simulated;
  ASSERT_EQ(simulated.make("{}").status, 201);
  const std::string definition = std::string(kDefinitions) + "/widgets.test.podkeeper.dev";
  EXPECT_EQ(simulated.ask("DELETE", definition).status, 200);
  EXPECT_EQ(simulated.ask("GET", kFirst).status, 404);
  EXPECT_EQ(simulated.ask("GET", "/apis/test.podkeeper.dev").status, 404);
  EXPECT_EQ(simulated.get("/apis").dump().find("test.podkeeper.dev"), std::string::npos);
  ASSERT_EQ(simulated.ask("POST", kDefinitions, widgets_crd().dump()).status, 201);
  EXPECT_TRUE(simulated.get(kWidgets)["items"].empty());
  EXPECT_EQ(simulated.make("{}").status, 201);
}

TEST(Custom, AWatchTellsOfTheDeletionsAndEndsWhenItsDefinitionGoes) {
  WithWidgets simulated;
  ASSERT_EQ(simulated.make("{}").status, 201);
  auto watch = simulated.ask(kubeapi::get(std::string(kWidgets) + "?watch=1&resourceVersion=0"));
  const auto handler = simulated.api.handler();
  kubeapi::Collected collected;
  collected.before_return = [&]() -> base::Task<void> {
    auto request = kubeapi::get(std::string(kDefinitions) + "/widgets.test.podkeeper.dev");
    request.method = "DELETE";
    auto answer = handler(std::move(request));
    (void)co_await std::move(answer);
  };
  const auto before = simulated.world.clock().now();
  simulated.world.run_task([&]() -> base::Task<void> {
    auto run = std::get<http::StreamBody>(watch.body)(collected);
    co_await std::move(run);
  });
  EXPECT_THAT(collected.text, HasSubstr(R"({"type":"ADDED")"));
  EXPECT_LT(simulated.world.clock().now() - before, std::chrono::seconds(1));
}

TEST(Custom, AChangedSchemaHoldsForWhatIsWrittenNext) {
  WithWidgets simulated;
  const std::string definition = std::string(kDefinitions) + "/widgets.test.podkeeper.dev";
  auto crd = simulated.get(definition);
  auto& spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
  spec["properties"]["size"]["maximum"] = 3;
  spec["properties"]["size"]["default"] = 2;
  ASSERT_EQ(simulated.ask("PUT", definition, crd.dump()).status, 200);
  EXPECT_EQ(simulated.make(R"({"size":4})").status, 422);
  EXPECT_EQ(simulated.json(simulated.make("{}"))["spec"]["size"], 2);
  crd = simulated.get(definition);
  crd["spec"]["scope"] = "Cluster";
  const auto moved = simulated.ask("PUT", definition, crd.dump());
  EXPECT_EQ(moved.status, 422);
  EXPECT_THAT(simulated.message(moved),
              HasSubstr("spec.scope: Invalid value: \"Cluster\": field is "
                        "immutable"));
}

TEST(Custom, ABadDefinitionIsRefusedWithEveryFault) {
  Simulated simulated;
  auto crd = widgets_crd();
  crd["metadata"]["name"] = "other";
  crd["spec"]["versions"][0]["storage"] = false;
  crd["spec"]["versions"][0]["additionalPrinterColumns"][0]["jsonPath"] = "spec";
  const auto response = simulated.ask("POST", kDefinitions, crd.dump());
  EXPECT_EQ(response.status, 422);
  const auto message = simulated.json(response)["message"].get<std::string>();
  EXPECT_THAT(message, HasSubstr("metadata.name: Invalid value: \"other\""));
  EXPECT_THAT(message, HasSubstr("exactly one version"));
  EXPECT_THAT(message, HasSubstr("additionalPrinterColumns[0].jsonPath"));
  auto builtin = widgets_crd();
  builtin["metadata"]["name"] = "widgets.events.k8s.io";
  builtin["spec"]["group"] = "events.k8s.io";
  EXPECT_EQ(simulated.ask("POST", kDefinitions, builtin.dump()).status, 422);
}

TEST(Custom, DeepNestingIs400) {
  WithWidgets simulated;
  const std::string deep(100'000, '[');
  EXPECT_EQ(simulated.make(deep).status, 400);
}

TEST(Custom, PodkeepersOwnDefinitionTakesItsOwnSamples) {
  Simulated simulated;
  for (const auto text : embedded_definitions()) {
    for (const auto& definition : parse_definitions(text, "embedded").value()) {
      const auto defined = simulated.cluster.define(definition);
      ASSERT_TRUE(defined.has_value()) << defined.error().message;
    }
  }
  simulated.serve_offer();
  const auto response = simulated.ask(
      "POST", "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies?fieldValidation=Strict",
      R"({"apiVersion":"podkeeper.dev/v1alpha1","kind":"ConcurrentMapPolicy",)"
      R"("metadata":{"name":"x"},"spec":{"strategy":"Sharded","shards":64}})");
  ASSERT_EQ(response.status, 201) << std::get<std::string>(response.body);
  const auto refused = simulated.ask(
      "POST", "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies",
      R"({"apiVersion":"podkeeper.dev/v1alpha1","kind":"ConcurrentMapPolicy",)"
      R"("metadata":{"name":"y"},"spec":{"strategy":"Sharded","shards":1099511627776}})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(simulated.json(refused)["message"].get<std::string>(),
              HasSubstr("spec.shards: Unsupported value: 1099511627776: supported values: "));
}

}  // namespace
}  // namespace podkeeper::simkube
