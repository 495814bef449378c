// Server-side apply and field managers, as a client sees them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/simkube/support/simulated.h"
#include "tests/simkube/support/widgets.h"

namespace podkeeper::simkube {
namespace {

using ::testing::HasSubstr;

constexpr const char* kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
constexpr const char* kFirst = "/apis/test.podkeeper.dev/v1/namespaces/shop/widgets/first";
const std::string kFirstStatus = std::string(kFirst) + "/status";
constexpr const char* kApply = "application/apply-patch+yaml";

/// Who owns what, without when.
Json owners_of(const Json& object) {
  Json entries = object["metadata"].value("managedFields", Json::array());
  for (auto& entry : entries) entry.erase("time");
  return entries;
}

/// "a/Apply b/Update/status": the managers in their order.
std::string managers_of(const Json& object) {
  std::string out;
  for (const auto& entry : owners_of(object)) {
    out += (out.empty() ? "" : " ") + entry["manager"].get<std::string>() + "/" +
           entry["operation"].get<std::string>();
    if (entry.contains("subresource")) out += "/" + entry["subresource"].get<std::string>();
  }
  return out;
}

/// A cluster with one widget, "first".
class Owned : public Simulated {
 public:
  Owned() {
    EXPECT_EQ(ask("POST", kDefinitions, widgets_crd().dump()).status, 201);
    EXPECT_EQ(ask("POST", "/apis/test.podkeeper.dev/v1/namespaces/shop/widgets?fieldManager=maker",
                  R"({"kind":"Widget","apiVersion":"test.podkeeper.dev/v1",)"
                  R"("metadata":{"name":"first"},"spec":{"colour":"green"}})")
                  .status,
              201);
  }
  http::Response apply(const std::string& path, const std::string& manager, const std::string& rest,
                       bool force = false) {
    return ask("PATCH", path + "?fieldManager=" + manager + (force ? "&force=true" : ""),
               R"({"kind":"Widget","apiVersion":"test.podkeeper.dev/v1",)" + rest + "}", kApply);
  }
  http::Response apply_status(const std::string& manager, const std::string& status,
                              bool force = false) {
    return apply(kFirstStatus, manager, R"("status":)" + status, force);
  }
  std::string status() { return get(kFirst).value("status", Json()).dump(); }
};

/// The cluster of the recording, as it was before exchange 154.
class RecordedApply : public Simulated {
 public:
  RecordedApply() {
    auto definition = Json::parse(kubeapi::exchange("140").body);
    definition["metadata"] = {{"name", definition["metadata"]["name"]}};
    EXPECT_TRUE(cluster.define(std::move(definition)).has_value());
    serve_offer();
    EXPECT_EQ(ask(kubeapi::exchange("142").request).status, 201);
    EXPECT_EQ(patch("/apis/podkeeper.dev/v1alpha1/concurrentmappolicies/default/status"
                    "?fieldManager=podkeeper",
                    R"({"status":{"phase":"Ready","observedGeneration":1,"entries":10000}})")
                  .status,
              200);
  }
};

TEST(Apply, OwnersAndStatusAreWhatWasRecorded) {
  RecordedApply simulated;
  const auto recorded = Json::parse(kubeapi::exchange("154").body);
  const auto ours = simulated.json(simulated.ask(kubeapi::exchange("154").request));
  EXPECT_EQ(owners_of(ours).dump(), owners_of(recorded).dump());
  EXPECT_EQ(ours["status"].dump(), recorded["status"].dump());
  const auto again = simulated.json(simulated.ask(kubeapi::exchange("155").request));
  EXPECT_EQ(again.dump(), ours.dump());
}

TEST(Apply, AConflictAndAMissingManagerAreAnsweredAsRecorded) {
  RecordedApply simulated;
  ASSERT_EQ(simulated.ask(kubeapi::exchange("154").request).status, 200);
  for (const char* number : {"156", "157"}) {
    const auto recorded = kubeapi::exchange(number);
    const auto response = simulated.ask(recorded.request);
    EXPECT_EQ(response.status, recorded.status) << number;
    EXPECT_EQ(std::get<std::string>(response.body), recorded.body) << number;
  }
}

TEST(Apply, EachManagerKeepsItsOwnElementOfAListWithKeys) {
  Owned simulated;
  EXPECT_EQ(
      simulated
          .apply_status("one", R"({"conditions":[{"type":"A","status":"True"}],"phase":"Ready"})")
          .status,
      200);
  EXPECT_EQ(
      simulated.apply_status("two", R"({"conditions":[{"type":"B","status":"False"}]})").status,
      200);
  EXPECT_EQ(simulated.status(),
            R"({"conditions":[{"status":"True","type":"A"},{"status":"False","type":"B"}],)"
            R"("phase":"Ready"})");
  const auto object = simulated.get(kFirst);
  EXPECT_EQ(managers_of(object), "one/Apply/status two/Apply/status maker/Update");
  EXPECT_EQ(owners_of(object)[1]["fieldsV1"].dump(),
            R"({"f:status":{"f:conditions":{"k:{\"type\":\"B\"}":)"
            R"({".":{},"f:status":{},"f:type":{}}}}})");
}

TEST(Apply, WhatIsNoLongerAppliedGoesAndWhatOthersApplyStays) {
  Owned simulated;
  ASSERT_EQ(
      simulated
          .apply_status("one", R"({"conditions":[{"type":"A","status":"x"},{"type":"B","status":)"
                               R"("x"}],"phase":"Ready"})")
          .status,
      200);
  ASSERT_EQ(simulated.apply_status("two", R"({"conditions":[{"type":"A","status":"x"}]})").status,
            200);
  ASSERT_EQ(simulated.apply(kFirstStatus, "one", R"("metadata":{})").status, 200);
  EXPECT_EQ(simulated.status(), R"({"conditions":[{"status":"x","type":"A"}]})");
  EXPECT_EQ(managers_of(simulated.get(kFirst)), "two/Apply/status maker/Update");
  // An empty status is one that is held, and nothing is no object.
  EXPECT_EQ(simulated.apply_status("two", "{}").status, 422);
  ASSERT_EQ(simulated.apply(kFirstStatus, "two", R"("metadata":{})").status, 200);
  EXPECT_EQ(managers_of(simulated.get(kFirst)), "maker/Update");
  EXPECT_EQ(simulated.status(), "null");
}

TEST(Apply, AnotherManagersFieldIsTakenOnlyByForce) {
  Owned simulated;
  ASSERT_EQ(simulated.apply_status("one", R"({"phase":"Ready"})").status, 200);
  const auto refused = simulated.apply_status("two", R"({"phase":"Waiting"})");
  EXPECT_EQ(refused.status, 409);
  const auto status = simulated.json(refused);
  EXPECT_EQ(status["message"],
            "Apply failed with 1 conflict: conflict with \"one\" with subresource \"status\": "
            ".status.phase");
  EXPECT_EQ(status["details"]["causes"][0]["reason"], "FieldManagerConflict");
  EXPECT_EQ(simulated.status(), R"({"phase":"Ready"})");
  ASSERT_EQ(simulated.apply_status("two", R"({"phase":"Waiting"})", /*force=*/true).status, 200);
  EXPECT_EQ(managers_of(simulated.get(kFirst)), "two/Apply/status maker/Update");
}

TEST(Apply, TheSameValueIsNoConflictAndIsOwnedByBoth) {
  Owned simulated;
  ASSERT_EQ(simulated.apply_status("one", R"({"phase":"Ready"})").status, 200);
  ASSERT_EQ(simulated.apply_status("two", R"({"phase":"Ready"})").status, 200);
  EXPECT_EQ(managers_of(simulated.get(kFirst)), "one/Apply/status two/Apply/status maker/Update");
  ASSERT_EQ(simulated.apply_status("one", "{}").status, 200);
  EXPECT_EQ(simulated.status(), R"({"phase":"Ready"})");
}

TEST(Apply, AnUpdateTakesWhatItChangesAndIsNotAsked) {
  Owned simulated;
  ASSERT_EQ(simulated.apply_status("one", R"({"phase":"Ready"})").status, 200);
  ASSERT_EQ(
      simulated.patch(kFirstStatus + "?fieldManager=editor", R"({"status":{"phase":"Waiting"}})")
          .status,
      200);
  EXPECT_EQ(managers_of(simulated.get(kFirst)), "editor/Update/status maker/Update");
  const auto refused = simulated.apply_status("one", R"({"phase":"Ready"})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(simulated.json(refused)["message"].get<std::string>(),
              HasSubstr("conflict with \"editor\" with subresource \"status\" using "
                        "test.podkeeper.dev/v1: .status.phase"));
}

TEST(Apply, WhatAnUpdateRemovesIsNobodys) {
  Owned simulated;
  ASSERT_EQ(
      simulated.apply_status("one", R"({"conditions":[{"type":"A","status":"x"}],"phase":"Ready"})")
          .status,
      200);
  ASSERT_EQ(simulated.patch(kFirstStatus, R"({"status":{"conditions":[]}})").status, 200);
  EXPECT_EQ(owners_of(simulated.get(kFirst))[0]["fieldsV1"].dump(),
            R"({"f:status":{"f:phase":{}}})");
}

TEST(Apply, AWriteThatChangesNothingKeepsTheRevision) {
  Owned simulated;
  ASSERT_EQ(simulated.apply_status("one", R"({"phase":"Ready"})").status, 200);
  const auto before = simulated.get(kFirst).dump();
  simulated.world.run_for(std::chrono::seconds(5));
  ASSERT_EQ(simulated.apply_status("one", R"({"phase":"Ready"})").status, 200);
  ASSERT_EQ(simulated.patch(kFirstStatus, R"({"status":{"phase":"Ready"}})").status, 200);
  ASSERT_EQ(simulated.apply(kFirstStatus, "nobody", R"("metadata":{})").status, 200);
  EXPECT_EQ(simulated.get(kFirst).dump(), before);
}

TEST(Apply, CreatesWhatIsNotThereButNotByItsStatus) {
  Owned simulated;
  const std::string second = "/apis/test.podkeeper.dev/v1/namespaces/shop/widgets/second";
  EXPECT_EQ(simulated.apply(second + "/status", "one", R"("status":{"phase":"Ready"})").status,
            404);
  const auto made = simulated.apply(
      second, "one",
      R"("metadata":{"name":"second","labels":{"a":"b"}},"spec":{"colour":"red"},"status":{})");
  EXPECT_EQ(made.status, 201);
  const auto object = simulated.get(second);
  EXPECT_EQ(owners_of(object)[0]["fieldsV1"].dump(),
            R"({"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:colour":{}}})");
  EXPECT_EQ(object["metadata"]["generation"], 1);
  EXPECT_EQ(simulated.apply(second, "one", R"("metadata":{"name":"second"},"spec":{"colour":"1"})")
                .status,
            200);
  const auto next = simulated.get(second);
  EXPECT_FALSE(next["metadata"].contains("labels"));
  EXPECT_EQ(next["metadata"]["generation"], 2);
}

TEST(Apply, ReachesOnlyItsOwnSideOfSpecAndStatus) {
  Owned simulated;
  ASSERT_EQ(
      simulated.apply(kFirstStatus, "one", R"("spec":{"colour":"red"},"status":{"phase":"Ready"})")
          .status,
      200);
  ASSERT_EQ(
      simulated
          .apply(kFirst, "two", R"("spec":{"size":7},"status":{"phase":"Waiting"})", /*force=*/true)
          .status,
      200);
  const auto object = simulated.get(kFirst);
  EXPECT_EQ(object["spec"]["colour"], "green");
  EXPECT_EQ(object["spec"]["size"], 7);
  EXPECT_EQ(object["status"]["phase"], "Ready");
  EXPECT_EQ(managers_of(object), "one/Apply/status two/Apply maker/Update");
}

TEST(Apply, AnElementThatBothHaveTakesTheConfigurationsOrder) {
  Owned simulated;
  ASSERT_EQ(
      simulated.apply(kFirst, "one", R"("spec":{"parts":[{"name":"a"},{"name":"b"},{"name":"x"}]})")
          .status,
      200);
  ASSERT_EQ(
      simulated.apply(kFirst, "two", R"("spec":{"parts":[{"name":"b"},{"name":"a"}]})").status,
      200);
  std::string names;
  for (const auto& part : simulated.get(kFirst)["spec"]["parts"]) {
    names += part["name"].get<std::string>();
  }
  EXPECT_EQ(names, "bxa");
}

TEST(Apply, WhatTheOptionsForbidIs422AndWhatIsNoConfigurationIs400) {
  Owned simulated;
  EXPECT_EQ(simulated.apply_status("", R"({"phase":"Ready"})").status, 422);
  EXPECT_EQ(simulated.apply_status(std::string(129, 'm'), "{}").status, 422);
  EXPECT_EQ(simulated.patch(kFirstStatus + "?force=true", "{}").status, 422);
  EXPECT_EQ(simulated.apply(kFirst, "one", R"("metadata":{"name":"other"})").status, 400);
  EXPECT_EQ(simulated.apply(kFirst, "one", R"("metadata":{"managedFields":[{}]})").status, 400);
  EXPECT_EQ(simulated.ask("PATCH", kFirstStatus + "?fieldManager=one", "[]", kApply).status, 400);
  EXPECT_EQ(simulated.ask("PATCH", kFirstStatus + "?fieldManager=one", "{}", kApply).status, 400);
}

TEST(Apply, AConfigurationThatIsNotOfItsSchemaIs500) {
  Owned simulated;
  for (const char* status :
       {R"({"bogus":1})", R"({"phase":1})", R"({"conditions":{}})", R"({"conditions":[{}]})",
        R"({"conditions":[{"type":"A"},{"type":"A"}]})"}) {
    EXPECT_EQ(simulated.apply_status("one", status).status, 500) << status;
  }
  EXPECT_EQ(simulated.json(simulated.apply_status("one", R"({"bogus":1})"))["message"],
            "failed to create typed patch object (shop/first; test.podkeeper.dev/v1, Kind=Widget): "
            ".status.bogus: field not declared in schema");
}

TEST(Apply, AnAppliedStatusIsValidated) {
  Owned simulated;
  const auto response = simulated.apply_status("one", R"({"phase":"Odd"})");
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(simulated.get(kFirst).value("status", Json()), Json());
}

TEST(Apply, BuiltInResourcesAreNotApplied) {
  Simulated simulated;
  EXPECT_EQ(simulated
                .ask("PATCH", "/api/v1/namespaces/shop/pods/web-0?fieldManager=one",
                     R"({"kind":"Pod","apiVersion":"v1"})", kApply)
                .status,
            415);
}

TEST(Apply, TheOldestOfManyWhoUpdateBecomeOne) {
  Owned simulated;
  for (int i = 0; i < 20; ++i) {
    simulated.world.run_for(std::chrono::seconds(1));
    ASSERT_EQ(simulated
                  .patch(std::string(kFirst) + "?fieldManager=m" + std::to_string(i),
                         R"({"metadata":{"labels":{"l)" + std::to_string(i) + R"(":"x"}}})")
                  .status,
              200);
  }
  const auto object = simulated.get(kFirst);
  EXPECT_EQ(object["metadata"]["managedFields"].size(), 10U);
  EXPECT_THAT(managers_of(object), ::testing::StartsWith("ancient-changes/Update m1"));
}

}  // namespace
}  // namespace podkeeper::simkube
