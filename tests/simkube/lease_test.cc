#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

#include "tests/simkube/support/simulated.h"

namespace podkeeper::simkube {
namespace {

using nlohmann::ordered_json;

constexpr const char* kLeases = "/apis/coordination.k8s.io/v1/namespaces/shop/leases";
constexpr const char* kTime = "2026-11-20T09:30:00.000000Z";

ordered_json lease(const std::string& time, int duration = 15) {
  return {{"apiVersion", "coordination.k8s.io/v1"},
          {"kind", "Lease"},
          {"metadata", {{"name", "podkeeper"}, {"namespace", "shop"}}},
          {"spec",
           {{"holderIdentity", "pk-0"},
            {"leaseDurationSeconds", duration},
            {"acquireTime", time},
            {"renewTime", time},
            {"leaseTransitions", 0}}}};
}

// The messages are those of a real server.

TEST(Leases, KeepTheirTimesAsTheyStand) {
  Simulated simulated;
  const auto created = simulated.ask("POST", kLeases, lease(kTime).dump());
  ASSERT_EQ(created.status, 201);
  EXPECT_EQ(simulated.json(created)["spec"], lease(kTime)["spec"]);
  EXPECT_EQ(simulated.ask("POST", kLeases, lease(kTime).dump()).status, 409);
}

TEST(Leases, AreChangedOnTheirLastVersionOnly) {
  Simulated simulated;
  const std::string path = std::string(kLeases) + "/podkeeper";
  ASSERT_EQ(simulated.ask("POST", kLeases, lease(kTime).dump()).status, 201);
  const auto unversioned = simulated.ask("PUT", path, lease(kTime).dump());
  EXPECT_EQ(unversioned.status, 422);
  EXPECT_EQ(simulated.json(unversioned)["message"],
            "leases.coordination.k8s.io \"podkeeper\" is invalid: metadata.resourceVersion: "
            "Invalid value: 0: must be specified for an update");
  auto held = ordered_json(simulated.get(path));
  held["spec"]["holderIdentity"] = "pk-1";
  EXPECT_EQ(simulated.ask("PUT", path, held.dump()).status, 200);
  EXPECT_EQ(simulated.ask("PUT", path, held.dump()).status, 409);
}

TEST(Leases, RefuseATimeWithoutSixDigits) {
  Simulated simulated;
  const auto refused = simulated.ask("POST", kLeases, lease("2026-11-20T09:30:02Z").dump());
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(simulated.json(refused)["message"],
            "Lease in version \"v1\" cannot be handled as a Lease: parsing time "
            "\"2026-11-20T09:30:02Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"Z\" "
            "as \".000000\"");
  for (const char* time : {"2026-11-20T09:30:02.000Z", "2026-11-20T09:30:02.0000000Z",
                           "2026-11-20T09:30:02.000000", "now"}) {
    EXPECT_EQ(simulated.ask("POST", kLeases, lease(time).dump()).status, 400) << time;
  }
}

TEST(Leases, RefuseADurationOfNothing) {
  Simulated simulated;
  const auto refused = simulated.ask("POST", kLeases, lease(kTime, 0).dump());
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(simulated.json(refused)["message"],
            "Lease.coordination.k8s.io \"podkeeper\" is invalid: spec.leaseDurationSeconds: "
            "Invalid value: 0: must be greater than 0");
}

}  // namespace
}  // namespace podkeeper::simkube
