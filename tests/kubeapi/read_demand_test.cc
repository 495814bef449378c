#include "pkg/kubeapi/read_demand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/kubeapi/harness.h"
#include "tests/state/scripted_probe.h"

namespace podkeeper::kubeapi {
namespace {

using namespace std::chrono_literals;
using kube::Revision;
using state::Consistency;
using ::testing::HasSubstr;

base::Result<state::ReadDemand> parse(const std::string& query) {
  return parse_read_demand(http::parse_target("/api/v1/pods" + query).value());
}

TEST(ReadDemand, IsTheDefaultWhereNothingIsSaid) {
  EXPECT_TRUE(parse("").value().plain());
  EXPECT_TRUE(parse("?limit=5&consistency=eventual").value().plain());
}

TEST(ReadDemand, ReadsEachParameter) {
  const auto demand = parse("?consistency=linearizable&maxAgeMs=250&minRevision=77").value();
  EXPECT_EQ(demand.consistency, Consistency::kLinearizable);
  EXPECT_EQ(demand.age_max, 250ms);
  EXPECT_EQ(demand.revision_min, Revision{77});
  EXPECT_EQ(parse("?consistency=snapshot").value().consistency, Consistency::kSnapshot);
  EXPECT_EQ(parse("?maxAgeMs=0").value().age_max, 0ms);
}

TEST(ReadDemand, RefusesByNameAndValueWhatItDoesNotUnderstand) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"?consistency=strong", {"consistency=\"strong\"", "linearizable"}},
      {"?consistency=", {"consistency=\"\""}},
      {"?consistency=Snapshot", {"consistency=\"Snapshot\""}},
      {"?maxAgeMs=-1", {"maxAgeMs=\"-1\"", "milliseconds"}},
      {"?maxAgeMs=1.5", {"maxAgeMs=\"1.5\""}},
      {"?maxAgeMs=5s", {"maxAgeMs=\"5s\""}},
      {"?maxAgeMs=99999999999999999999", {"maxAgeMs=\"99999999999999999999\""}},
      {"?maxAgeMs=604800001", {"maxAgeMs=\"604800001\"", "604800000"}},
      {"?minRevision=x", {"minRevision=\"x\"", "resourceVersion"}},
      {"?minRevision=-3", {"minRevision=\"-3\""}},
      {"?minRevision=18446744073709551616", {"minRevision="}},
  };
  for (const auto& [query, words] : cases) {
    const auto demand = parse(query);
    ASSERT_FALSE(demand.has_value()) << query;
    for (const auto& word : words) EXPECT_THAT(demand.error().message, HasSubstr(word));
  }
  const auto long_one = parse("?consistency=" + std::string(100'000, 'x'));
  EXPECT_LT(long_one.error().message.size(), 300);
}

/// The recorded pods at revision 220, over an upstream that a test plays.
class Demanding : public ::testing::Test {
 protected:
  explicit Demanding(ForwardHandler forward = {}) : fixture_(1 << 10, options(std::move(forward))) {
    probe_->newest_now = [] { return Revision{220}; };
    fixture_.load_recorded();
    ServedResource served{state::Reader(fixture_.pods)};
    served.currency = std::make_shared<state::Currency>(fixture_.world, group_, fixture_.metrics,
                                                        fixture_.pods, probe_);
    fixture_.api.serve({served}, 1);
  }
  ~Demanding() override {
    group_.stop();
    fixture_.world.run_for(1min);
  }
  static ReadApiOptions options(ForwardHandler forward) {
    ReadApiOptions with;
    with.forward = std::move(forward);
    return with;
  }
  http::Response ask(const std::string& target) { return fixture_.ask(get(target)); }
  nlohmann::json status_of(http::Response& response) {
    return nlohmann::json::parse(fixture_.body_of(response));
  }

  ApiFixture fixture_;
  runtime::TaskRegistry registry_{fixture_.world.clock()};
  runtime::TaskGroup group_{fixture_.world, registry_, "test"};
  std::shared_ptr<state::testing::ScriptedProbe> probe_ =
      std::make_shared<state::testing::ScriptedProbe>(fixture_.world);
};

constexpr const char* kList = "/api/v1/pods";
constexpr const char* kGet = "/api/v1/namespaces/shop/pods/job-0";
constexpr const char* kWatch = "/api/v1/pods?watch=1&timeoutSeconds=1";

std::string with(const std::string& path, const std::string& demand) {
  return path + (path.find('?') == std::string::npos ? "?" : "&") + demand;
}

TEST_F(Demanding, TellsRevisionAgeAndWhatWasPromised) {
  for (const char* path : {kList, kGet, kWatch}) {
    for (const char* consistency : {"eventual", "snapshot", "linearizable"}) {
      const auto response = ask(with(path, std::string("consistency=") + consistency));
      EXPECT_EQ(response.status, 200) << path;
      EXPECT_EQ(response.headers.get("Podkeeper-Consistency"), consistency);
      EXPECT_EQ(response.headers.get("Podkeeper-Revision"), "220");
      EXPECT_TRUE(response.headers.get("Podkeeper-Age-Ms").has_value());
    }
  }
}

TEST_F(Demanding, ListsWhatUpstreamHadWhenALinearizableReadCame) {
  probe_->newest_now = [] { return Revision{230}; };
  fixture_.world.clock().call_at(fixture_.world.clock().now() + 100ms,
                                 fixture_.world.make_executor(),
                                 [&] { fixture_.pods.progress({230}); });
  auto response = ask(with(kList, "consistency=linearizable"));
  EXPECT_EQ(response.headers.get("Podkeeper-Revision"), "230");
  EXPECT_EQ(status_of(response).at("metadata").at("resourceVersion"), "230");
}

TEST_F(Demanding, Answers504WhereItCannotBeProvenInTime) {
  probe_->newest_now = [] { return Revision{230}; };
  for (const char* path : {kList, kGet, kWatch}) {
    auto response = ask(with(path, "consistency=linearizable"));
    EXPECT_EQ(response.status, 504) << path;
    EXPECT_EQ(response.headers.get("Retry-After"), "1");
    const auto status = status_of(response);
    EXPECT_EQ(status.at("reason"), "Timeout");
    EXPECT_THAT(status.at("message").get<std::string>(), HasSubstr("revision 230"));
  }
}

TEST_F(Demanding, Answers504AsUpstreamForARevisionThatIsNotReached) {
  for (const char* path : {kList, kGet, kWatch}) {
    auto response = ask(with(path, "minRevision=999"));
    EXPECT_EQ(response.status, 504) << path;
    EXPECT_EQ(response.headers.get("Retry-After"), "1");
    const auto status = status_of(response);
    EXPECT_EQ(status.at("details").at("causes").at(0).at("reason"), "ResourceVersionTooLarge");
    EXPECT_EQ(status.at("message"), "Timeout: Too large resource version: 999, current: 220");
  }
}

TEST_F(Demanding, Answers400ForWhatItDoesNotUnderstand) {
  for (const char* path : {kList, kGet, kWatch}) {
    auto response = ask(with(path, "consistency=strong"));
    EXPECT_EQ(response.status, 400) << path;
    const auto status = status_of(response);
    EXPECT_EQ(status.at("reason"), "BadRequest");
    EXPECT_THAT(status.at("message").get<std::string>(), HasSubstr("consistency=\"strong\""));
  }
  EXPECT_EQ(probe_->asked, 0);
}

TEST_F(Demanding, LeavesTheMeaningOfResourceVersionAlone) {
  EXPECT_EQ(ask(with(kList, "resourceVersion=0&consistency=linearizable")).status, 200);
  auto exact = ask(with(kList, "resourceVersion=220&resourceVersionMatch=Exact&maxAgeMs=1000"));
  EXPECT_EQ(exact.status, 200);
  EXPECT_EQ(ask(with(kList, "resourceVersion=999&consistency=snapshot")).status, 504);
}

TEST(ReadDemandOfNobody, IsAnUnknownParameterAsForKubernetes) {
  ApiFixture fixture;
  fixture.load_recorded();
  EXPECT_EQ(fixture.ask(get("/api/v1/pods?consistency=strong&minRevision=x")).status, 200);
}

/// The same, where a read may be forwarded to an upstream of one answer.
class Forwarding : public Demanding {
 protected:
  Forwarding()
      : Demanding([this](http::Request request) -> base::Task<base::Result<http::Response>> {
          asked_.push_back(request.target.path);
          if (fails_) co_return base::Error{base::ErrorCode::kTooManyRequests, "too many"};
          auto answer = http::Response::json(404, "{\"kind\":\"Status\"}\n");
          co_return answer;
        }) {
    probe_->newest_now = [] { return Revision{230}; };
  }
  std::vector<std::string> asked_;
  bool fails_ = false;
};

TEST_F(Forwarding, GivesUpstreamsAnswerWhereTheMirrorIsLate) {
  auto response = ask(with(kGet, "consistency=linearizable"));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(fixture_.body_of(response), "{\"kind\":\"Status\"}\n");
  EXPECT_EQ(response.headers.get("Podkeeper-Forwarded"), "true");
  EXPECT_EQ(response.headers.get("Podkeeper-Revision"), "230");
  EXPECT_EQ(response.headers.get("Podkeeper-Consistency"), "linearizable");
  EXPECT_EQ(asked_, (std::vector<std::string>{kGet}));
}

TEST_F(Forwarding, IsNotForWatchesNorForAnUpstreamThatIsAway) {
  EXPECT_EQ(ask(with(kWatch, "consistency=linearizable")).status, 504);
  probe_->newest_now = [] { return base::Error{base::ErrorCode::kUnavailable, "away"}; };
  EXPECT_EQ(ask(with(kList, "consistency=linearizable")).status, 504);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(Forwarding, EndsIn504WhereUpstreamDoesNotAnswerEither) {
  fails_ = true;
  auto response = ask(with(kList, "consistency=linearizable"));
  EXPECT_EQ(response.status, 504);
  EXPECT_EQ(status_of(response).at("reason"), "Timeout");
  EXPECT_EQ(asked_.size(), 1);
}

}  // namespace
}  // namespace podkeeper::kubeapi
