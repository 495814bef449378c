#include "pkg/health/checks.h"

#include "pkg/base/panic.h"
#include "pkg/recovery/panic_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::health {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

base::Result<void> fine() { return {}; }
base::Result<void> broken() {
  return base::Error{base::ErrorCode::kUnavailable, "pods: no watch for 91 s"};
}

Checks readyz() {
  Checks checks("readyz");
  checks.add("ping", fine);
  checks.add("informer-sync", broken);
  checks.add("shutdown", fine);
  return checks;
}

Checks with(const std::vector<std::string>& names) {
  Checks checks("readyz");
  for (const std::string& name : names) checks.add(name, fine);
  return checks;
}

/// The body of an answer that a real kube-apiserver gave.
std::string recorded_body(const std::string& file) {
  std::ifstream in(PK_SOURCE_DIR "/tests/data/wire/" + file, std::ios::binary);
  EXPECT_TRUE(in) << file;
  const std::string answer{std::istreambuf_iterator<char>(in), {}};
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

TEST(Checks, AnswerAsKubeApiserverDoes) {
  const std::string recorded = recorded_body("018-health-readyz-verbose.resp");
  std::vector<std::string> names;
  for (std::size_t at = 0; (at = recorded.find("[+]", at)) != std::string::npos; ++at) {
    names.push_back(recorded.substr(at + 3, recorded.find(" ok\n", at) - at - 3));
  }
  ASSERT_GT(names.size(), 30U);
  EXPECT_EQ(with(names).run(true, {}).body, recorded);
  EXPECT_EQ(with(names).run(false, {}).body, recorded_body("017-health-readyz.resp"));
}

TEST(Checks, SayOkAloneOrOneLineACheckWhenAllPass) {
  const Checks checks = with({"ping", "log"});
  EXPECT_EQ(checks.run(false, {}).body, "ok");
  const Report verbose = checks.run(true, {});
  EXPECT_EQ(verbose.status, 200);
  EXPECT_EQ(verbose.body, "[+]ping ok\n[+]log ok\nreadyz check passed\n");
}

TEST(Checks, AreVerboseAndWithholdTheReasonWhenOneFails) {
  const Report report = readyz().run(false, {});
  EXPECT_EQ(report.status, 500);
  EXPECT_EQ(report.body,
            "[+]ping ok\n[-]informer-sync failed: reason withheld\n[+]shutdown ok\n"
            "readyz check failed\n");
  EXPECT_THAT(report.failures, ElementsAre(Pair("informer-sync", "pods: no watch for 91 s")));
}

TEST(Checks, LeaveOutWhatIsExcluded) {
  const std::string_view exclude[] = {"informer-sync"};
  EXPECT_EQ(readyz().run(false, exclude).body, "ok");
  EXPECT_EQ(readyz().run(true, exclude).body,
            "[+]ping ok\n[+]informer-sync excluded: ok\n[+]shutdown ok\nreadyz check passed\n");
}

TEST(Checks, WarnOfExcludesThatDoNotExist) {
  const std::string_view exclude[] = {"x", "a\"\n\x1b[31m", "x"};
  EXPECT_EQ(with({"ping"}).run(true, exclude).body,
            "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for "
            "\"a\\\"\\n\\x1b[31m\",\"x\"\nreadyz check passed\n");
  EXPECT_EQ(with({"ping"}).run(false, exclude).body, "ok");
}

TEST(Checks, AnswerForOneByName) {
  EXPECT_EQ(readyz().run_one("ping").body, "ok");
  const Report failed = readyz().run_one("informer-sync");
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(failed.body, "internal server error: reason withheld\n");
  EXPECT_EQ(failed.failures.size(), 1U);
  EXPECT_EQ(readyz().run_one("nope").status, 404);
  EXPECT_EQ(readyz().run_one("nope").body, "404 page not found\n");
}

TEST(Checks, TakeOneThatThrowsForFailedAndRunTheOthers) {
  const auto panics = recovery::PanicRecorder::instance().total();
  Checks checks("livez");
  checks.add("bad", []() -> base::Result<void> { throw std::runtime_error("bug"); });
  checks.add("ping", fine);
  const Report report = checks.run(false, {});
  EXPECT_EQ(report.body, "[-]bad failed: reason withheld\n[+]ping ok\nlivez check failed\n");
  EXPECT_EQ(recovery::PanicRecorder::instance().total(), panics + 1);
}

TEST(Checks, TellTheirStates) {
  EXPECT_THAT(readyz().states(), ElementsAre(Pair("ping", true), Pair("informer-sync", false),
                                             Pair("shutdown", true)));
}

TEST(Checks, CountEveryRunInMetrics) {
  telemetry::Metrics metrics;
  Checks checks("livez", &metrics);
  bool healthy = true;
  checks.add("ping", [&] { return healthy ? fine() : broken(); });
  (void)checks.run(false, {});
  healthy = false;
  (void)checks.run(false, {});
  (void)checks.run_one("ping");
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("kubernetes_healthcheck{name=\"ping\",type=\"livez\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("{name=\"ping\",status=\"error\",type=\"livez\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("{name=\"ping\",status=\"success\",type=\"livez\"} 1\n"));
}

TEST(Checks, RefuseTwoOfOneName) {
  Checks checks = with({"ping"});
  EXPECT_THROW(checks.add("ping", fine), base::Panic);
}

}  // namespace
}  // namespace podkeeper::health
