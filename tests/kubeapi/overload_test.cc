#include "pkg/http/overload.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/kubeapi/harness.h"

namespace podkeeper::kubeapi {
namespace {

using http::OverloadState;

/// An API that minds memory; its Overload counts in metrics of its own.
struct Scarce {
  telemetry::Metrics metrics;
  std::shared_ptr<http::Overload> overload = std::make_shared<http::Overload>(metrics);
  ApiFixture api{1 << 10, options()};

  Scarce() { api.load_recorded(); }
  [[nodiscard]] ReadApiOptions options() const {
    ReadApiOptions options;
    options.overload = overload;
    return options;
  }
  int status(const std::string& target) { return api.ask(get(target)).status; }
};

TEST(Overload, ShedsListsInUpstreamsWords) {
  Scarce scarce;
  scarce.overload->set(OverloadState::kShedLists);
  auto response = scarce.api.ask(get("/api/v1/pods?limit=500"));
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.get("Retry-After"), "1");
  EXPECT_EQ(response.verb, http::Verb::kList);
  EXPECT_EQ(scarce.api.body_of(response),
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)"
            R"("memory is scarce, so no lists of pods are answered now, please try again later",)"
            R"("reason":"TooManyRequests","details":{"retryAfterSeconds":1},"code":429})"
            "\n");
  scarce.overload->set(OverloadState::kNormal);
  EXPECT_EQ(scarce.status("/api/v1/pods?limit=500"), 200);
}

TEST(Overload, ShedsWatchesThatBeginWithTheStateAndNoOthers) {
  Scarce scarce;
  scarce.overload->set(OverloadState::kEvictSlow);
  const std::string watch = "/api/v1/pods?watch=true&timeoutSeconds=1";
  EXPECT_EQ(scarce.status(watch), 429);
  EXPECT_EQ(scarce.status(watch + "&resourceVersion=0"), 429);
  EXPECT_EQ(scarce.status(watch + "&sendInitialEvents=true&allowWatchBookmarks=true"
                                  "&resourceVersionMatch=NotOlderThan"),
            429);
  const auto revision = to_string(state::Reader(scarce.api.pods).freshness().revision);
  EXPECT_EQ(scarce.status(watch + "&resourceVersion=" + revision), 200);
}

TEST(Overload, LeavesWhatCostsLittle) {
  Scarce scarce;
  scarce.overload->set(OverloadState::kShedLists);
  EXPECT_EQ(scarce.status("/api/v1"), 200);
  EXPECT_EQ(scarce.status("/apis"), 200);
  const auto list = state::Reader(scarce.api.pods)
                        .list(scarce.api.authorizer.read("", {"pods", ""}).value(), {})
                        .value();
  ASSERT_FALSE(list.records.empty());
  const auto key = list.records.front()->object().key_text;
  const auto slash = key.find('/');
  EXPECT_EQ(scarce.status("/api/v1/namespaces/" + key.substr(0, slash) + "/pods/" +
                          key.substr(slash + 1)),
            200);
}

}  // namespace
}  // namespace podkeeper::kubeapi
