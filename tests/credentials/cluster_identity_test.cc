#include "pkg/credentials/cluster_identity.h"

#include "pkg/credentials/sources.h"
#include "pkg/http/client.h"
#include "pkg/kube/object.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/telemetry/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/faults/record.h"
#include "tests/tls/peer/server.h"

namespace podkeeper::credentials {
namespace {

using namespace std::chrono_literals;
using base::Task;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using tls::testing::make_certificate;
using tls::testing::Pair;
using tls::testing::ServerContext;

constexpr const char* kApiVersion = "client.authentication.k8s.io/v1";
const std::string kFolder = kServiceAccountFolder;

const Pair& authority(std::size_t which = 0) {
  static const std::array<Pair, 2> made{make_certificate({.name = "first", .authority = true}),
                                        make_certificate({.name = "second", .authority = true})};
  return made[which];
}
const Pair& server_of(std::size_t which = 0) {
  static const std::array<Pair, 2> made{
      make_certificate({.addresses = {"127.0.0.1"}}, &authority(0)),
      make_certificate({.addresses = {"127.0.0.1"}}, &authority(1))};
  return made[which];
}

/// Runs a script of the test in place of any program.
class Programs final : public base::Processes {
 public:
  using Script =
      std::function<Task<base::Result<base::ProgramEnd>>(base::Program, base::MonotonicTime)>;
  Task<base::Result<base::ProgramEnd>> run(base::Program program,
                                           base::MonotonicTime deadline) override {
    auto running = script_(std::move(program), deadline);
    co_return co_await std::move(running);
  }
  void put(Script script) { script_ = std::move(script); }

 private:
  Script script_;
};

/// An API server over TLS that answers 200 to the tokens it knows, 401 to others, and a client with
/// an identity; both in virtual time.
class Cluster {
 public:
  Cluster() : logging({.write = [this](std::string_view line) { log += line; }}, world.clock()) {
    use_server(0);
    listener_ = world.network().listen({"127.0.0.1", 0}).value();
    (void)group.spawn("server", base::Handler::kEvent, [this] { return accept(); });
    world.put_file(kFolder + "/token", "first\n");
    world.put_file(kFolder + "/ca.crt", authority(0).certificate);
  }
  ~Cluster() {
    world.run_task([this]() -> Task<void> {
      group.stop();
      auto joining = group.join();
      co_await std::move(joining);
    });
  }

  void use_server(std::size_t which) {
    server_ =
        std::make_shared<ServerContext>(tls::testing::ServerOptions{.identity = server_of(which)});
  }

  [[nodiscard]] ClusterAccess access() const {
    ClusterAccess access;
    access.source = "test";
    access.server.endpoint = listener_->address();
    access.authority.file = kFolder + "/ca.crt";
    return access;
  }
  [[nodiscard]] ClusterAccess service_account() const {
    ClusterAccess own = access();
    own.token_file = kFolder + "/token";
    return own;
  }
  [[nodiscard]] ClusterAccess plugin() const {
    ClusterAccess own = access();
    own.exec = ExecPlugin{.api_version = kApiVersion, .command = "login"};
    return own;
  }
  /// Each run of the plugin gives the next token, which holds for `life`.
  void put_plugin(base::Duration life, std::vector<std::string> tokens) {
    programs.put([this, life, tokens](base::Program,
                                      base::MonotonicTime) -> Task<base::Result<base::ProgramEnd>> {
      auto sleep = world.clock().sleep_for(100ms);
      co_await std::move(sleep);
      const std::string token = tokens.at(runs++);
      const auto until = std::chrono::floor<std::chrono::seconds>(world.clock().wall_now() + life);
      const kube::UnixSeconds when = until.time_since_epoch().count();
      co_return base::ProgramEnd{.output = R"({"kind":"ExecCredential","apiVersion":")" +
                                           std::string(kApiVersion) + R"(","status":{"token":")" +
                                           token + R"(","expirationTimestamp":")" +
                                           kube::format_time(when) + R"("}})"};
    });
  }

