#include "pkg/simkube/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/simkube/support/widgets.h"

namespace podkeeper::simkube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Schema& schema() { return *widgets()->storage().schema; }

Json widget(const std::string& spec) {
  return {{"kind", "Widget"}, {"metadata", {{"name", "w"}}}, {"spec", Json::parse(spec)}};
}

/// What a client would be told, or nothing.
std::string told(Json object) {
  std::vector<std::string> unknown;
  prune(schema(), object, unknown);
  fill_defaults(schema(), object);
  std::string text;
  for (const auto& fault : check_schema(schema(), object)) {
    text += (text.empty() ? "" : ", ") + fault.field + ": " + fault.message;
  }
  return text;
}

struct Case {
  const char* spec;
  const char* told;
};

const Case kCases[] = {
    {R"-({})-", R"-()-"},
    {R"-({"colour":"green"})-", R"-()-"},
    {R"-({"colour":"blue"})-",
     R"-(spec.colour: Unsupported value: "blue": supported values: "red", "green", "1")-"},
    {R"-({"colour":5})-",
     R"-(spec.colour: Invalid value: "integer": spec.colour in body must be of type string: "integer", spec.colour: Unsupported value: 5: supported values: "red", "green", "1")-"},
    {R"-({"size":1})-", R"-()-"},
    {R"-({"size":65536})-", R"-()-"},
    {R"-({"size":0})-",
     R"-(spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1)-"},
    {R"-({"size":65537})-",
     R"-(spec.size: Invalid value: 65537: spec.size in body should be less than or equal to 65536)-"},
    {R"-({"size":-1})-",
     R"-(spec.size: Invalid value: -1: spec.size in body should be greater than or equal to 1)-"},
    {R"-({"size":1099511627776})-",
     R"-(<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.size, spec.size: Invalid value: 1099511627776: spec.size in body should be less than or equal to 65536)-"},
    {R"-({"size":"8"})-",
     R"-(spec.size: Invalid value: "string": spec.size in body must be of type integer: "string")-"},
    {R"-({"size":1.5})-",
     R"-(spec.size: Invalid value: "number": spec.size in body must be of type integer: "number")-"},
    {R"-({"size":8.0})-", R"-()-"},
    {R"-({"size":true})-",
     R"-(spec.size: Invalid value: "boolean": spec.size in body must be of type integer: "boolean")-"},
    {R"-({"size":[4]})-",
     R"-(spec.size: Invalid value: "array": spec.size in body must be of type integer: "array")-"},
    {R"-({"size":{}})-",
     R"-(spec.size: Invalid value: "object": spec.size in body must be of type integer: "object")-"},
    {R"-({"size":"NaN"})-",
     R"-(spec.size: Invalid value: "string": spec.size in body must be of type integer: "string")-"},
    {R"-({"big":9223372036854775807})-", R"-()-"},
    {R"-({"big":9223372036854775808})-",
     R"-(<nil>: Invalid value: "": Checked value must be of type integer with format int64 in spec.big)-"},
    {R"-({"step":10})-", R"-()-"},
    {R"-({"step":11})-",
     R"-(spec.step: Invalid value: 11: spec.step in body should be a multiple of 5)-"},
    {R"-({"ratio":0.5})-", R"-()-"},
    {R"-({"ratio":0})-",
     R"-(spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0)-"},
    {R"-({"ratio":1})-",
     R"-(spec.ratio: Invalid value: 1: spec.ratio in body should be less than 1)-"},
    {R"-({"ratio":"x"})-",
     R"-(spec.ratio: Invalid value: "string": spec.ratio in body must be of type number: "string")-"},
    {R"-({"sealed":true})-", R"-()-"},
    {R"-({"sealed":"true"})-",
     R"-(spec.sealed: Invalid value: "string": spec.sealed in body must be of type boolean: "string")-"},
    {R"-({"code":"abc"})-", R"-()-"},
    {R"-({"code":"ab\ncd"})-",
     R"-(spec.code: Invalid value: "ab\ncd": spec.code in body should match '^[a-z]+$')-"},
    {R"-({"code":"ABC"})-",
     R"-(spec.code: Invalid value: "ABC": spec.code in body should match '^[a-z]+$')-"},
    {R"-({"code":"a"})-",
     R"-(spec.code: Invalid value: "a": spec.code in body should be at least 2 chars long)-"},
    {R"-({"code":"abcdef"})-", R"-(spec.code: Too long: may not be more than 5 bytes)-"},
    {R"-({"code":"ééééé"})-",
     R"-(spec.code: Invalid value: "ééééé": spec.code in body should match '^[a-z]+$')-"},
    {R"-({"port":80})-", R"-()-"},
    {R"-({"port":"http"})-", R"-()-"},
    {R"-({"port":1.5})-",
     R"-(spec.port: Invalid value: "number": spec.port in body must be of type integer,string: "number")-"},
    {R"-({"note":null})-", R"-()-"},
    {R"-({"note":"xy"})-", R"-(spec.note: Too long: may not be more than 1 byte)-"},
    {R"-({"since":"2026-11-20T09:30:00Z"})-", R"-()-"},
    {R"-({"since":"2026-11-20T09:30:00.25+01:00"})-", R"-()-"},
    {R"-({"since":"yesterday"})-",
     R"-(spec.since: Invalid value: "yesterday": spec.since in body must be of type date-time: "yesterday")-"},
    {R"-({"day":"2026-02-28"})-", R"-()-"},
    {R"-({"day":"2026-02-30"})-",
     R"-(spec.day: Invalid value: "2026-02-30": spec.day in body must be of type date: "2026-02-30")-"},
    {R"-({"wait":"1m30s"})-", R"-()-"},
    {R"-({"wait":"soon"})-",
     R"-(spec.wait: Invalid value: "soon": spec.wait in body must be of type duration: "soon")-"},
    {R"-({"id":"c13201f2-6db7-4755-b913-2043486f120d"})-", R"-()-"},
    {R"-({"id":"c13201f2"})-",
     R"-(spec.id: Invalid value: "c13201f2": spec.id in body must be of type uuid: "c13201f2")-"},
    {R"-({"address":"10.0.0.1"})-", R"-()-"},
    {R"-({"address":"fd00::1"})-",
     R"-(spec.address: Invalid value: "fd00::1": spec.address in body must be of type ipv4: "fd00::1")-"},
    {R"-({"address6":"fd00::1"})-", R"-()-"},
    {R"-({"address6":"10.0.0.1"})-",
     R"-(spec.address6: Invalid value: "10.0.0.1": spec.address6 in body must be of type ipv6: "10.0.0.1")-"},
    {R"-({"network":"10.0.0.0/8"})-", R"-()-"},
    {R"-({"network":"10.0.0.0"})-",
     R"-(spec.network: Invalid value: "10.0.0.0": spec.network in body must be of type cidr: "10.0.0.0")-"},
    {R"-({"data":"aGk="})-", R"-()-"},
    {R"-({"data":"a-k="})-",
     R"-(spec.data: Invalid value: "a-k=": spec.data in body must be of type byte: "a-k=")-"},
    {R"-({"other":"anything"})-", R"-()-"},
    {R"-({"tags":["a","b"]})-", R"-()-"},
    {R"-({"tags":[]})-",
     R"-(spec.tags: Invalid value: []: spec.tags in body should have at least 1 items)-"},
    {R"-({"tags":["a","b","c","d"]})-", R"-(spec.tags: Too many: 4: must have at most 3 items)-"},
    {R"-({"tags":["a","b","a"]})-", R"-(spec.tags[2]: Duplicate value: "a")-"},
    {R"-({"tags":["a",1]})-",
     R"-(spec.tags[1]: Invalid value: "integer": spec.tags[1] in body must be of type string: "integer")-"},
    {R"-({"tags":["a",null]})-",
     R"-(spec.tags[1]: Invalid value: "null": spec.tags[1] in body must be of type string: "null")-"},
    {R"-({"tags":"a"})-",
     R"-(spec.tags: Invalid value: "string": spec.tags in body must be of type array: "string")-"},
    {R"-({"numbers":[1,2]})-", R"-()-"},
    {R"-({"numbers":[1,2,1]})-",
     R"-(spec.numbers: Invalid value: [1,2,1]: spec.numbers in body shouldn't contain duplicates)-"},
    {R"-({"parts":[{"name":"a"},{"name":"b"}]})-", R"-()-"},
    {R"-({"parts":[{"name":"a","count":1},{"name":"a","count":2}]})-",
     R"-(spec.parts[1]: Duplicate value: {"name":"a"})-"},
    {R"-({"parts":[{"count":2}]})-", R"-(spec.parts[0].name: Required value)-"},
    {R"-({"labels":{"a":"b"}})-", R"-()-"},
    {R"-({"labels":{"a":"long"}})-", R"-(spec.labels.a: Too long: may not be more than 3 bytes)-"},
    {R"-({"labels":{"a":"1","b":"2","c":"3"}})-",
     R"-(spec.labels: Too many: 3: must have at most 2 items)-"},
    {R"-({"labels":{"a":1}})-",
     R"-(spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer")-"},
    {R"-({"free":{"x":{"y":[1]}}})-", R"-()-"},
    {R"-({"free":{}})-",
     R"-(spec.free: Invalid value: {}: spec.free in body should have at least 1 properties)-"},
    {R"-({"free":{"known":"x"}})-",
     R"-(spec.free.known: Invalid value: "string": spec.free.known in body must be of type integer: "string")-"},
    {R"-({"template":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}})-", R"-()-"},
    {R"-([])-", R"-(spec: Invalid value: "array": spec in body must be of type object: "array")-"},
    {R"-("x")-",
     R"-(spec: Invalid value: "string": spec in body must be of type object: "string")-"},
};

