#include "pkg/leader/lease.h"

#include "pkg/kube/object.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace podkeeper::leader {
namespace {

using Json = nlohmann::json;

/// As a real server answers.
constexpr const char* kLease =
    R"({"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"podkeeper",)"
    R"("namespace":"kube-system","uid":"285b3539","resourceVersion":"317","labels":{"a":"b"}},)"
    R"("spec":{"holderIdentity":"pk-0","leaseDurationSeconds":15,)"
    R"("acquireTime":"2026-11-20T09:30:00.000000Z","renewTime":"2026-11-20T09:30:02.250000Z",)"
    R"("leaseTransitions":3}})";

LeaseRecord record_of(const std::string& object) {
  auto record = read_lease(object);
  EXPECT_TRUE(record) << object;
  return record.value_or(LeaseRecord{});
}

TEST(Lease, IsReadAsItStands) {
  const LeaseRecord wanted{.holder = "pk-0",
                           .duration_seconds = 15,
                           .transitions = 3,
                           .acquire_time = "2026-11-20T09:30:00.000000Z",
                           .renew_time = "2026-11-20T09:30:02.250000Z"};
  EXPECT_EQ(record_of(kLease), wanted);
}

TEST(Lease, WhatIsMissingOrNullIsEmpty) {
  EXPECT_EQ(record_of(R"({"metadata":{}})"), LeaseRecord{});
  EXPECT_EQ(record_of(R"({"metadata":{},"spec":null})"), LeaseRecord{});
  EXPECT_EQ(record_of(R"({"metadata":{},"spec":{"holderIdentity":null,"leaseTransitions":null}})"),
            LeaseRecord{});
}

TEST(Lease, NumbersThatAreNoneOfInt32AreBrought) {
  const auto lease = record_of(
      R"({"metadata":{},"spec":{"leaseDurationSeconds":-1,"leaseTransitions":1099511627776}})");
  EXPECT_EQ(lease.duration_seconds, 0);
  EXPECT_EQ(lease.transitions, 2147483647);
}

TEST(Lease, WhatIsNoLeaseIsAnError) {
  for (const char* text : {"", "[]", "{}", "{\"metadata\"", "null"}) {
    const auto read = read_lease(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, base::ErrorCode::kDecode);
  }
}

TEST(Lease, ARecordReplacesTheRecordAndNothingElse) {
  const LeaseRecord record{.holder = "",
                           .duration_seconds = 1,
                           .transitions = 4,
                           .acquire_time = "2026-11-20T09:31:00.000001Z",
                           .renew_time = "2026-11-20T09:31:00.000002Z"};
  const auto changed = with_record(kLease, record);
  EXPECT_EQ(record_of(changed), record);
  EXPECT_EQ(Json::parse(changed)["metadata"], Json::parse(kLease)["metadata"]);
}

TEST(Lease, ANewOneHasItsNameAndEveryField) {
  const LeaseRecord record{.holder = "pk-0",
                           .duration_seconds = 15,
                           .transitions = 0,
                           .acquire_time = "2026-11-20T09:30:00.000000Z",
                           .renew_time = "2026-11-20T09:30:00.000000Z"};
  const Json lease = Json::parse(new_lease({"kube-system", "podkeeper"}, record));
  EXPECT_EQ(lease,
            Json::parse(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":)"
                        R"({"name":"podkeeper","namespace":"kube-system"},"spec":)"
                        R"({"holderIdentity":"pk-0","leaseDurationSeconds":15,)"
                        R"("acquireTime":"2026-11-20T09:30:00.000000Z",)"
                        R"("renewTime":"2026-11-20T09:30:00.000000Z","leaseTransitions":0}})"));
}

TEST(MicroTime, HasExactlySixDigits) {
  EXPECT_EQ(kube::format_micro_time(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(kube::format_micro_time(1'795'167'002'200'000), "2026-11-20T09:30:02.200000Z");
  EXPECT_EQ(kube::format_micro_time(1'795'167'002'000'007), "2026-11-20T09:30:02.000007Z");
  EXPECT_EQ(kube::format_micro_time(-1), "1969-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace podkeeper::leader
