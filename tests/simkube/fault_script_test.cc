#include "pkg/simkube/fault_script.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/simkube/fault_plan.h"
#include "pkg/telemetry/metric_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace podkeeper::simkube {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::string complaint(const std::string& text) {
  const auto rules = parse_fault_script(text);
  return rules ? "taken" : rules.error().message;
}

TEST(FaultScript, ReadsWhenAndEveryFault) {
  const auto rules = parse_fault_script(R"([
    {"when": {"verb": "list", "resource": "pods", "nth": 2, "after": "10s", "for": "1m"},
     "do": {"answer": {"status": 429, "headers": {"Retry-After": "5"}, "body": "no"}}},
    {"do": {"delay": "500ms"}}, {"do": {"cut": 12}}, {"do": {"halfOpen": 0}}, {"do": {"drop": 3}},
    {"do": {"repeat": 4}}, {"do": {"insert": {"after": 1, "line": "{}"}}},
    {"do": {"insert": {"error": 410}}}, {"do": {"insert": {"bytes": 3}}},
    {"do": {"chunkExtension": 7}}, {"do": {"trailer": 8}}, {"do": {"restore": true}}])");
  ASSERT_TRUE(rules.has_value()) << rules.error().message;
  ASSERT_EQ(rules->size(), 12);
  const auto& when = rules->at(0).when;
  EXPECT_EQ(when.verb, "list");
  EXPECT_EQ(when.resource, "pods");
  EXPECT_EQ(when.nth, 2);
  EXPECT_EQ(when.after, 10s);
  EXPECT_EQ(when.lasts, 1min);
  const auto& answer = std::get<FaultAnswer>(rules->at(0).what);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.at(0), std::pair(std::string("Retry-After"), std::string("5")));
  EXPECT_EQ(answer.body, "no");
  EXPECT_EQ(std::get<FaultDelay>(rules->at(1).what).by, 500ms);
  EXPECT_EQ(std::get<FaultCut>(rules->at(2).what).after_bytes, 12);
  EXPECT_EQ(std::get<FaultRepeat>(rules->at(5).what).event, 4);
  EXPECT_EQ(std::get<FaultInsert>(rules->at(6).what).bytes, "{}\n");
  EXPECT_THAT(std::get<FaultInsert>(rules->at(7).what).bytes,
              HasSubstr(R"({"type":"ERROR","object":{"kind":"Status")"));
  EXPECT_EQ(std::get<FaultInsert>(rules->at(8).what).bytes, "xxx");
  EXPECT_EQ(std::string(name_of(rules->at(11).what)), "restore");
}

TEST(FaultScript, AnAnswerWithoutABodyIsAStatus) {
  const auto rules = parse_fault_script(R"([{"do": {"answer": {"status": 410}}}])");
  ASSERT_TRUE(rules.has_value());
  EXPECT_THAT(std::get<FaultAnswer>(rules->at(0).what).body, HasSubstr(R"("reason":"Expired")"));
}

TEST(FaultScript, NamesRuleFieldAndValueOfWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "it must be a JSON list of {when, do}"},
      {"{}", "it must be a JSON list of {when, do}"},
      {"[1]", "rule 1: must be an object, got 1"},
      {"[{}]", "rule 1: needs a do, got {}"},
      {R"([{"do": {"cut": 1}}, {"do": {}}])", "rule 2: do must have one member, got {}"},
      {R"([{"do": {"cut": 1, "drop": 1}}])",
       R"(rule 1: do must have one member, got {"cut":1,"drop":1})"},
      {R"([{"do": {"explode": 1}}])", "rule 1: do.explode is not known, got 1"},
      {R"([{"do": {"cut": -1}}])",
       "rule 1: do.cut must be a whole number from 0 to 1099511627776, got -1"},
      {R"([{"do": {"cut": 1.5}}])",
       "rule 1: do.cut must be a whole number from 0 to 1099511627776, got 1.5"},
      {R"([{"do": {"cut": 18446744073709551616}}])",
       "rule 1: do.cut must be a whole number from 0 to 1099511627776, got 1.8446744073709552e+19"},
      {R"([{"do": {"drop": 0}}])",
       "rule 1: do.drop must be a whole number from 1 to 1099511627776, got 0"},
      {R"([{"do": {"delay": "soon"}}])",
       R"(rule 1: do.delay must be a duration such as 500ms or 1m30s, got "soon")"},
      {R"([{"do": {"delay": 5}}])", "rule 1: do.delay must be a string, got 5"},
      {R"([{"do": {"restore": false}}])", "rule 1: do.restore must be true, got false"},
      {R"([{"do": {"answer": {}}}])", "rule 1: do.answer needs a status, got {}"},
      {R"([{"do": {"answer": {"status": 99}}}])",
       "rule 1: do.answer.status must be a whole number from 200 to 599, got 99"},
      {R"([{"do": {"answer": {"status": 200, "headers": {"A": "x\ny"}}}}])",
       R"(rule 1: do.answer.headers.A must be a header of one line, got "x\ny")"},
      {R"([{"do": {"insert": {}}}])", "rule 1: do.insert needs one of line, error, bytes, got {}"},
      {R"([{"do": {"insert": {"bytes": 33554433}}}])",
       "rule 1: do.insert.bytes must be a whole number from 1 to 33554432, got 33554433"},
      {R"([{"when": {"verb": "eat"}, "do": {"cut": 1}}])",
       R"(rule 1: when.verb must be one of list, watch, get, create, update, patch, delete, got "eat")"},
      {R"([{"when": {"nth": 0}, "do": {"cut": 1}}])",
       "rule 1: when.nth must be a whole number from 1 to 1099511627776, got 0"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(complaint(text), message) << text;
}

