#include "pkg/kube/json_text.h"
#include "pkg/kube/line_buffer.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

// The small words: revisions, resources, quantities, times, JSON strings and lines.
namespace podkeeper::kube {
namespace {

using ::testing::ElementsAre;

TEST(Revision, IsADecimalWithoutSignOrLeadingZeros) {
  EXPECT_EQ(parse_revision("0")->value, 0U);
  EXPECT_EQ(parse_revision("18446744073709551615")->value,
            std::numeric_limits<std::uint64_t>::max());
  for (const char* text : {"", "01", "+1", "-1", " 1", "1 ", "1a", "18446744073709551616"}) {
    EXPECT_FALSE(parse_revision(text).has_value()) << text;
  }
}

TEST(Resource, KnowsItsNamesAndPaths) {
  EXPECT_EQ(pods().path(), "/api/v1/pods");
  EXPECT_EQ(pods().path("shop", "a"), "/api/v1/namespaces/shop/pods/a");
  EXPECT_EQ(nodes().path("ignored", "n"), "/api/v1/nodes/n");
  EXPECT_EQ(deployments().path("shop"), "/apis/apps/v1/namespaces/shop/deployments");
  EXPECT_EQ(deployments().plural_group(), "deployments.apps");
  EXPECT_EQ(concurrent_map_policies().path("", "x"),
            "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies/x");
  EXPECT_EQ(events_v1().path("shop"), "/apis/events.k8s.io/v1/namespaces/shop/events");
  EXPECT_EQ(custom_resource_definitions().plural_group(),
            "customresourcedefinitions.apiextensions.k8s.io");
  EXPECT_EQ(deployments().api_version(), "apps/v1");
  EXPECT_EQ(to_string(ObjectKey{.namespace_ = "shop", .name = "a"}), "shop/a");
  EXPECT_EQ(to_string(ObjectKey{.namespace_ = "", .name = "n"}), "n");
}

TEST(Resource, IsFoundByPluralAndGroup) {
  for (const Resource& each : builtin_resources()) {
    EXPECT_EQ(find_resource(each.plural_group()), &each);
  }
  for (const char* text : {"", "pod", "pods.", "pods.apps", "deployments", "deployments.apps.x"}) {
    EXPECT_EQ(find_resource(text), nullptr) << text;
  }
}

struct QuantityCase {
  const char* text;
  std::optional<std::int64_t> millis, value;
};

constexpr std::int64_t kGi = 1 << 30;

const QuantityCase kQuantities[] = {
    {"250m", 250, 1},
    {"2", 2000, 2},
    {"0", 0, 0},
    {"0.5", 500, 1},
    {".5", 500, 1},
    {"1.", 1000, 1},
    {"+3", 3000, 3},
    {"-1.5", -1500, -2},
    {"128Mi", 134'217'728'000, 134'217'728},
    {"1.5Gi", 1500 * kGi, kGi + kGi / 2},
    {"32386544Ki", 33'163'821'056'000, 33'163'821'056},
    {"1k", 1'000'000, 1000},
    {"1e3", 1'000'000, 1000},
    {"1E3", 1'000'000, 1000},
    {"12E-1", 1200, 2},
    {"1n", 1, 1},
    {"1000001u", 1001, 2},
    {"7Ei", std::nullopt, 7 * (kGi << 30)},
    {"8E", std::nullopt, 8'000'000'000'000'000'000},
    {"8Ei", std::nullopt, std::nullopt},
    {"10000000000000000000000000000000000000000", std::nullopt, std::nullopt},
};

TEST(Quantity, RoundsUpAndKnowsEverySuffix) {
  for (const auto& [text, millis, value] : kQuantities) {
    EXPECT_EQ(parse_quantity_millis(text), millis) << text;
    EXPECT_EQ(parse_quantity_value(text), value) << text;
  }
  for (const char* text : {"", "m", ".", "1K", "1ki", "1 k", " 1", "1e", "1e+", "1ee3", "1e999",
                           "0x1", "1.2.3", "--1", "1mm", "Ki", "one"}) {
    EXPECT_FALSE(parse_quantity_value(text).has_value()) << text;
  }
}

TEST(Time, IsReadWithFractionsAndOffsets) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_time("2026-11-20T09:46:00Z"), 1'795'167'960);
  EXPECT_EQ(parse_time("2026-11-20T09:46:00.123456Z"), 1'795'167'960);
  EXPECT_EQ(parse_time("2026-11-20T11:46:00+02:00"), 1'795'167'960);
  EXPECT_EQ(parse_time("2026-11-20T04:16:00-05:30"), 1'795'167'960);
  for (const char* text :
       {"", "2026-11-20", "2026-11-20T09:46:00", "2026-13-20T09:46:00Z", "2026-02-29T09:46:00Z",
        "2026-11-20T24:46:00Z", "2026-11-20T09:46:00.Z", "2026-11-20T09:46:00+2:00",
        "2026-11-20 09:46:00Z", "2026-11-20T09:46:0xZ"}) {
    EXPECT_FALSE(parse_time(text).has_value()) << text;
  }
}

TEST(Time, IsWrittenAsItIsRead) {
  for (const char* text :
       {"1970-01-01T00:00:00Z", "2026-11-20T09:46:00Z", "2028-02-29T23:59:59Z"}) {
    EXPECT_EQ(format_time(*parse_time(text)), text);
  }
}

TEST(Time, AMicroTimeHasSixDigitsAlways) {
  EXPECT_EQ(format_micro_time(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_micro_time(1'763'629'200'000'120), "2025-11-20T09:00:00.000120Z");
  EXPECT_EQ(format_micro_time(-1), "1969-12-31T23:59:59.999999Z");
}

TEST(JsonString, IsEscapedAsGoEscapesIt) {
  std::string out;
  append_json_string(out, "a\"\\\b\f\n\r\t\x01\x7f<>&/\u00fc\u2028\u2029\xff\xc3");
  EXPECT_EQ(out,
            "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f\\u003c\\u003e\\u0026/\u00fc\\u2028\\u2029\\ufffd"
            "\\ufffd\"");
}

TEST(Status, OfAnErrorHasTheReasonAndCodeOfItsKind) {
  const base::Error expired{.code = base::ErrorCode::kExpired, .message = "too old"};
  EXPECT_EQ(to_json(status_from_error(expired)),
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)"
            R"("message":"too old","reason":"Expired","code":410})"
            "\n");
  const base::Error busy{.code = base::ErrorCode::kTooManyRequests,
                         .message = "wait",
                         .retry_after = std::chrono::milliseconds(1500)};
  EXPECT_EQ(status_from_error(busy).retry_after_seconds, 2);
  EXPECT_EQ(status_from_error({.code = base::ErrorCode::kIo, .message = "x"}).code, 500);
}

TEST(LineBuffer, GivesTheSameLinesHoweverTheBytesAreSliced) {
  const std::string text = "one\n\nthree is longer\nrest";
  for (std::size_t slice = 1; slice <= text.size(); ++slice) {
    LineBuffer buffer(100);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size(); at += slice) {
      buffer.space() += text.substr(at, slice);
      while (const auto line = buffer.next()) lines.emplace_back(*line);
    }
    EXPECT_THAT(lines, ElementsAre("one", "", "three is longer"));
    EXPECT_EQ(buffer.rest(), "rest");
  }
}

TEST(LineBuffer, SaysWhenALineIsTooLongAndGivesItsMemoryBack) {
  LineBuffer buffer(1000);
  buffer.space() += std::string(1000, 'x');
  EXPECT_FALSE(buffer.next().has_value());
  EXPECT_FALSE(buffer.too_long());
  buffer.space() += "x";
  EXPECT_FALSE(buffer.next().has_value());
  EXPECT_TRUE(buffer.too_long());
  buffer.space() += std::string(2 * LineBuffer::kKeepBytesMax, 'x') + "\n";
  EXPECT_TRUE(buffer.next().has_value());
  EXPECT_LT(buffer.space().capacity(), LineBuffer::kKeepBytesMax);
}

}  // namespace
}  // namespace podkeeper::kube