  void start(ClusterAccess its_access) {
    auto made = ClusterIdentity::make(world, programs, metrics, std::move(its_access));
    ASSERT_TRUE(made) << made.error().message;
    identity = *std::move(made);
    http::ClientOptions options;
    options.endpoint = listener_->address();
    options.identity = identity;
    client = std::make_unique<http::Client>(world, metrics, std::move(options));
    (void)group.spawn("credentials", base::Handler::kTimer, [this] { return identity->run(); });
  }
  Task<std::string> ask() {
    http::ClientRequest request;
    request.target = "/x";
    auto sending = client->send(std::move(request), world.clock().now() + 60s);
    auto response = co_await std::move(sending);
    if (!response) co_return response.error().message;
    auto reading = response->read_all(1000);
    const auto body = co_await std::move(reading);
    co_return body ? std::to_string(response->status) + " " + *body : body.error().message;
  }
  std::string get() {
    std::string answer;
    world.run_task([&]() -> Task<void> {
      auto asking = ask();
      answer = co_await std::move(asking);
    });
    return answer;
  }
  [[nodiscard]] bool counted(const std::string& line) const {
    return metrics.render().contains(line + "\n");
  }

  runtime::SimulatedWorld world{1};
  Programs programs;
  telemetry::Metrics metrics;
  std::string log;
  telemetry::Logging logging;
  runtime::TaskRegistry registry{world.clock()};
  runtime::TaskGroup group{world, registry, "test"};
  std::shared_ptr<ClusterIdentity> identity;
  std::unique_ptr<http::Client> client;
  std::vector<std::string> known{"first"};  ///< tokens
  std::vector<std::string> seen;            ///< the token of each request
  std::size_t runs = 0;                     ///< of the plugin
  std::size_t connections = 0;

 private:
  Task<void> accept() {
    while (true) {
      auto accepting = listener_->accept(world.make_executor());
      auto transport = co_await std::move(accepting);
      if (!transport) co_return;
      ++connections;
      std::shared_ptr<base::Stream> stream = server_->secure(*std::move(transport));
      (void)group.spawn("connection", base::Handler::kHttp,
                        [this, stream] { return serve(stream); });
    }
  }
  Task<void> serve(std::shared_ptr<base::Stream> stream) {
    auto shaking = static_cast<tls::TlsStream&>(*stream).handshake();
    if (const auto shaken = co_await std::move(shaking); !shaken) co_return;
    std::string text;
    std::string buffer(4096, '\0');
    while (true) {
      auto reading = stream->read_some(boost::asio::buffer(buffer));
      const auto got = co_await std::move(reading);
      if (!got || *got == 0) co_return;
      text.append(buffer, 0, *got);
      if (!text.ends_with("\r\n\r\n")) continue;
      const std::string answer = answer_to(std::exchange(text, {}));
      const std::array pieces{boost::asio::buffer(answer)};
      auto writing = stream->write(pieces);
      if (const auto written = co_await std::move(writing); !written) co_return;
    }
  }
  std::string answer_to(const std::string& head) {
    const std::size_t at = head.find("Authorization: Bearer ");
    const std::string token =
        at == std::string::npos ? "" : head.substr(at + 22, head.find('\r', at) - at - 22);
    seen.push_back(token);
    const bool good = std::ranges::find(known, token) != known.end();
    return good ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                : "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nwho";
  }

  std::unique_ptr<base::Listener> listener_;
  std::shared_ptr<ServerContext> server_;
};

TEST(ClusterIdentity, SpeaksTlsWithItsTokenOverOneConnection) {
  Cluster cluster;
  cluster.start(cluster.service_account());
  cluster.world.run_task([&]() -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      auto asking = cluster.ask();
      EXPECT_EQ(co_await std::move(asking), "200 ok");
    }
  });
  EXPECT_EQ(cluster.connections, 1U);
  EXPECT_THAT(cluster.seen, ElementsAre("first", "first", "first"));
}

