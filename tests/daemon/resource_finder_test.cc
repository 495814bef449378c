#include "daemon/resource_finder.h"

#include "pkg/access/authorized.h"
#include "pkg/controllers/policy_controller.h"
#include "pkg/kube/object_client.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/simkube/simkube.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/mirrors.h"
#include "tests/http/support/whole_text.h"
#include "tests/simkube/support/widgets.h"

// What --resources leads to, against the embedded cluster: found by discovery, mirrored, shown.
namespace podkeeper::daemon {
namespace {

using Json = nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace nlohmann::literals;  // NOLINT(google-build-using-namespace): _json_pointer

constexpr const char* kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
constexpr const char* kWidgets = "/apis/test.podkeeper.dev/v1/namespaces/shop/widgets";
constexpr const char* kTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// A replica's mirrors and its read API beside a cluster, in one simulated world.
class Replica {
 public:
  explicit Replica(std::vector<std::string> resources, std::vector<std::string> allowed = {})
      : world(1) {
    settings.resources = {"pods", "nodes"};
    std::ranges::move(resources, std::back_inserter(settings.resources));
    settings.allow_sensitive = std::move(allowed);
    simkube::SimKubeOptions options;
    options.nodes = 2;
    options.pods = 10;
    options.churn = 0;
    cluster = std::make_unique<simkube::SimKube>(world, serving, metrics, std::move(options));
    endpoint = cluster->start().value();
    client = std::make_unique<http::Client>(
        world, metrics, http::ClientOptions{.endpoint = endpoint, .user_agent = "test"});
    mirrors = Mirrors::make({.world = world,
                             .proving = background,
                             .client = *client,
                             .shared_doubt = shared_doubt,
                             .metrics = metrics,
                             .settings = settings,
                             .authorizer = authorizer})
                  .value();
    finder = std::make_unique<ResourceFinder>(world, *client, *mirrors);
    api = std::make_unique<kubeapi::ReadApi>(
        world, authorizer, metrics, std::vector<state::Reader>{}, kubeapi::ReadApiOptions{});
    mirrors->serve_through(
        [this](const Mirrors::Served& served) { api->serve(served.resources, served.generation); });
  }
  ~Replica() {
    end(background);
    run([this] { return mirrors->shut_down(); });
    end(serving);
  }

  /// What the daemon does: one round that is waited for, then a task.
  base::Result<void> start() {
    if (auto started = mirrors->start(); !started) return started;
    auto found = find();
    const auto spawned = background.spawn("resource finder", base::Handler::kTimer,
                                          [this] { return finder->run(); });
    if (!spawned) return spawned;
    world.run_for(seconds(2));
    return found;
  }
  base::Result<void> find() {
    base::Result<void> result;
    world.run_task([&]() -> base::Task<void> {
      auto finding = finder->find();
      result = co_await std::move(finding);
    });
    return result;
  }
  void run(const std::function<base::Task<void>()>& make) { world.run_task(make); }
  void end(runtime::TaskGroup& group) {
    group.stop();
    run([&group]() -> base::Task<void> {
      auto joined = group.join();
      co_await std::move(joined);
    });
  }

