#include "pkg/api/state_api.h"

#include "pkg/runtime/simulated_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/state/scripted_probe.h"
#include "tests/state/support.h"

namespace podkeeper::api {
namespace {

using nlohmann::json;
using state::testing::PodSpec;
using testing::HasSubstr;
using Names = std::vector<std::string>;

/// /state over a mirror and its states, each as a test wants it.
class StateApi : public testing::Test {
 protected:
  StateApi() {
    add_state_routes(router_, {.authorizer = everybody_,
                               .pods = state::Reader(pods_),
                               .nodes = state::Reader(nodes_),
                               .pod_states = states_,
                               .maps = {},
                               .policies = [] { return policy::Board{}; },
                               .clock = clock_,
                               .overload = overload_});
  }
  /// Mirrors the pods and derives a state for each.
  void hold(const std::vector<PodSpec>& specs) {
    std::vector<std::unique_ptr<kube::Object>> objects;
    for (const PodSpec& spec : specs) {
      objects.push_back(state::testing::pod(spec));
      state::PodState state;
      state.pod = state::testing::record(spec);
      states_.map().put(base::make_ref<const state::PodStateRecord>(std::move(state)));
    }
    pods_.replace(std::move(objects), {10});
    states_.set_complete();
  }
  http::Response ask(const std::string& target) {
    http::Request request;
    request.method = "GET";
    request.target = http::parse_target(target).value();
    http::Response answer;
    auto body = [&]() -> base::Task<void> {
      auto asked = (*router_.find(request.target))(std::move(request));
      answer = co_await std::move(asked);
    };
    world_.run_task(body);
    return answer;
  }
  json answer(const std::string& target) {
    return json::parse(std::get<std::string>(ask(target).body));
  }
  Names names(const std::string& query) {
    Names names;
    for (const json& item : answer("/state/v1/pods" + query).at("items")) {
      names.push_back(item.at("name").get<std::string>());
    }
    return names;
  }

  runtime::SimulatedWorld world_{1};
  state::testing::StandingClock clock_;
  state::testing::Everybody everybody_;
  state::Store pods_{clock_, state::testing::pod_store()};
  state::Store nodes_{clock_, {.resource = kube::nodes(), .map = {}, .log = {.events_max = 8}}};
  state::PodStates states_{clock_};
  telemetry::Metrics metrics_;
  std::shared_ptr<http::Overload> overload_ = std::make_shared<http::Overload>(metrics_);
  http::Router router_;
};

TEST_F(StateApi, AnswersOnlyOncePodsHaveBeenListedAndEachHasItsState) {
  const http::Response early = ask("/state/v1/pods");
  EXPECT_EQ(early.status, 503);
  EXPECT_EQ(early.headers.get("Retry-After"), "1");
  pods_.replace({}, {9});
  const http::Response incomplete = ask("/state/v1/pods");
  EXPECT_EQ(incomplete.status, 503);
  EXPECT_THAT(std::get<std::string>(incomplete.body), HasSubstr("not complete"));
  hold({});
  EXPECT_EQ(ask("/state/v1/pods").status, 200);
}

TEST_F(StateApi, ListsWhatANamespaceANodeAndAPhaseHave) {
  hold({{.namespace_ = "a", .name = "w", .node = "n1"},
        {.namespace_ = "a", .name = "x", .node = "n2"},
        {.namespace_ = "b", .name = "y", .node = "n1", .phase = "Pending"},
        {.namespace_ = "b", .name = "z", .node = "n,1"}});
  EXPECT_EQ(names(""), (Names{"w", "x", "y", "z"}));
  EXPECT_EQ(names("?namespace=a"), (Names{"w", "x"}));
  EXPECT_EQ(names("?node=n1"), (Names{"w", "y"}));
  EXPECT_EQ(names("?fieldSelector=spec.nodeName%3Dn1"), (Names{"w", "y"}));
  EXPECT_EQ(names("?node=n1&namespace=b"), (Names{"y"}));
  EXPECT_EQ(names("?node=n1&phase=Running"), (Names{"w"}));
  EXPECT_EQ(names("?node=n%2C1"), (Names{"z"}));
  EXPECT_EQ(names("?node=n1&fieldSelector=spec.nodeName%3Dn2"), Names{});
  EXPECT_EQ(names("?namespace=none"), Names{});
}

TEST_F(StateApi, AStateOutlivesItsPodInNoNarrowedList) {
  hold({{.namespace_ = "a", .name = "w", .node = "n1"}});
  pods_.replace({}, {11});
  EXPECT_EQ(names("?namespace=a"), Names{});
}

TEST_F(StateApi, PagesOfANodesPodsFollowEachOther) {
  hold({{.name = "u", .node = "n1"}, {.name = "v", .node = "n1"}, {.name = "w", .node = "n2"}});
  const json first = answer("/state/v1/pods?node=n1&limit=1");
  EXPECT_EQ(first.at("items").at(0).at("name"), "u");
  EXPECT_EQ(names("?node=n1&limit=1&continue=" + first.at("continue").get<std::string>()),
            (Names{"v"}));
}

TEST_F(StateApi, ShedsListsWhileMemoryIsScarceAndAnswersTheRest) {
  hold({{.namespace_ = "a", .name = "w", .node = "n1"}});
  nodes_.replace({}, {10});
  overload_->set(http::OverloadState::kShedLists);
  for (const char* list : {"/state/v1/pods", "/state/v1/pods?namespace=a", "/state/v1/nodes"}) {
    const http::Response shed = ask(list);
    EXPECT_EQ(shed.status, 429) << list;
    EXPECT_EQ(shed.headers.get("Retry-After"), "1") << list;
    EXPECT_THAT(std::get<std::string>(shed.body), HasSubstr("TooManyRequests")) << list;
  }
  EXPECT_EQ(ask("/state/v1/pods/a/w").status, 200);
  EXPECT_EQ(ask("/state/v1/summary").status, 200);
  EXPECT_EQ(ask("/state/v1/maps").status, 200);
  overload_->set(http::OverloadState::kNormal);
  EXPECT_EQ(names(""), (Names{"w"}));
}

TEST_F(StateApi, NamesWhatIsWrongWithAQuery) {
  hold({});
  const http::Response refused = ask("/state/v1/pods?colour=red");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(std::get<std::string>(refused.body), HasSubstr("colour"));
}

/// The same over an upstream that a test plays.
class DemandingStateApi : public testing::Test {
 protected:
  DemandingStateApi() {
    probe_->newest_now = [] { return kube::Revision{10}; };
    const auto currency_of = [this](state::Store& store) {
      return std::make_shared<state::Currency>(world_, group_, metrics_, store, probe_);
    };
    add_state_routes(router_, {.authorizer = everybody_,
                               .pods = state::Reader(pods_),
                               .nodes = state::Reader(nodes_),
                               .pod_states = states_,
                               .maps = {},
                               .policies = [] { return policy::Board{}; },
                               .clock = world_.clock(),
                               .pods_currency = currency_of(pods_),
                               .nodes_currency = currency_of(nodes_),
                               .catch_up = [this](std::string key) -> base::Task<void> {
                                 caught_up_.push_back(std::move(key));
                                 co_return;
                               }});
    pods_.replace({}, {10});
    nodes_.replace({}, {10});
    states_.set_complete();
  }
  ~DemandingStateApi() override {
    group_.stop();
    world_.run_for(std::chrono::minutes(1));
  }
  http::Response ask(const std::string& target) {
    http::Request request;
    request.method = "GET";
    request.target = http::parse_target(target).value();
    http::Response answer;
    auto body = [&]() -> base::Task<void> {
      auto asked = (*router_.find(request.target))(std::move(request));
      answer = co_await std::move(asked);
    };
    world_.run_task(body);
    return answer;
  }