class SchemaRule : public testing::TestWithParam<Case> {};
TEST_P(SchemaRule, IsToldInUpstreamsWords) {
  EXPECT_EQ(told(widget(GetParam().spec)), GetParam().told) << GetParam().spec;
}
INSTANTIATE_TEST_SUITE_P(Widgets, SchemaRule, testing::ValuesIn(kCases));

TEST(Schema, WhatIsRequiredIsNamed) {
  EXPECT_EQ(told({{"kind", "Widget"}}), "spec: Required value");
}

TEST(Schema, ALongTextMeetsAPatternWithoutHarm) {
  const std::string text(1 << 20, 'a');
  EXPECT_EQ(told(widget(R"({"code":")" + text + R"("})")),
            "spec.code: Too long: may not be more than 5 bytes");
}

TEST(Schema, APatternThatBacktracksForEverIsNoMatch) {
  const auto compiled = compile_schema(
      Json::parse(R"({"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}})"),
      "s");
  Json object = {{"a", std::string(64, 'a') + "!"}};
  ASSERT_EQ(check_schema(**compiled, object).size(), 1U);
}

TEST(Schema, DropsWhatItDoesNotNameAndTellsEachByItsPath) {
  auto object = widget(
      R"({"colour":"red","bogus":1,"parts":[{"name":"a","more":{}}],"labels":{"x":"y"},)"
      R"("free":{"deep":{"x":1}},"template":{"kind":"Pod","metadata":{"name":"p"},"spec":{}}})");
  object["extra"] = true;
  std::vector<std::string> unknown;
  prune(schema(), object, unknown);
  EXPECT_THAT(unknown,
              ElementsAre("spec.bogus", "spec.parts[0].more", "spec.template.spec", "extra"));
  EXPECT_EQ(object["spec"].dump(),
            R"({"colour":"red","parts":[{"name":"a"}],"labels":{"x":"y"},)"
            R"("free":{"deep":{"x":1}},"template":{"kind":"Pod","metadata":{"name":"p"}}})");
  EXPECT_EQ(object["metadata"]["name"], "w");
}

