#include "pkg/telemetry/log_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <limits>
#include <string>
#include <vector>

namespace podkeeper::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr base::WallTime kNow{std::chrono::microseconds(1'700'000'000'123'456)};

std::string text(std::initializer_list<LogField> fields, LogLevel level = LogLevel::kInfo) {
  return render_log_line(LogFormat::kText, kNow, level, 4, "tested",
                         {fields.begin(), fields.size()}, {});
}

nlohmann::json json(std::initializer_list<LogField> fields, const base::TraceContext& trace = {}) {
  return nlohmann::json::parse(render_log_line(LogFormat::kJson, kNow, LogLevel::kWarn, 0, "tested",
                                               {fields.begin(), fields.size()}, trace));
}

TEST(LogLine, IsLogfmtAsText) {
  const std::string line = text({{"name", "api"}, {"address", "127.0.0.1:8080"}, {"tries", 3}});
  EXPECT_THAT(line,
              testing::StartsWith(
                  "ts=2023-11-14T22:13:20.123456Z level=info caller=telemetry/log_line_test.cc:"));
  EXPECT_THAT(line, testing::EndsWith(" msg=\"tested\" name=api address=127.0.0.1:8080 tries=3"));
}

TEST(LogLine, QuotesTextThatIsNotOneWord) {
  EXPECT_THAT(text({{"a", "two words"}, {"b", ""}, {"c", "x=y"}, {"d", "\"q\""}}),
              HasSubstr(R"( a="two words" b="" c="x=y" d="\"q\"")"));
}

TEST(LogLine, IsOneJsonObject) {
  const auto line = json({{"name", "api"},
                          {"big", std::numeric_limits<std::uint64_t>::max()},
                          {"small", -5},
                          {"ready", true},
                          {"ratio", 0.25}});
  EXPECT_EQ(line["ts"], 1700000000123.456);
  EXPECT_EQ(line["level"], "warn");
  EXPECT_EQ(line["msg"], "tested");
  EXPECT_THAT(line["caller"].get<std::string>(), HasSubstr("telemetry/log_line_test.cc:"));
  EXPECT_EQ(line["name"], "api");
  EXPECT_EQ(line["big"], std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(line["small"], -5);
  EXPECT_EQ(line["ready"], true);
  EXPECT_EQ(line["ratio"], 0.25);
  EXPECT_FALSE(line.contains("trace_id"));
}

TEST(LogLine, CarriesTheTraceWhenThereIsOne) {
  const auto line = json({}, {.trace_id = {0xab}, .span_id = {0xcd}});
  EXPECT_EQ(line["trace_id"], "ab000000000000000000000000000000");
  EXPECT_EQ(line["span_id"], "cd00000000000000");
}

TEST(LogLine, ShowsAnErrorByItsMessage) {
  const base::Error error{base::ErrorCode::kIo, "cannot bind 127.0.0.1:80: in use"};
  EXPECT_EQ(json({{"err", error}})["err"], "cannot bind 127.0.0.1:80: in use");
}

TEST(LogLine, HoldsListsAndGroups) {
  const std::vector<std::string> frames = {"f at a.cc:1", "main"};
  const LogField request[] = {{"method", "GET"}, {"path", "/state/v1/pods"}};
  const auto line = json({{"stack", frames}, {"request", std::span<const LogField>(request)}});
  EXPECT_EQ(line["stack"], nlohmann::json(frames));
  EXPECT_EQ(line["request"]["path"], "/state/v1/pods");
  EXPECT_THAT(
      text({{"stack", frames}, {"request", std::span<const LogField>(request)}}),
      HasSubstr(" stack=\"f at a.cc:1,main\" request.method=GET request.path=/state/v1/pods"));
}

TEST(LogLine, CannotBeBrokenOrColouredByAValue) {
  const std::string hostile = "a\nlevel=error msg=\"forged\"\r\x1b[31m\x7f" + std::string(1, '\0') +
                              "\xC2\x9B"
                              "2J \xE2\x80\xAE reversed \xE2\x80\xA8 separated";
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const LogField fields[] = {{"path", hostile}};
    const std::string line =
        render_log_line(format, kNow, LogLevel::kInfo, 0, "tested", fields, {});
    EXPECT_THAT(line, Not(testing::ContainsRegex("[\x01-\x1f\x7f]")));
    EXPECT_EQ(line.find('\0'), std::string::npos);
    EXPECT_EQ(line.find("\xC2\x9B"), std::string::npos);
    EXPECT_EQ(line.find("\xE2\x80\xAE"), std::string::npos);
    EXPECT_EQ(line.find("\xE2\x80\xA8"), std::string::npos);
  }
  EXPECT_EQ(json({{"path", hostile}})["path"], hostile) << "what a reader gets back is the value";
}

TEST(LogLine, ReplacesWhatIsNotUtf8) {
  const std::string bad[] = {"\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82"};
  for (const std::string& bytes : bad) {
    const auto line = json({{"name", "x" + bytes + "y"}});
    EXPECT_THAT(line["name"].get<std::string>(), testing::StartsWith("x\xEF\xBF\xBD"));
    EXPECT_THAT(line["name"].get<std::string>(), testing::EndsWith("\xEF\xBF\xBDy"));
  }
  EXPECT_EQ(json({{"name", "Gr\u00fc\u00dfe \u20ac \U0001F600"}})["name"],
            "Gr\u00fc\u00dfe \u20ac \U0001F600");
}

TEST(LogLine, CutsLongValuesBetweenCharacters) {
  std::string long_text(kLogValueBytesMax - 1, 'x');
  const auto cut = json({{"body", long_text + "\u20ac and more"}})["body"].get<std::string>();
  EXPECT_EQ(cut, long_text + "...");
  EXPECT_EQ(json({{"body", long_text + "y"}})["body"], long_text + "y");
}

TEST(LogLine, StaysJsonWithNumbersThatJsonLacks) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(json({{"ratio", none}})["ratio"], "NaN");
  EXPECT_EQ(json({{"ratio", -std::numeric_limits<double>::infinity()}})["ratio"], "-Inf");
}

TEST(LogLine, ShowsTheVerbosityOfDebugLinesOnly) {
  EXPECT_THAT(text({}, LogLevel::kDebug), HasSubstr(" v=4"));
  EXPECT_THAT(text({}, LogLevel::kInfo), Not(HasSubstr(" v=")));
}

}  // namespace
}  // namespace podkeeper::telemetry