TEST(ClusterIdentity, UsesANewTokenWithinAMinuteAndWithoutA401) {
  Cluster cluster;
  cluster.start(cluster.service_account());
  EXPECT_EQ(cluster.get(), "200 ok");
  cluster.known = {"first", "second"};
  cluster.world.put_file(kFolder + "/token", "second");
  cluster.world.run_for(60s);
  cluster.known = {"second"};
  EXPECT_EQ(cluster.get(), "200 ok");
  EXPECT_THAT(cluster.seen, ElementsAre("first", "second"));
  EXPECT_TRUE(cluster.counted(R"(podkeeper_token_reload_total{result="success",source="file"} 1)"));
  EXPECT_THAT(cluster.log, HasSubstr("new token"));
}

TEST(ClusterIdentity, ReadsTheTokenAgainAtA401AndAsksOnceMore) {
  Cluster cluster;
  cluster.start(cluster.service_account());
  cluster.known = {"second"};
  EXPECT_EQ(cluster.get(), "401 who") << "the same token is not worth another try";
  cluster.world.put_file(kFolder + "/token", "second");
  EXPECT_EQ(cluster.get(), "200 ok");
  EXPECT_THAT(cluster.seen, ElementsAre("first", "first", "second"));
}

TEST(ClusterIdentity, KeepsTheLastTokenWhileTheFileIsEmptyOrWrong) {
  Cluster cluster;
  cluster.start(cluster.service_account());
  cluster.world.put_file(kFolder + "/token", "\n");
  cluster.world.run_for(40s);
  EXPECT_EQ(cluster.get(), "200 ok");
  cluster.world.put_file(kFolder + "/token", "sec\nret-word");
  cluster.world.run_for(40s);
  EXPECT_EQ(cluster.get(), "200 ok");
  EXPECT_THAT(cluster.log, HasSubstr("new credentials cannot be used"));
  EXPECT_THAT(cluster.log, Not(HasSubstr("ret-word")));
  faults::record({.row = 67,
                  .outcome = "a token file cut short or empty: the last token stays in use until a "
                             "whole one is there",
                  .evidence = "podkeeper_token_reload_total{result=\"error\"}",
                  .recovery = {}});
}

TEST(ClusterIdentity, TrustsANewAuthorityWithinAMinuteAndTheOldOneNoLonger) {
  Cluster cluster;
  cluster.start(cluster.service_account());
  EXPECT_EQ(cluster.get(), "200 ok");
  cluster.use_server(1);
  EXPECT_THAT(cluster.get(), HasSubstr("not trusted")) << "each get() has connections of its own";
  cluster.world.put_file(kFolder + "/ca.crt", authority(1).certificate);
  cluster.world.run_for(60s);
  EXPECT_EQ(cluster.get(), "200 ok");
  EXPECT_TRUE(cluster.counted(R"(podkeeper_tls_reloads_total{result="success"} 1)"));
  cluster.use_server(0);
  EXPECT_THAT(cluster.get(), HasSubstr("not trusted"));
}

TEST(ClusterIdentity, KeepsTheLastAuthorityWhileTheFileIsBroken) {
  Cluster cluster;
  cluster.start(cluster.service_account());
  cluster.world.put_file(kFolder + "/ca.crt", "half a certif");
  cluster.world.run_for(60s);
  EXPECT_EQ(cluster.get(), "200 ok");
  EXPECT_THAT(cluster.log, HasSubstr("the certificate authority has no certificate"));
  faults::record({.row = 67,
                  .outcome = "a broken CA file: the last authorities stay trusted",
                  .evidence = "podkeeper_tls_reloads_total{result=\"error\"}",
                  .recovery = {}});
}

