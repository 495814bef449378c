#include "pkg/simkube/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "tests/simkube/support/simulated.h"

namespace podkeeper::simkube {
namespace {

constexpr const char* kNew = "/apis/events.k8s.io/v1/namespaces/default/events";
constexpr const char* kCore = "/api/v1/namespaces/default/events";

/// As the recorder sent it before exchange 175.
const char* const kEvent =
    R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"generateName":"podkeeper-",)"
    R"("namespace":"default"},"eventTime":"2026-11-20T09:30:00.000000Z",)"
    R"("reportingController":"podkeeper.dev/podkeeper","reportingInstance":"podkeeper-0",)"
    R"("action":"Resync","reason":"RelistStarted","note":"watch expired (410), relisting",)"
    R"("type":"Normal","regarding":{"kind":"ConcurrentMapPolicy","name":"default",)"
    R"("apiVersion":"podkeeper.dev/v1alpha1"}})";

TEST(Events, OneViewShowsWhatWasWrittenThroughTheOtherAsUpstreamDoes) {
  Simulated simulated;
  ASSERT_EQ(simulated.ask("POST", kNew, kEvent).status, 201);
  auto ours = simulated.get(std::string(kCore) + "?fieldSelector=reason%3DRelistStarted");
  auto theirs = nlohmann::ordered_json::parse(kubeapi::exchange("175").body);
  for (auto* list : {&ours, &theirs}) {
    (*list)["metadata"].erase("resourceVersion");
    auto& metadata = (*list)["items"][0]["metadata"];
    for (const char* key :
         {"name", "uid", "resourceVersion", "creationTimestamp", "managedFields"}) {
      metadata.erase(key);
    }
  }
  EXPECT_EQ(ours.dump(), theirs.dump());
}

TEST(Events, ACoreEventIsSeenInTheNewGroupAndGoesFromBoth) {
  Simulated simulated;
  const auto made = simulated.ask(
      "POST", kCore,
      R"({"kind":"Event","apiVersion":"v1","metadata":{"name":"e"},"involvedObject":{"kind":"Node",)"
      R"("name":"n"},"reason":"R","message":"m","count":3,"source":{"component":"c","host":"h"}})");
  ASSERT_EQ(made.status, 201);
  const auto seen = simulated.get(std::string(kNew) + "/e");
  EXPECT_EQ(seen["note"], "m");
  EXPECT_EQ(seen["regarding"]["kind"], "Node");
  EXPECT_EQ(seen["deprecatedCount"], 3);
  EXPECT_EQ(seen["metadata"]["uid"], simulated.json(made)["metadata"]["uid"]);
  EXPECT_EQ(seen["metadata"]["resourceVersion"],
            simulated.json(made)["metadata"]["resourceVersion"]);
  EXPECT_EQ(simulated.patch(std::string(kCore) + "/e", R"({"message":"other"})").status, 200);
  EXPECT_EQ(simulated.get(std::string(kNew) + "/e")["note"], "other");
  EXPECT_EQ(simulated.ask("DELETE", std::string(kNew) + "/e").status, 200);
  EXPECT_EQ(simulated.ask("GET", std::string(kCore) + "/e").status, 404);
}

TEST(Events, AreRefusedAsUpstreamRefusesThem) {
  Simulated simulated;
  const auto recorded = kubeapi::exchange("174");
  const auto response = simulated.ask(recorded.request);
  EXPECT_EQ(response.status, recorded.status);
  const std::regex name("podkeeper-[a-z0-9]{5}");
  EXPECT_EQ(std::regex_replace(std::get<std::string>(response.body), name, "NAME"),
            std::regex_replace(recorded.body, name, "NAME"));
  const auto elsewhere = simulated.ask(
      "POST", "/api/v1/namespaces/shop/events",
      R"({"kind":"Event","apiVersion":"v1","metadata":{"name":"e"},"involvedObject":{}})");
  EXPECT_EQ(elsewhere.status, 422);
  EXPECT_EQ(simulated.ask("GET", std::string(kCore) + "/x/status").status, 404);
}

TEST(Events, ATableTellsWhatHappenedToWhom) {
  Simulated simulated;
  ASSERT_EQ(simulated.ask("POST", kNew, kEvent).status, 201);
  const auto table = simulated.json(
      simulated.ask(kubeapi::get(kCore, "application/json;as=Table;v=v1;g=meta.k8s.io")));
  ASSERT_EQ(table["columnDefinitions"].size(), 10U);
  const auto& cells = table["rows"][0]["cells"];
  EXPECT_EQ(cells[1], "Normal");
  EXPECT_EQ(cells[2], "RelistStarted");
  EXPECT_EQ(cells[3], "concurrentmappolicy/default");
  EXPECT_EQ(cells[5], "podkeeper.dev/podkeeper");
  EXPECT_EQ(cells[6], "watch expired (410), relisting");
  EXPECT_EQ(cells[8], "1");
}

TEST(Events, TheOldestGoWhenThereAreTooMany) {
  Simulated simulated;
  const auto event = [](std::size_t number) {
    return Json{{"metadata", {{"name", "e" + std::to_string(number)}, {"namespace", "default"}}},
                {"involvedObject", Json::object()}};
  };
  for (std::size_t i = 0; i < kEventsMax + 2; ++i) {
    ASSERT_TRUE(simulated.cluster.create(kube::events(), "default", event(i), {}).has_value());
  }
  EXPECT_EQ(simulated.cluster.keys(kube::events(), "").size(), kEventsMax);
  EXPECT_FALSE(simulated.cluster.find(kube::events_v1(), {"default", "e1"}).has_value());
  EXPECT_TRUE(simulated.cluster.find(kube::events(), {"default", "e2"}).has_value());
}

}  // namespace
}  // namespace podkeeper::simkube
