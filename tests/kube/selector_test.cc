#include "pkg/kube/selector.h"

#include "pkg/base/result.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "tests/faults/record.h"

namespace podkeeper::kube {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const Object::LabelSpan kLabels = {
    {"app", "web"}, {"example.com/rank", "5"}, {"in", "x"}, {"tier", ""}};

bool selects(std::string_view text) {
  const auto selector = LabelSelector::parse(text);
  EXPECT_TRUE(selector.has_value()) << text << ": " << selector.error().message;
  return selector.has_value() && selector->matches(kLabels);
}

std::string label_refusal(std::string_view text) {
  const auto selector = LabelSelector::parse(text);
  if (selector.has_value()) return "accepted";
  EXPECT_EQ(selector.error().code, base::ErrorCode::kInvalidArgument);
  return selector.error().message;
}

TEST(LabelSelector, MatchesByEachOperator) {
  for (const char* text : {"",
                           "app",
                           "app=web",
                           "app==web",
                           " app = web ",
                           "app!=api",
                           "none!=api",
                           "!none",
                           "app in (api,web)",
                           "app in ( web )",
                           "app notin (api)",
                           "none notin (api)",
                           "tier=",
                           "tier in ()",
                           "tier in (,x)",
                           "tier in (x,)",
                           "app,!none,tier=",
                           "example.com/rank>4",
                           "example.com/rank<6",
                           "in=x",
                           "in in (x)",
                           "app in (in,web,notin)",
                           "tier,app=web"}) {
    EXPECT_TRUE(selects(text)) << text;
  }
  for (const char* text : {"none", "app=api", "app!=web", "!app", "app in (api)",
                           "app notin (web,api)", "tier!=", "app=", "none=", "none in ()",
                           "example.com/rank>5", "app>1", "none<1", "app,none"}) {
    EXPECT_FALSE(selects(text)) << text;
  }
}

TEST(LabelSelector, RefusesInApimachinerysWords) {
  EXPECT_EQ(label_refusal("a,"), "found '', expected: identifier after ','");
  EXPECT_EQ(label_refusal("=a"), "found '=', expected: !, identifier, or 'end of string'");
  EXPECT_EQ(label_refusal("a b"),
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
  EXPECT_EQ(label_refusal("a=b c"), "found 'c', expected: ',' or 'end of string'");
  EXPECT_EQ(label_refusal("a=b=c"), "found '=', expected: ',' or 'end of string'");
  EXPECT_EQ(label_refusal("!"), "unable to parse requirement: found '', expected: identifier");
  EXPECT_EQ(label_refusal("!a=b"), "found '=', expected: ',' or 'end of string'");
  EXPECT_EQ(label_refusal("a in b"), "unable to parse requirement: found 'b' expected: '('");
  EXPECT_THAT(label_refusal("a in (b"), StartsWith("unable to parse requirement: found ''"));
  EXPECT_THAT(label_refusal("a in (b c)"), HasSubstr("expected: ',' or ')'"));
  EXPECT_THAT(label_refusal("-a"), StartsWith("unable to parse requirement: <nil>: Invalid value: "
                                              "\"-a\": name part must consist of"));
  EXPECT_THAT(label_refusal("UP.case/a"), HasSubstr("prefix part a lowercase RFC 1123 subdomain"));
  EXPECT_THAT(label_refusal("a=_b"),
              HasSubstr("values[0][a]: Invalid value: \"_b\": a valid label"));
  EXPECT_THAT(label_refusal("a>b"), HasSubstr("the value must be an integer"));
  EXPECT_THAT(label_refusal("a=" + std::string(64, 'x')), HasSubstr("no more than 63"));
}

TEST(LabelSelector, HasLimits) {
  std::string terms = "a";
  for (std::size_t i = 1; i < kSelectorTermsMax; ++i) terms += ",a";
  EXPECT_EQ(label_refusal(terms), "accepted");
  EXPECT_THAT(label_refusal(terms + ",a"), HasSubstr("more than 1000"));
  EXPECT_THAT(label_refusal(std::string(kSelectorBytesMax + 1, 'a')),
              HasSubstr("the limit is 10240"));
  faults::record({.row = 62,
                  .outcome =
                      "400 beyond 1,000 terms or 10 KiB; 414 where the target is longer than "
                      "2 KiB",
                  .evidence = "podkeeper_http_requests_total{code=\"400\"}"});
}

std::unique_ptr<Object> some_pod() {
  auto pod = decode_object(
      pods(),
      R"({"metadata":{"name":"a","namespace":"shop"},"spec":{"nodeName":"n,1","hostNetwork":true},)"
      R"("status":{"phase":"Running","podIP":"10.0.0.1"}})");
  return *std::move(pod);
}

TEST(FieldSelector, MatchesByEqualAndNotEqual) {
  const auto pod = some_pod();
  for (const char* text : {"", "metadata.name=a", "metadata.name==a,metadata.namespace=shop",
                           "metadata.name!=b", ",", "spec.nodeName=n\\,1", "spec.host=n\\,1",
                           "spec.hostNetwork=true", "status.podIPs=", "status.podIPs!=10.0.0.1",
                           "status.nominatedNodeName=", "status.phase=Running,"}) {
    const auto selector = FieldSelector::parse(pods(), text);
    ASSERT_TRUE(selector.has_value()) << text << ": " << selector.error().message;
    EXPECT_TRUE(selector->matches(*pod)) << text;
  }
  for (const char* text : {"metadata.name=b", "metadata.name!=a", "status.podIPs=10.0.0.1",
                           "spec.hostNetwork=false", "metadata.name=a,status.phase=Pending"}) {
    EXPECT_FALSE(FieldSelector::parse(pods(), text)->matches(*pod)) << text;
  }
}

TEST(FieldSelector, ReadsAFieldThatTheResourceOffersFromTheBody) {
  Resource policies = concurrent_map_policies();
  policies.selectable_fields = {"spec.strategy", "spec.shards", "spec.on", "spec.list", "spec.a.b"};
  const auto policy = *decode_object(
      policies, R"({"metadata":{"name":"x","labels":{"strategy":"no"}},"strategy":"no",)"
                R"("spec":{"before":{"strategy":"no"},"b":"no","list":[{"strategy":"no"}],)"
                R"("strategy":"Lock\u0046ree","shards":64,"on":true,"a":{"x":1,"b":"deep"}}})");
  for (const char* text : {"spec.strategy=LockFree", "spec.shards=64,spec.on=true",
                           "spec.list=", "spec.a.b=deep", "metadata.name=x,spec.strategy!=Mutex"}) {
    const auto selector = FieldSelector::parse(policies, text);
    ASSERT_TRUE(selector.has_value()) << text << ": " << selector.error().message;
    EXPECT_TRUE(selector->matches(*policy)) << text;
  }
  EXPECT_FALSE(FieldSelector::parse(policies, "spec.strategy=no")->matches(*policy));
  EXPECT_FALSE(FieldSelector::parse(policies, "spec.bounds=1").has_value());
}

TEST(FieldSelector, RefusesInApimachinerysWords) {
  const auto refusal = [](const Resource& resource, std::string_view text) {
    const auto selector = FieldSelector::parse(resource, text);
    return selector.has_value() ? "accepted" : selector.error().message;
  };
  EXPECT_EQ(refusal(pods(), "spec.foo=1"), "field label not supported: spec.foo");
  EXPECT_EQ(refusal(nodes(), "metadata.namespace=x"),
            "field label not supported: metadata.namespace");
  EXPECT_EQ(refusal(deployments(), "metadata.namespace=x"), "accepted");
  EXPECT_EQ(refusal(pods(), "a"), "invalid selector: 'a'; can't understand 'a'");
  EXPECT_THAT(refusal(pods(), "metadata.name=a\\b"), HasSubstr("invalid escape sequence: \\b"));
  EXPECT_THAT(refusal(pods(), "metadata.name=a=b"), HasSubstr("unescaped character in value: 61"));
  EXPECT_THAT(refusal(pods(), std::string(kSelectorBytesMax + 1, 'a')),
              HasSubstr("the limit is 10240"));
}

TEST(FieldSelector, SaysWhatAnIndexMayLookUp) {
  const auto selector = FieldSelector::parse(pods(), "spec.host=n1,status.phase!=Failed");
  ASSERT_NE(selector->required("spec.nodeName"), nullptr);
  EXPECT_EQ(*selector->required("spec.nodeName"), "n1");
  EXPECT_EQ(selector->required("status.phase"), nullptr);
}

}  // namespace
}  // namespace podkeeper::kube