TEST(ClusterIdentity, TakesNoKeptConnectionOfAnEarlierIdentity) {
  Cluster cluster;
  cluster.start(cluster.service_account());
  cluster.world.run_task([&]() -> Task<void> {
    auto first = cluster.ask();
    EXPECT_EQ(co_await std::move(first), "200 ok");
    cluster.world.put_file(kFolder + "/ca.crt",
                           authority(0).certificate + authority(1).certificate);
    auto sleep = cluster.world.clock().sleep_for(35s);
    co_await std::move(sleep);
    auto second = cluster.ask();
    EXPECT_EQ(co_await std::move(second), "200 ok");
  });
  EXPECT_EQ(cluster.connections, 2U);
}

TEST(ClusterIdentity, RunsThePluginOnceForManyRequestsUntilItsTokenExpires) {
  Cluster cluster;
  cluster.put_plugin(10min, {"first", "second"});
  cluster.known = {"first", "second"};
  cluster.start(cluster.plugin());
  std::vector<std::string> answers;
  for (int i = 0; i < 5; ++i) {
    (void)cluster.group.spawn("asking", base::Handler::kEvent, [&]() -> Task<void> {
      auto asking = cluster.ask();
      answers.push_back(co_await std::move(asking));
    });
  }
  cluster.world.run_for(9min);
  EXPECT_EQ(answers, std::vector<std::string>(5, "200 ok"));
  EXPECT_EQ(cluster.runs, 1U);
  cluster.world.run_for(2min);
  EXPECT_EQ(cluster.get(), "200 ok");
  EXPECT_EQ(cluster.seen.back(), "second");
}

TEST(ClusterIdentity, RunsThePluginAgainAtA401) {
  Cluster cluster;
  cluster.put_plugin(10min, {"first", "second"});
  cluster.known = {"second"};
  cluster.start(cluster.plugin());
  EXPECT_EQ(cluster.get(), "200 ok");
  EXPECT_THAT(cluster.seen, ElementsAre("first", "second"));
  EXPECT_THAT(cluster.log, Not(HasSubstr("second")));
}

TEST(ClusterIdentity, RemembersForAWhileThatThePluginFailed) {
  Cluster cluster;
  cluster.programs.put(
      [&](base::Program, base::MonotonicTime) -> Task<base::Result<base::ProgramEnd>> {
        ++cluster.runs;
        co_return base::ProgramEnd{.status = 1, .complaint = "not logged in"};
      });
  cluster.start(cluster.plugin());
  EXPECT_EQ(cluster.get(), "exec plugin login: it ended with exit code 1: not logged in");
  EXPECT_THAT(cluster.get(), HasSubstr("not logged in"));
  EXPECT_EQ(cluster.runs, 1U);
  cluster.world.run_for(6s);
  EXPECT_THAT(cluster.get(), HasSubstr("not logged in"));
  EXPECT_EQ(cluster.runs, 2U);
  EXPECT_TRUE(cluster.seen.empty());
}

TEST(ClusterIdentity, SaysAtTheStartWhichFileIsMissingOrWrong) {
  Cluster cluster;
  const auto refusal = [&](const ClusterAccess& access) {
    const auto made =
        ClusterIdentity::make(cluster.world, cluster.programs, cluster.metrics, access);
    return made ? "accepted" : made.error().message;
  };
  ClusterAccess access = cluster.service_account();
  access.token_file = "/gone";
  EXPECT_EQ(refusal(access), "test: read /gone: no such file");
  access.token = "instead";
  EXPECT_EQ(refusal(access), "accepted");
  access.authority = {.data = "x"};
  EXPECT_THAT(refusal(access), HasSubstr("the certificate authority has no certificate"));
  access.authority = {};
  access.insecure_skip_tls_verify = true;
  EXPECT_EQ(refusal(access), "accepted");
  EXPECT_THAT(cluster.log, HasSubstr("is not verified (insecure-skip-tls-verify)"));
}

}  // namespace
}  // namespace podkeeper::credentials