TEST(Schema, FillsInDefaultsAtEveryDepthAndDropsNullsThatAreNotAllowed) {
  auto object = widget(R"({"colour":null,"note":null,"code":null,"parts":[{"name":"a"}]})");
  fill_defaults(schema(), object);
  EXPECT_EQ(object["spec"]["colour"], "red");
  EXPECT_EQ(object["spec"]["size"], 4);
  EXPECT_EQ(object["spec"]["sealed"], false);
  EXPECT_EQ(object["spec"]["parts"][0]["count"], 1);
  EXPECT_TRUE(object["spec"]["note"].is_null());
  EXPECT_FALSE(object["spec"].contains("code"));
}

TEST(Schema, SaysThatRulesWereNotCheckedWhereUpstreamWouldNotCheckThem) {
  const auto compiled = compile_schema(
      Json::parse(R"({"type":"object","properties":{"a":{"type":"integer","maximum":5,)"
                  R"("x-kubernetes-validations":[{"rule":"self == 1"}]}}})"),
      "s");
  Json wrong = {{"a", "x"}}, large = {{"a", 6}};
  const auto blocked = check_schema(**compiled, wrong);
  ASSERT_EQ(blocked.size(), 2U);
  EXPECT_EQ(blocked[1].field, "<nil>");
  EXPECT_THAT(blocked[1].message, HasSubstr("Invalid value: null: some validation rules"));
  EXPECT_EQ(check_schema(**compiled, large).size(), 1U);
}

TEST(Schema, ASchemaThatIsNoneIsRefusedWithItsPath) {
  const auto fault_of = [](const char* text) {
    const auto compiled = compile_schema(Json::parse(text), "s");
    return compiled ? "accepted" : compiled.error()[0].field + ": " + compiled.error()[0].message;
  };
  EXPECT_EQ(fault_of(R"({"type":"string"})"),
            "s.type: Invalid value: \"string\": must be object at the root");
  EXPECT_EQ(fault_of(R"({"type":"object","properties":{"a":{}}})"),
            "s.properties[a].type: Required value: must not be empty for specified object fields");
  EXPECT_THAT(fault_of(R"({"type":"object","properties":{"a":{"type":"text"}}})"),
              HasSubstr("s.properties[a].type: Unsupported value: \"text\""));
  EXPECT_THAT(fault_of(R"({"type":"object","properties":{"a":{"type":"string","pattern":"("}}})"),
              HasSubstr("s.properties[a].pattern: Invalid value: \"(\""));
  EXPECT_EQ(fault_of(R"({"type":"object","properties":{"a":{"type":"array"}}})"),
            "s.properties[a].items: Required value: must be specified");
  std::string deep = R"({"type":"string"})";
  for (std::size_t i = 0; i <= kSchemaDepthMax; ++i) {
    deep = R"({"type":"object","properties":{"a":)" + deep + "}}";
  }
  EXPECT_THAT(fault_of(deep.c_str()), HasSubstr("Forbidden: nested too deep"));
}

}  // namespace
}  // namespace podkeeper::simkube