  /// Asks the cluster; gives status and body.
  std::pair<int, Json> upstream(const std::string& method, const std::string& target,
                                const Json& body = {}, const std::string& accept = "") {
    std::pair<int, Json> answer;
    run([&]() -> base::Task<void> {
      http::ClientRequest request;
      request.method = method;
      request.target = target;
      request.headers.add("Content-Type", "application/json");
      if (!accept.empty()) request.headers.add("Accept", accept);
      if (!body.is_null()) request.body = body.dump();
      auto sending = client->send(std::move(request), world.clock().now() + seconds(5));
      auto response = co_await std::move(sending);
      auto reading = response.value().read_all(1 << 20);
      const auto text = co_await std::move(reading);
      answer = {response->status, Json::parse(text.value(), nullptr, false)};
    });
    return answer;
  }
  /// Asks the replica.
  std::pair<int, Json> ask(const std::string& target, const std::string& accept = "") {
    http::Request request;
    request.method = "GET";
    request.target = http::parse_target(target).value();
    if (!accept.empty()) request.headers.add("Accept", accept);
    http::Response response;
    const auto handler = api->handler();
    run([&]() -> base::Task<void> {
      auto answer = handler(std::move(request));
      response = co_await std::move(answer);
    });
    return {response.status, Json::parse(http::whole_text(response), nullptr, false)};
  }
  /// The same request, the same answer from both; without what discovery or time make different.
  void expect_equal(const std::string& target, const std::string& accept = "") {
    const auto ours = ask(target, accept);
    EXPECT_EQ(ours.first, 200) << target;
    const auto theirs = upstream("GET", target, {}, accept).second;
    EXPECT_EQ(sorted(ours.second), sorted(theirs)) << target;
  }
  static Json sorted(Json list) {
    list["metadata"].erase("resourceVersion");
    return list;
  }
  std::string not_ready() {
    const auto offered = mirrors->check_offered();
    return offered ? "" : offered.error().message;
  }
  void make_widget(const std::string& name, const std::string& colour) {
    const Json widget = {{"apiVersion", "test.podkeeper.dev/v1"},
                         {"kind", "Widget"},
                         {"metadata", {{"name", name}}},
                         {"spec", {{"colour", colour}}}};
    EXPECT_EQ(upstream("POST", kWidgets, widget).first, 201);
  }
  void define_widgets() {
    const auto crd = Json::parse(simkube::widgets_crd().dump());
    EXPECT_EQ(upstream("POST", kDefinitions, crd).first, 201);
    const Json shop = {
        {"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "shop"}}}};
    upstream("POST", "/api/v1/namespaces", shop);
  }

  runtime::SimulatedWorld world;
  settings::Settings settings;
  runtime::TaskRegistry registry{world.clock()};
  telemetry::Metrics metrics;
  access::LoopbackAuthorizer authorizer;
  runtime::TaskGroup serving{world, registry, "serving"};
  runtime::TaskGroup background{world, registry, "background"};
  std::unique_ptr<simkube::SimKube> cluster;
  base::Endpoint endpoint;
  std::unique_ptr<http::Client> client;
  kube::SharedDoubt shared_doubt;
  std::unique_ptr<Mirrors> mirrors;
  std::unique_ptr<ResourceFinder> finder;
  std::unique_ptr<kubeapi::ReadApi> api;
};

TEST(ResourceFinder, MirrorsWhatDiscoveryOffers) {
  Replica replica({"deployments.apps", "configmaps", "clusterroles.rbac.authorization.k8s.io"});
  const Json map = {{"apiVersion", "v1"},
                    {"kind", "ConfigMap"},
                    {"metadata", {{"name", "settings"}}},
                    {"data", {{"a", "1"}}}};
  ASSERT_EQ(replica.upstream("POST", "/api/v1/namespaces/default/configmaps", map).first, 201);
  ASSERT_TRUE(replica.start());
  EXPECT_EQ(replica.not_ready(), "");
  EXPECT_TRUE(replica.mirrors->check_synced());
  for (const char* path : {"/apis/apps/v1/deployments", "/api/v1/configmaps", "/api/v1/nodes",
                           "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                           "/api/v1/namespaces/default/configmaps/settings"}) {
    replica.expect_equal(path);
    replica.expect_equal(path,
                         path == std::string_view("/api/v1/namespaces/default/configmaps/settings")
                             ? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
                             : "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
  }
}

TEST(ResourceFinder, TellsClientsOfItAsUpstreamDoes) {
  Replica replica({"deployments.apps", "configmaps"});
  ASSERT_TRUE(replica.start());
  const auto resources = replica.ask("/apis/apps/v1").second.at("resources");
  const Json& deployments = resources.at(0);
  EXPECT_EQ(deployments.at("name"), "deployments");
  EXPECT_EQ(deployments.at("singularName"), "deployment");
  EXPECT_EQ(deployments.at("kind"), "Deployment");
  EXPECT_EQ(deployments.at("namespaced"), true);
  EXPECT_EQ(deployments.at("shortNames"), Json::array({"deploy"}));
  EXPECT_EQ(deployments.at("categories"), Json::array({"all"}));
  EXPECT_EQ(deployments.at("verbs"), Json::array({"get", "list", "watch"}));
  EXPECT_EQ(resources.at(1).at("name"), "deployments/status");
  const auto table = replica.ask("/api/v1/configmaps", kTable).second;
  EXPECT_EQ(table.at("columnDefinitions").at(1).at("name"), "Age");
}

TEST(ResourceFinder, AResourceThatComesLaterIsServedFromThenOn) {
  Replica replica({"widgets.test.podkeeper.dev", "configmaps"});
  ASSERT_TRUE(replica.start());
  EXPECT_THAT(replica.not_ready(), HasSubstr("widgets.test.podkeeper.dev"));
  EXPECT_THAT(replica.not_ready(), HasSubstr("does not offer"));
  EXPECT_TRUE(replica.mirrors->check_synced()) << "what is there is served";
  EXPECT_EQ(replica.ask("/api/v1/configmaps").first, 200);
  EXPECT_EQ(replica.ask(kWidgets).first, 404);
  replica.define_widgets();
  replica.make_widget("first", "green");
  replica.world.run_for(ResourceFinder::kFindEvery + seconds(2));
  EXPECT_EQ(replica.not_ready(), "");
  replica.expect_equal(kWidgets);
  replica.expect_equal(std::string(kWidgets) + "/first");
  replica.expect_equal(std::string(kWidgets) + "?fieldSelector=spec.colour%3Dgreen");
  replica.expect_equal(std::string(kWidgets), kTable);
}

TEST(ResourceFinder, AResourceThatGoesIsServedNoMoreAndComesBack) {
  Replica replica({"widgets.test.podkeeper.dev"});
  replica.define_widgets();
  replica.make_widget("first", "green");
  ASSERT_TRUE(replica.start());
  EXPECT_EQ(replica.ask(kWidgets).second.at("items").size(), 1);
  const std::string definition = std::string(kDefinitions) + "/widgets.test.podkeeper.dev";
  ASSERT_EQ(replica.upstream("DELETE", definition).first, 200);
  replica.world.run_for(seconds(60));
  EXPECT_EQ(replica.ask(kWidgets).first, 404);
  EXPECT_EQ(replica.not_ready(), "") << "one definition must not take every replica away";
  EXPECT_TRUE(replica.mirrors->check_fresh(std::chrono::minutes(3)));
  EXPECT_EQ(replica.mirrors->discovered().front()->store().stats().objects, 0);
  replica.define_widgets();
  replica.make_widget("second", "red");
  replica.world.run_for(seconds(60));
  const auto list = replica.ask(kWidgets).second;
  ASSERT_EQ(list.at("items").size(), 1);
  EXPECT_EQ(list.at("items").at(0).at("metadata").at("name"), "second");
}

TEST(ResourceFinder, ShowsACustomResourceAsItsDefinitionHasItNow) {
  Replica replica({"widgets.test.podkeeper.dev"});
  replica.define_widgets();
  replica.make_widget("first", "green");
  ASSERT_TRUE(replica.start());
  replica.expect_equal(kWidgets, kTable);
  const std::string path = std::string(kDefinitions) + "/widgets.test.podkeeper.dev";
  Json definition = replica.upstream("GET", path).second;
  for (Json& version : definition["spec"]["versions"]) {
    version["additionalPrinterColumns"] = {
        {{"name", "Hue"}, {"type", "string"}, {"jsonPath", ".spec.colour"}}};
  }
  ASSERT_EQ(replica.upstream("PUT", path, definition).first, 200);
  replica.world.run_for(ResourceFinder::kLookEvery + ResourceFinder::kFindEvery + seconds(2));
  replica.expect_equal(kWidgets, kTable);
  const auto table = replica.ask(kWidgets, kTable).second;
  EXPECT_EQ(table.at("columnDefinitions").at(1).at("name"), "Hue");
  EXPECT_EQ(table.at("rows").at(0).at("cells").at(1), "green");
}

TEST(ResourceFinder, ANameThatWillNeverBeServedIsRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"deploy", "deployments.apps"},
      {"Deployment.apps", "deployments.apps"},
      {"deployments", "deployments.apps"},
  };
  for (const auto& [name, advice] : cases) {
    Replica replica({name});
    const auto found = replica.find();
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code, base::ErrorCode::kInvalidArgument);
    EXPECT_THAT(found.error().message, HasSubstr(advice));
    EXPECT_THAT(replica.not_ready(), HasSubstr("pods"));
  }
}

TEST(ResourceFinder, AnUpstreamThatIsAwayHoldsNothingUp) {
  Replica replica({"configmaps"});
  replica.end(replica.serving);
  EXPECT_TRUE(replica.find());
  ASSERT_TRUE(replica.mirrors->discovered().front()->problem().contains("GET /api"));
}

TEST(ResourceFinder, APolicyGovernsAResourceThatWasFound) {
  Replica replica({"deployments.apps", "concurrentmappolicies.podkeeper.dev"});
  ASSERT_TRUE(replica.start());
  kube::ObjectClient objects(replica.world, *replica.client);
  const auto discovered = replica.mirrors->discovered();
  const auto maps = replica.mirrors->maps();
  const std::string policies = kube::concurrent_map_policies().plural_group();
  controllers::PolicyController controller(
      replica.world, discovered.back()->reader(),
      replica.authorizer.read("", {policies, ""}).value(), objects,
      std::vector<policy::PartitionedStore*>(maps.begin(), maps.end()),
      controllers::PolicyControllerOptions{.instance = "replica-0", .metrics = &replica.metrics});
  ASSERT_TRUE(controller.start(replica.background));
  const Json body = {
      {"apiVersion", "podkeeper.dev/v1alpha1"},
      {"kind", "ConcurrentMapPolicy"},
      {"metadata", {{"name", "roll"}}},
      {"spec",
       {{"strategy", "Mutex"}, {"target", {{"resources", Json::array({"deployments.apps"})}}}}}};
  ASSERT_EQ(replica.upstream("POST", kube::concurrent_map_policies().path(), body).first, 201);
  replica.world.run_for(seconds(3));
  const auto report = discovered.front()->store().partitions().report();
  ASSERT_EQ(report.size(), 2);
  EXPECT_EQ(report[0].policy, "roll");
  EXPECT_EQ(report[0].map.strategy, cmap::Strategy::kMutex);
  EXPECT_EQ(report[0].map.entries, discovered.front()->store().stats().objects);
  replica.end(replica.background);
}

TEST(MirroredNames, RefuseWhatHoldsCredentialsUnlessItIsAllowed) {
  settings::Settings settings;
  for (const char* name : {"secrets", "secrets.v1.", "routes.route.openshift.io"}) {
    settings.resources = {"pods", "nodes", name};
    settings.allow_sensitive = {"tokens.management.cattle.io"};
    const auto refused = mirrored_names(settings);
    ASSERT_FALSE(refused) << name;
    EXPECT_THAT(refused.error().message, HasSubstr("--allow-sensitive="));
  }
  settings.resources = {"pods", "nodes", "secrets"};
  settings.allow_sensitive = {"secrets"};
  EXPECT_TRUE(mirrored_names(settings));
  settings.allow_sensitive = {"configmaps"};
  EXPECT_THAT(mirrored_names(settings).error().message, HasSubstr("secrets, "));
}

TEST(MirroredNames, RefuseAResourceThatComesTwice) {
  settings::Settings settings;
  for (const char* again : {"pods", "pods.v1."}) {
    settings.resources = {"pods", "nodes", again};
    EXPECT_THAT(mirrored_names(settings).error().message, HasSubstr("twice")) << again;
  }
}

TEST(ResourceFinder, SecretsAreMirroredWhereTheyAreAllowed) {
  Replica replica({"secrets"}, {"secrets"});
  const Json secret = {{"apiVersion", "v1"},
                       {"kind", "Secret"},
                       {"metadata", {{"name", "key"}}},
                       {"data", {{"token", "czNjcjN0"}}}};
  ASSERT_EQ(replica.upstream("POST", "/api/v1/namespaces/default/secrets", secret).first, 201);
  ASSERT_TRUE(replica.start());
  replica.expect_equal("/api/v1/namespaces/default/secrets/key");
  const auto table = replica.ask("/api/v1/secrets", kTable).second;
  EXPECT_THAT(table.dump(), Not(HasSubstr("czNjcjN0")));
}

}  // namespace
}  // namespace podkeeper::daemon
