#include "pkg/policy/parse.h"

#include "pkg/policy/supported.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/policy/bad_policies.h"

namespace podkeeper::policy {
namespace {

using testing::BadPolicy;

std::string policy(const std::string& spec) {
  return R"({"apiVersion":"podkeeper.dev/v1alpha1","kind":"ConcurrentMapPolicy","metadata":)"
         R"({"name":"batch","uid":"u-1","generation":7,"resourceVersion":"42",)"
         R"("creationTimestamp":"2026-11-20T09:46:00Z"},"spec":)" +
         spec + "}";
}

Spec good(const std::string& spec) {
  Parsed parsed = parse(policy(spec));
  EXPECT_TRUE(parsed.violations.empty()) << to_string(parsed.violations);
  return parsed.spec;
}

TEST(ParsePolicy, ReadsWhichObjectItIs) {
  const Parsed parsed = parse(policy(R"({"strategy":"Mutex"})"));
  EXPECT_EQ(parsed.identity.name, "batch");
  EXPECT_EQ(parsed.identity.uid, "u-1");
  EXPECT_EQ(parsed.identity.generation, 7);
  EXPECT_EQ(parsed.identity.revision.value, 42u);
  EXPECT_EQ(parsed.identity.created, 1795167960);
}

TEST(ParsePolicy, WhatIsAbsentOrNullHasTheSchemasDefault) {
  for (const char* spec :
       {R"({"strategy":"Mutex"})",
        R"({"strategy":"Mutex","shards":null,"hash":null,"priority":null,"target":null,)"
        R"("bounds":null,"audit":null,"migration":{"mode":null,"timeoutSeconds":null}})"}) {
    const Spec read = good(spec);
    EXPECT_EQ(read.strategy, Strategy::kMutex);
    EXPECT_EQ(read.shards, 256);
    EXPECT_EQ(read.hash, cmap::Hash::kXXH3);
    EXPECT_EQ(read.priority, 0);
    EXPECT_FALSE(read.bounds || read.expiry || read.reads || read.target.pods);
    EXPECT_EQ(read.audit.mode, AuditMode::kOff);
    EXPECT_EQ(read.migration.mode, MigrationMode::kOnline);
    EXPECT_EQ(read.migration.timeout_seconds, 60);
  }
}

TEST(ParsePolicy, ReadsEveryField) {
  const Spec read = good(
      R"({"target":{"resources":["pods"],"namespaces":["ci-*","team-a"],"podSelector":{)"
      R"("matchLabels":{"app":"web","empty":""},"matchExpressions":[{"key":"tier","operator":"In",)"
      R"("values":["a","b"]},{"key":"x/y","operator":"DoesNotExist"}]}},"priority":-1000,)"
      R"("strategy":"LockFree","shards":65536,"hash":"FNV1a","expiry":{"terminalPodTTLSeconds":60,)"
      R"("sweepIntervalSeconds":5},"consistency":{"default":"Snapshot","maxStalenessMilliseconds":)"
      R"(500},"durability":{"mode":"WriteBehind"},"sharing":{"mode":"SharedMemory"},"audit":)"
      R"({"mode":"Sampled","ringEntries":64},"migration":{"mode":"OnRestart","timeoutSeconds":3600,)"
      R"("rollbackOnRegression":true}})");
  EXPECT_EQ(read.target.namespaces, (std::vector<std::string>{"ci-*", "team-a"}));
  EXPECT_EQ(read.target.pods->requirements().size(), 4u);
  EXPECT_TRUE(read.target.pods->matches({{"app", "web"}, {"empty", ""}, {"tier", "b"}}));
  EXPECT_FALSE(read.target.pods->matches({{"app", "web"}, {"empty", ""}, {"tier", "c"}}));
  EXPECT_EQ(read.priority, -1000);
  EXPECT_EQ(read.strategy, Strategy::kLockFree);
  EXPECT_EQ(read.shards, 65536);
  EXPECT_EQ(read.hash, cmap::Hash::kFNV1a);
  EXPECT_EQ(read.expiry->terminal_pod_ttl_seconds, 60);
  EXPECT_EQ(read.expiry->sweep_interval_seconds, 5);
  EXPECT_EQ(read.reads->consistency, Consistency::kSnapshot);
  EXPECT_EQ(read.reads->max_staleness_milliseconds, 500);
  EXPECT_EQ(read.durability, Durability::kWriteBehind);
  EXPECT_EQ(read.sharing, Sharing::kSharedMemory);
  EXPECT_EQ(read.audit.mode, AuditMode::kSampled);
  EXPECT_EQ(read.audit.ring_entries, 64);
  EXPECT_EQ(read.migration.mode, MigrationMode::kOnRestart);
  EXPECT_TRUE(read.migration.rollback_on_regression);
  const Spec caches = good(
      R"({"strategy":"Mutex","target":{"caches":["access","tokens"]},"bounds":{"maxEntries":5}})");
  EXPECT_EQ(caches.bounds->max_entries, 5);
  EXPECT_EQ(caches.target.caches.size(), 2u);
}

TEST(ParsePolicy, TellsEveryMistakeAtOnce) {
  const Parsed parsed = parse(policy(
      R"({"strategy":"No","shards":3,"priority":"x","target":{"namespaces":["A","b","C"]}})"));
  std::vector<std::string> fields;
  for (const Violation& violation : parsed.violations) fields.push_back(violation.field);
  EXPECT_EQ(fields,
            (std::vector<std::string>{"spec.strategy", "spec.shards", "spec.priority",
                                      "spec.target.namespaces[0]", "spec.target.namespaces[2]"}));
}

TEST(ParsePolicy, StopsLookingForMistakesAtItsLimit) {
  std::string spec = R"({"strategy":"Mutex")";
  for (int i = 0; i < 10'000; ++i) spec += ",\"unknown" + std::to_string(i) + "\":1";
  const Parsed parsed = parse(policy(spec + "}"));
  EXPECT_EQ(parsed.violations.size(), Parsed::kViolationsMax);
  EXPECT_LT(to_string(parsed.violations).size(), 4096u);
}

TEST(ParsePolicy, AKeySpeltWithEscapesIsThatKey) {
  EXPECT_EQ(good(R"({"str\u0061tegy":"RWMutex"})").strategy, Strategy::kRWMutex);
}

TEST(ParsePolicy, WhatIsNotBuiltYetIsNamed) {
  const auto refused = [](const std::string& spec) {
    const auto found = unsupported(good(spec), Built{});
    return found.size() == 1 ? found.front().field : to_string(found);
  };
  EXPECT_EQ(refused(R"({"strategy":"Auto"})"), "spec.strategy");
  EXPECT_EQ(refused(R"({"strategy":"Mutex","expiry":{"terminalPodTTLSeconds":1}})"), "spec.expiry");
  EXPECT_EQ(refused(R"({"strategy":"Mutex","consistency":{}})"), "spec.consistency");
  EXPECT_EQ(refused(R"({"strategy":"Mutex","audit":{"mode":"All"}})"), "spec.audit.mode");
  EXPECT_EQ(refused(R"({"strategy":"Mutex"})"), "");
  EXPECT_EQ(map_options(good(R"({"strategy":"Mutex","shards":4})")),
            (cmap::MapOptions{.strategy = cmap::Strategy::kMutex, .shards = 4}));
}

TEST(Shortened, CutsBetweenCharactersAndSaysHowMuchThereWas) {
  EXPECT_EQ(shortened("\"3\""), "\"3\"");
  EXPECT_EQ(shortened("a\xFF\x01z"), "a??z");
  const std::string umlauts = "x" + std::string(50, 'y') + "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4" +
                              std::string("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4");
  const std::string cut = shortened(umlauts);
  EXPECT_EQ(cut, umlauts.substr(0, 63) + "... (67 bytes)");
}

class BadPolicies : public ::testing::TestWithParam<BadPolicy> {};

TEST_P(BadPolicies, AreRefusedByFieldAndValue) {
  const BadPolicy& bad = GetParam();
  const Parsed parsed = parse(bad.text);
  auto violations = parsed.violations;
  if (bad.refused_by == "daemon") {
    ASSERT_TRUE(violations.empty()) << to_string(violations);
    violations = unsupported(parsed.spec, Built{});
  }
  const bool named = std::ranges::any_of(violations, [&](const Violation& violation) {
    return violation.field.starts_with(bad.field) &&
           to_string(violation).find(bad.value) != std::string::npos;
  });
  EXPECT_TRUE(named) << to_string(violations);
  EXPECT_LT(to_string(violations).size(), 4096u);
}

INSTANTIATE_TEST_SUITE_P(All, BadPolicies, ::testing::ValuesIn(testing::bad_policies()),
                         testing::test_name);

TEST(BadPolicyData, HoldsEnoughOfThem) { EXPECT_GE(testing::bad_policies().size(), 40u); }

}  // namespace
}  // namespace podkeeper::policy
