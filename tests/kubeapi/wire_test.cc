#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <regex>
#include <string>

#include "tests/kubeapi/harness.h"

namespace podkeeper::kubeapi {
namespace {

/// How closely an answer must equal the recording.
enum class Compare {
  kBytes,     ///< every byte of the body
  kAges,      ///< every byte but the Age cell of tables
  kRevision,  ///< every byte but "current: N"
  kStatus,    ///< status and content type: the recorded cluster held other objects by then
};

struct Row {
  const char* number;
  Compare compare = Compare::kBytes;
};
void PrintTo(const Row& row, std::ostream* os) { *os << row.number; }

std::string normalize(std::string body, Compare compare) {
  if (compare == Compare::kAges) {
    static const std::regex kAge(R"re((\{"cells":\["[^"]*","[^"]*","[^"]*","[^"]*",")[^"]*")re");
    return std::regex_replace(body, kAge, "$1AGE\"");
  }
  if (compare == Compare::kRevision) {
    static const std::regex kCurrent(R"(current: \d+)");
    return std::regex_replace(body, kCurrent, "current: N");
  }
  return body;
}

class Recorded : public testing::TestWithParam<Row> {};

TEST_P(Recorded, IsAnsweredAsKubeApiserverDid) {
  const auto& row = GetParam();
  const auto recorded = exchange(row.number);
  ApiFixture fixture;
  fixture.load_recorded();
  auto response = fixture.ask(recorded.request);
  const auto body = fixture.body_of(response);
  EXPECT_EQ(response.status, recorded.status) << recorded.name << "\n" << body;
  EXPECT_EQ(response.content_type, recorded.headers.get("Content-Type").value_or(""))
      << recorded.name;
  EXPECT_EQ(response.headers.get("Retry-After"), recorded.headers.get("Retry-After"))
      << recorded.name;
  if (row.compare == Compare::kStatus || recorded.request.method == "HEAD") return;
  EXPECT_EQ(normalize(body, row.compare), normalize(recorded.body, row.compare)) << recorded.name;
}

constexpr Row kLists[] = {{"019"},
                          {"020"},
                          {"021"},
                          {"022"},
                          {"024"},
                          {"025"},
                          {"026"},
                          {"027"},
                          {"031"},
                          {"032"},
                          {"039"},
                          {"040"},
                          {"041"},
                          {"042"},
                          {"044"},
                          {"045"},
                          {"046"},
                          {"047"},
                          {"049"},
                          {"050"},
                          {"051"},
                          {"052"},
                          {"054"},
                          {"055"},
                          {"056"},
                          {"057"},
                          {"060"},
                          {"070"},
                          {"071"},
                          {"072"},
                          {"115", Compare::kStatus},
                          {"199", Compare::kStatus},
                          {"201", Compare::kStatus},
                          {"209", Compare::kStatus},
                          {"210", Compare::kStatus}};
constexpr Row kShapes[] = {
    {"061", Compare::kAges}, {"062", Compare::kAges}, {"064"}, {"065"}, {"077", Compare::kAges}};
constexpr Row kObjects[] = {{"075"}, {"076"}, {"081"}};
constexpr Row kErrors[] = {{"029"},
                           {"030"},
                           {"034"},
                           {"035"},
                           {"036"},
                           {"037"},
                           {"059"},
                           {"079"},
                           {"080"},
                           {"082"},
                           {"097"},
                           {"100"},
                           {"106", Compare::kRevision},
                           {"107", Compare::kRevision},
                           {"119"},
                           {"120"},
                           {"200"},
                           {"207"}};

const auto kName = [](const testing::TestParamInfo<Row>& info) {
  return std::string(info.param.number);
};
INSTANTIATE_TEST_SUITE_P(List, Recorded, testing::ValuesIn(kLists), kName);
INSTANTIATE_TEST_SUITE_P(Shape, Recorded, testing::ValuesIn(kShapes), kName);
INSTANTIATE_TEST_SUITE_P(Get, Recorded, testing::ValuesIn(kObjects), kName);
INSTANTIATE_TEST_SUITE_P(Error, Recorded, testing::ValuesIn(kErrors), kName);

/// 406: the same Status, but it names what this server can send.
class NotAcceptable : public testing::TestWithParam<const char*> {};

TEST_P(NotAcceptable, NamesWhatCanBeSent) {
  auto recorded = exchange(GetParam());
  ApiFixture fixture;
  fixture.load_recorded();
  auto response = fixture.ask(recorded.request);
  EXPECT_EQ(response.status, 406);
  const std::string upstream =
      "application/json, application/yaml, application/vnd.kubernetes.protobuf, "
      "application/json;stream=watch, "
      "application/vnd.kubernetes.protobuf;stream=watch";
  const auto at = recorded.body.find(upstream);
  ASSERT_NE(at, std::string::npos);
  recorded.body.replace(at, upstream.size(), "application/json, application/json;stream=watch");
  EXPECT_EQ(fixture.body_of(response), recorded.body);
}
INSTANTIATE_TEST_SUITE_P(Recorded, NotAcceptable, testing::Values("069", "121"));

TEST(Negotiation, AnswersJsonWhereProtobufIsOnlyPreferred) {
  ApiFixture fixture;
  fixture.load_recorded();
  auto response = fixture.ask(exchange("067").request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(fixture.body_of(response), exchange("070").body);
  EXPECT_EQ(fixture.ask(exchange("066").request).status, 406);
}

TEST(Recorded, ExpiredListIs410) {
  ApiFixture restarted;  // as after upstream's restart: the history begins at 350
  restarted.load_pods_at(350);
  const auto recorded = exchange("220");
  auto response = restarted.ask(recorded.request);
  EXPECT_EQ(response.status, recorded.status);
  EXPECT_EQ(restarted.body_of(response), recorded.body);
}

TEST(Recorded, ExpiredContinueCarriesATokenToGoOn) {
  ApiFixture fixture;
  fixture.load_pods_at(350);
  auto response = fixture.ask(exchange("026").request);  // its token is of revision 220
  EXPECT_EQ(response.status, 410);
  const auto status = nlohmann::json::parse(fixture.body_of(response));
  EXPECT_EQ(status["reason"], "Expired");
  const auto token = status["metadata"]["continue"].get<std::string>();
  const auto rest = nlohmann::json::parse(fixture.text("/api/v1/pods?continue=" + token));
  ASSERT_EQ(rest["items"].size(), 3);
  EXPECT_EQ(rest["items"][0]["metadata"]["name"], "pend-0");
  EXPECT_EQ(rest["metadata"]["resourceVersion"], "350");
}

TEST(Recorded, InconsistentContinueOfUpstreamIsUnderstood) {
  ApiFixture fixture;
  fixture.load_recorded();
  auto response = fixture.ask(exchange("219").request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(nlohmann::json::parse(fixture.body_of(response))["items"][0]["metadata"]["name"],
            "pend-0");
}

TEST(Discovery, OffersPodsAndNodesAsUpstreamDescribesThem) {
  ApiFixture fixture;
  const auto find = [](const nlohmann::json& list, const std::string& key,
                       const std::string& name) {
    return *std::ranges::find_if(list, [&](const auto& entry) { return entry[key] == name; });
  };
  const auto theirs = nlohmann::json::parse(exchange("007").body);
  const auto ours = nlohmann::json::parse(fixture.text("/api/v1"));
  EXPECT_EQ(ours["groupVersion"], "v1");
  for (auto resource : ours["resources"]) {
    auto expected = find(theirs["resources"], "name", resource["name"]);
    for (auto* entry : {&expected, &resource}) {
      entry->erase("verbs");
      entry->erase("storageVersionHash");
    }
    EXPECT_EQ(resource, expected);
  }
  EXPECT_EQ(ours["resources"][0]["verbs"], nlohmann::json::parse(R"(["get","list","watch"])"));
}

TEST(Discovery, AnswersAggregatedWithEtagAnd304) {
  ApiFixture fixture;
  const auto recorded = exchange("011");
  auto response = fixture.ask(recorded.request);
  EXPECT_EQ(response.content_type, recorded.headers.get("Content-Type"));
  EXPECT_EQ(response.headers.get("Vary"), "Accept");
  const auto theirs = nlohmann::json::parse(recorded.body);
  const auto ours = nlohmann::json::parse(fixture.body_of(response));
  for (auto resource : ours["items"][0]["versions"][0]["resources"]) {
    const auto& all = theirs["items"][0]["versions"][0]["resources"];
    auto expected = *std::ranges::find_if(
        all, [&](const auto& r) { return r["resource"] == resource["resource"]; });
    for (const char* key :
         {"responseKind", "scope", "singularResource", "shortNames", "categories"}) {
      EXPECT_EQ(resource.value(key, nlohmann::json()), expected.value(key, nlohmann::json()))
          << key;
    }
  }
  auto again = recorded.request;
  again.headers.add("If-None-Match", std::string(response.headers.get("ETag").value()));
  auto unchanged = fixture.ask(again);
  EXPECT_EQ(unchanged.status, exchange("013").status);
  EXPECT_EQ(fixture.body_of(unchanged), "");
}

TEST(Discovery, TellsVersionsGroupsAndTheServersVersion) {
  ApiFixture fixture;
  auto request = get("/api");
  request.headers.add("Host", "192.0.2.1:6443");
  auto response = fixture.ask(request);
  EXPECT_EQ(fixture.body_of(response), exchange("005").body);
  EXPECT_EQ(fixture.text("/apis"),
            "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[]}\n");
  const auto theirs = nlohmann::json::parse(exchange("004").body);
  const auto ours = nlohmann::json::parse(fixture.text("/version"));
  for (const char* key : {"major", "minor", "gitVersion", "platform"})
    EXPECT_EQ(ours[key], theirs[key]);
}

TEST(ReadApi, SaysHowCurrentAnAnswerIs) {
  ApiFixture fixture;
  fixture.load_recorded();
  fixture.world.run_for(std::chrono::milliseconds(1500));
  const auto response = fixture.ask(get("/api/v1/pods"));
  EXPECT_EQ(response.headers.get("Podkeeper-Revision"), "220");
  EXPECT_EQ(response.headers.get("Podkeeper-Consistency"), "eventual");
}

TEST(ReadApi, AsksForPatienceUntilTheFirstListIsComplete) {
  ApiFixture fixture;
  for (const char* target :
       {"/api/v1/pods", "/api/v1/namespaces/a/pods/b", "/api/v1/pods?watch=1"}) {
    const auto response = fixture.ask(get(target));
    EXPECT_EQ(response.status, 503) << target;
    EXPECT_EQ(response.headers.get("Retry-After"), "1") << target;
  }
}

TEST(ReadApi, WaitsForARevisionThatIsOnItsWay) {
  ApiFixture fixture;
  fixture.load_recorded();
  std::string body;
  fixture.world.clock().call_at(fixture.world.clock().now() + std::chrono::seconds(2),
                                fixture.world.make_executor(),
                                [&] { fixture.pods.progress({230}); });
  auto response = fixture.ask(get("/api/v1/pods?resourceVersion=230"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("Podkeeper-Revision"), "230");
}

}  // namespace
}  // namespace podkeeper::kubeapi