TEST(FaultScript, IsBoundedInEveryDirection) {
  EXPECT_THAT(complaint(std::string(kFaultScriptBytesMax + 1, ' ')), HasSubstr("bytes, more than"));
  std::string many = R"([{"do":{"cut":1}})";
  for (std::size_t i = 0; i < kFaultRulesMax; ++i) many += R"(,{"do":{"cut":1}})";
  EXPECT_THAT(complaint(many + "]"), HasSubstr("it has 257 rules"));
  const std::string deep(100'000, '[');
  EXPECT_THAT(complaint(deep), HasSubstr("must be a JSON list"));
  const std::string large = R"({"do":{"insert":{"bytes":20000000}}})";
  EXPECT_THAT(complaint("[" + large + "," + large + "]"), HasSubstr("all together"));
}

TEST(FaultPlan, KnowsVerbAndResourceOfARequest) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"GET /api/v1/pods?limit=500 HTTP/1.1", "list pods"},
      {"GET /api/v1/pods?watch=true&resourceVersion=3 HTTP/1.1", "watch pods"},
      {"GET /api/v1/watch/pods HTTP/1.1", "watch pods"},
      {"GET /api/v1/namespaces/shop/pods/a HTTP/1.1", "get pods"},
      {"GET /api/v1/namespaces HTTP/1.1", "list namespaces"},
      {"GET /api/v1/namespaces/shop HTTP/1.1", "get namespaces"},
      {"PATCH /apis/podkeeper.dev/v1alpha1/concurrentmappolicies/x/status HTTP/1.1",
       "patch concurrentmappolicies.podkeeper.dev"},
      {"PUT /apis/coordination.k8s.io/v1/namespaces/ns/leases/l HTTP/1.1",
       "update leases.coordination.k8s.io"},
      {"POST /api/v1/namespaces/shop/pods HTTP/1.1", "create pods"},
      {"DELETE /api/v1/namespaces/shop/pods/a HTTP/1.1", "delete pods"},
      {"GET /version HTTP/1.1", "get "},
      {"GET /api HTTP/1.1", "get "},
      {"rubbish", " "},
  };
  for (const auto& [line, expected] : cases) {
    const auto asked = asked_by(line);
    EXPECT_EQ(asked.verb + " " + asked.resource, expected) << line;
  }
}

TEST(FaultPlan, StrikesTheNthOfThoseThatFitWithinItsTimeAndCounts) {
  runtime::SimulatedWorld world(1);
  telemetry::Metrics metrics;
  FaultPlan plan(world.clock(), metrics,
                 parse_fault_script(R"([
    {"when": {"verb": "list", "nth": 2}, "do": {"cut": 1}},
    {"when": {"resource": "pods", "after": "10s", "for": "5s"}, "do": {"drop": 1}}])")
                     .value());
  const Asked list{.verb = "list", .resource = "pods"};
  const Asked watch{.verb = "watch", .resource = "pods"};
  EXPECT_EQ(plan.befalls(list).size(), 0);
  EXPECT_EQ(plan.befalls(watch).size(), 0);
  EXPECT_EQ(plan.befalls(list).size(), 1);
  EXPECT_EQ(plan.befalls(list).size(), 0);
  world.run_for(10s);
  EXPECT_EQ(plan.befalls(watch).size(), 1);
  EXPECT_EQ(plan.befalls({.verb = "list", .resource = "nodes"}).size(), 0);
  world.run_for(5s);
  EXPECT_EQ(plan.befalls(watch).size(), 0);
  EXPECT_EQ(metrics.counter(telemetry::kSimkubeFaults, {"cut"}).Value(), 1);
  EXPECT_EQ(metrics.counter(telemetry::kSimkubeFaults, {"drop"}).Value(), 1);
}

}  // namespace
}  // namespace podkeeper::simkube