  runtime::SimulatedWorld world_{1};
  runtime::TaskRegistry registry_{world_.clock()};
  runtime::TaskGroup group_{world_, registry_, "test"};
  telemetry::Metrics metrics_;
  state::testing::Everybody everybody_;
  state::Store pods_{world_.clock(), state::testing::pod_store()};
  state::Store nodes_{world_.clock(), {.resource = kube::nodes(), .map = {}, .log = {}}};
  state::PodStates states_{world_.clock()};
  std::shared_ptr<state::testing::ScriptedProbe> probe_ =
      std::make_shared<state::testing::ScriptedProbe>(world_);
  std::vector<std::string> caught_up_;
  http::Router router_;
};

TEST_F(DemandingStateApi, ProvesWhatEachPathReadsAndBringsTheStatesUpToIt) {
  for (const char* path : {"/state/v1/pods", "/state/v1/summary", "/state/v1/nodes"}) {
    const auto response = ask(std::string(path) + "?consistency=linearizable");
    EXPECT_EQ(response.status, 200) << path;
    EXPECT_EQ(response.headers.get("Podkeeper-Consistency"), "linearizable");
  }
  EXPECT_EQ(probe_->asked, 4) << "the summary reads pods and nodes";
  EXPECT_EQ(caught_up_, (std::vector<std::string>{"", ""}));
  EXPECT_EQ(ask("/state/v1/pods/shop/a?maxAgeMs=0").status, 404);
  EXPECT_EQ(caught_up_.back(), "shop/a");
  EXPECT_EQ(ask("/state/v1/pods").headers.get("Podkeeper-Consistency"), "eventual");
  EXPECT_EQ(caught_up_.size(), 3);
}

TEST_F(DemandingStateApi, Answers504InItsOwnFormatWhereNothingIsProven) {
  probe_->newest_now = [] { return kube::Revision{50}; };
  for (const char* query : {"?consistency=linearizable", "?minRevision=50", "?maxAgeMs=0"}) {
    const auto response = ask(std::string("/state/v1/pods") + query);
    EXPECT_EQ(response.status, 504) << query;
    EXPECT_EQ(response.headers.get("Retry-After"), "1");
    const auto error = json::parse(std::get<std::string>(response.body)).at("error");
    EXPECT_EQ(error.at("code"), "Timeout");
    EXPECT_EQ(error.at("retryable"), true);
  }
}

TEST_F(DemandingStateApi, Answers400NamingParameterAndValue) {
  const auto response = ask("/state/v1/nodes?consistency=strong");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(std::get<std::string>(response.body), HasSubstr("consistency=\\\"strong\\\""));
  for (const char* path : {"nodes", "nodes/n", "pods", "pods/a/b", "summary"}) {
    const auto misspelt = ask(std::string("/state/v1/") + path + "?consistensy=snapshot");
    EXPECT_EQ(misspelt.status, 400) << path;
    EXPECT_THAT(std::get<std::string>(misspelt.body), HasSubstr("consistency, maxAgeMs"));
  }
  EXPECT_EQ(probe_->asked, 0);
}

}  // namespace
}  // namespace podkeeper::api
