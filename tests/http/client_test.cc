#include "pkg/http/client.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

/// What one accepted connection answers, request by request; then it ends the connection, or stays.
struct Script {
  std::vector<std::string> answers;
  bool stays = false;
};

/// A server that says exactly what it is told, and a client that asks it.
class Upstream {
 public:
  explicit Upstream(std::vector<Script> scripts, std::uint64_t seed = 1)
      : world(seed), scripts_(std::move(scripts)) {
    listener_ = world.network().listen(base::Endpoint{"127.0.0.1", 0}).value();
    ClientOptions options;
    options.endpoint = listener_->address();
    options.user_agent = "podkeeper-test";
    client = std::make_unique<Client>(world, metrics, std::move(options));
    (void)group.spawn("upstream", base::Handler::kEvent, [this] { return serve(); });
  }
  ~Upstream() {
    world.run_task([this] { return leave(); });
  }

  /// GETs and reads the whole body: "200 body" or the error's code.
  base::Task<std::string> get(std::string path = "/x") {
    ClientRequest request;
    request.target = std::move(path);
    co_return co_await ask(std::move(request));
  }
  base::Task<std::string> ask(ClientRequest request) {
    auto response = co_await client->send(std::move(request), world.clock().now() + 5s);
    if (!response) co_return std::string(base::to_string(response.error().code));
    const auto body = co_await response->read_all(1 << 20);
    if (!body) co_return std::string(base::to_string(body.error().code));
    co_return std::to_string(response->status) + " " + *body;
  }
  /// `count` GETs on one executor, one after the other.
  std::vector<std::string> gets(int count) {
    std::vector<std::string> results;
    world.run_task([&]() -> base::Task<void> {
      for (int i = 0; i < count; ++i) results.push_back(co_await get());
    });
    return results;
  }
  std::string get_once() { return gets(1).front(); }

  runtime::SimulatedWorld world;
  runtime::TaskRegistry registry{world.clock()};
  runtime::TaskGroup group{world, registry, "test"};
  telemetry::Metrics metrics;
  std::unique_ptr<Client> client;
  std::vector<std::string> requests;  ///< every head that came
  std::size_t accepted = 0;

 private:
  base::Task<void> serve() {
    for (Script& script : scripts_) {
      auto stream = co_await listener_->accept(world.make_executor());
      if (!stream) co_return;
      ++accepted;
      co_await play(**stream, script);
      if (script.stays) held_.push_back(*std::move(stream));
    }
    listener_->close();
  }
  base::Task<void> play(base::Stream& stream, const Script& script) {
    for (const std::string& answer : script.answers) {
      std::string head;
      std::string buffer(4096, '\0');
      while (head.find("\r\n\r\n") == std::string::npos) {
        const auto got = co_await stream.read_some(boost::asio::buffer(buffer));
        if (!got || *got == 0) co_return;
        head.append(buffer, 0, *got);
      }
      requests.push_back(head);
      const std::array pieces{boost::asio::const_buffer(answer.data(), answer.size())};
      (void)co_await stream.write(pieces);
    }
  }
  base::Task<void> leave() {
    group.stop();
    co_await group.join();
  }

  std::vector<Script> scripts_;
  std::unique_ptr<base::Listener> listener_;
  std::vector<std::unique_ptr<base::Stream>> held_;
};

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const std::string kChunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n7\r\n, "
    "world\r\n0\r\nT: u\r\n\r\n";

TEST(Client, SaysWhatIsAskedAndWho) {
  Upstream upstream({{.answers = {kOk}}});
  EXPECT_EQ(upstream.get_once(), "200 ok");
  EXPECT_EQ(upstream.requests.front(),
            "GET /x HTTP/1.1\r\nHost: " + base::to_string(upstream.client->endpoint()) +
                "\r\nUser-Agent: podkeeper-test\r\n\r\n");
}

TEST(Client, KeepsAConnectionForTheNextRequest) {
  Upstream upstream({{.answers = {kOk, kChunked, kOk}}});
  EXPECT_EQ(upstream.gets(3), (std::vector<std::string>{"200 ok", "200 hello, world", "200 ok"}));
  EXPECT_EQ(upstream.accepted, 1U);
}

TEST(Client, KeepsAConnectionForItsTaskAndNotForAnother) {
  Upstream upstream(
      {{.answers = {kOk, kOk}, .stays = true}, {.answers = {kOk, kOk}, .stays = true}});
  int done = 0;
  for (int task = 0; task < 2; ++task) {
    (void)upstream.group.spawn("asker", base::Handler::kEvent, [&]() -> base::Task<void> {
      for (int i = 0; i < 2; ++i) done += co_await upstream.get() == "200 ok" ? 1 : 0;
    });
    EXPECT_TRUE(upstream.world.run_until([&] { return done == 2 * (task + 1); }, 10s));
  }
  EXPECT_EQ(upstream.accepted, 2U);
}

TEST(Client, DoesNotKeepAConnectionThatItMustNotTrust) {
  for (const std::string& answer :
       {std::string("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        std::string("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), kOk + "more"}) {
    Upstream upstream({{.answers = {answer}, .stays = true}, {.answers = {kOk}}});
    EXPECT_EQ(upstream.gets(2), (std::vector<std::string>{"200 ok", "200 ok"})) << answer;
    EXPECT_EQ(upstream.accepted, 2U) << answer;
  }
}

TEST(Client, SendsOnceMoreWhenAKeptConnectionTurnsOutClosed) {
  Upstream upstream({{.answers = {kOk}}, {.answers = {kOk}}});
  EXPECT_EQ(upstream.gets(2), (std::vector<std::string>{"200 ok", "200 ok"}));
  EXPECT_EQ(upstream.accepted, 2U);
}

TEST(Client, DoesNotRepeatARequestWithABody) {
  Upstream upstream({{.answers = {kOk}}, {.answers = {kOk}}});
  std::string second;
  upstream.world.run_task([&]() -> base::Task<void> {
    co_await upstream.get();
    co_await upstream.world.clock().sleep_for(1s);
    ClientRequest request;
    request.method = "POST";
    request.target = "/x";
    request.body = "body";
    second = co_await upstream.ask(std::move(request));
  });
  EXPECT_EQ(second, "ServiceUnavailable");
  EXPECT_EQ(upstream.accepted, 1U);
}

TEST(Client, ReadsAnAnswerTheSameWhateverTheSlices) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Upstream upstream({{.answers = {"HTTP/1.1 100 Continue\r\n\r\n" + kChunked, kOk}}}, seed);
    EXPECT_EQ(upstream.gets(2), (std::vector<std::string>{"200 hello, world", "200 ok"})) << seed;
  }
}

TEST(Client, NeverTakesACutAnswerForAWholeOne) {
  for (const std::string& answer : {kOk, kChunked}) {
    for (std::size_t cut = 0; cut < answer.size(); ++cut) {
      Upstream upstream({{.answers = {answer.substr(0, cut)}}});
      const std::string result = upstream.get_once();
      const bool in_head = cut < answer.find("\r\n\r\n") + 4;
      EXPECT_EQ(result, in_head ? "ServiceUnavailable" : "Protocol") << answer.substr(0, cut);
    }
  }
}

TEST(Client, ReadsToTheCloseOnlyWhereTheServerSaidSo) {
  Upstream said({{.answers = {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"}}});
  EXPECT_EQ(said.get_once(), "200 ok");
  Upstream unsaid({{.answers = {"HTTP/1.1 200 OK\r\n\r\nok"}}});
  EXPECT_EQ(unsaid.get_once(), "Protocol");
}

TEST(Client, KnowsAnswersWithoutABody) {
  Upstream upstream({{.answers = {"HTTP/1.1 204 No Content\r\n\r\n",
                                  "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", kOk}}});
  EXPECT_EQ(upstream.gets(3), (std::vector<std::string>{"204 ", "304 ", "200 ok"}));
}

TEST(Client, RefusesWhatBreaksTheProtocol) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  for (const std::string& answer :
       {std::string("hello\r\n\r\n"), std::string("HTTP/1.1 200 OK\nX: y\n\n"),
        std::string("HTTP/2 200\r\n\r\n"), ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        ok + "Content-Length: -1\r\n\r\n",
        ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ok + "Transfer-Encoding: identity\r\n\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", ok + "X: a\r\n b\r\n\r\n",
        ok + "X: " + std::string(70'000, 'x') + "\r\n\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(100'000, 'x') +
            "\r\na\r\n0\r\n\r\n",
        ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n",
        std::string("HTTP/1.1 101 Switching Protocols\r\n\r\n")}) {
    Upstream upstream({{.answers = {answer}}});
    EXPECT_EQ(upstream.get_once(), "Protocol") << answer.substr(0, 80);
  }
}

TEST(Client, GivesUpAtTheDeadlineInTheHeadAndInTheBody) {
  for (const std::string& answer :
       {std::string(), kOk.substr(0, 10), kOk.substr(0, kOk.size() - 1)}) {
    Upstream upstream({{.answers = {answer}, .stays = true}});
    const auto start = upstream.world.clock().now();
    EXPECT_EQ(upstream.get_once(), "Timeout") << answer;
    EXPECT_GE(upstream.world.clock().now() - start, 5s);
    EXPECT_LT(upstream.world.clock().now() - start, 6s);
  }
}

TEST(Client, MovesTheDeadlineOfABody) {
  Upstream upstream({{.answers = {kOk.substr(0, kOk.size() - 1)}, .stays = true}});
  upstream.world.run_task([&]() -> base::Task<void> {
    base::Clock& clock = upstream.world.clock();
    const auto start = clock.now();
    ClientRequest request;
    request.target = "/x";
    auto response = co_await upstream.client->send(std::move(request), start + 5s);
    response->body->set_deadline(start + 60s);
    const auto body = co_await response->read_all(100);
    EXPECT_EQ(body.error().code, base::ErrorCode::kTimeout);
    EXPECT_GE(clock.now() - start, 60s);
  });
}

/// "hello, hello, hello", packed by gzip.
const std::string kPacked(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\xc8\x40\xa2"
    "\x00\x9f\xa1\xca\x09\x13\x00\x00\x00",
    29);
std::string answer_encoded(const std::string& encoding) {
  return "HTTP/1.1 200 OK\r\nContent-Encoding: " + encoding +
         "\r\nContent-Length: " + std::to_string(kPacked.size()) + "\r\n\r\n" + kPacked;
}

TEST(Client, UnpacksGzipWhereItAskedForIt) {
  Upstream upstream({{.answers = {answer_encoded("gzip"), answer_encoded("GZIP"), kOk}}});
  std::vector<std::string> answers;
  upstream.world.run_task([&]() -> base::Task<void> {
    for (int i = 0; i < 3; ++i) {
      ClientRequest request;
      request.target = "/x";
      request.accept_gzip = true;
      answers.push_back(co_await upstream.ask(std::move(request)));
    }
  });
  EXPECT_EQ(answers, (std::vector<std::string>{"200 hello, hello, hello", "200 hello, hello, hello",
                                               "200 ok"}));
  EXPECT_NE(upstream.requests.front().find("\r\nAccept-Encoding: gzip\r\n"), std::string::npos);
  EXPECT_EQ(upstream.accepted, 1U);
}

TEST(Client, NamesAnEncodingThatItDidNotAskFor) {
  for (const std::string encoding : {"br", "gzip, gzip", "gzip\r\nContent-Encoding: br"}) {
    Upstream upstream({{.answers = {answer_encoded(encoding), answer_encoded("gzip")}},
                       {.answers = {answer_encoded("gzip")}}});
    upstream.world.run_task([&]() -> base::Task<void> {
      ClientRequest request;
      request.target = "/x";
      request.accept_gzip = true;
      const auto response =
          co_await upstream.client->send(std::move(request), base::MonotonicTime::max());
      EXPECT_EQ(response.error().code, base::ErrorCode::kProtocol) << encoding;
      EXPECT_NE(response.error().message.find("asked for was gzip or no encoding"),
                std::string::npos);
    });
    EXPECT_EQ(upstream.get_once(), "Protocol");
  }
}

TEST(Client, NotesTheSizeOfABodyThatIsReadAsAWhole) {
  Upstream upstream({{.answers = {kOk}}});
  upstream.world.run_task([&]() -> base::Task<void> {
    ClientRequest request;
    request.target = "/x";
    auto response = co_await upstream.client->send(std::move(request), base::MonotonicTime::max());
    const auto body = co_await response->read_all(100);
    EXPECT_TRUE(body.has_value());
    const std::string text = upstream.metrics.render();
    const std::string sum = "rest_client_response_size_bytes_sum{host=\"" +
                            base::to_string(upstream.client->endpoint()) + "\",verb=\"GET\"} " +
                            std::to_string(body->size());
    EXPECT_NE(text.find(sum), std::string::npos) << text;
  });
}

TEST(Client, StopsReadingABodyBeyondItsLimit) {
  Upstream upstream({{.answers = {kOk}}});
  upstream.world.run_task([&]() -> base::Task<void> {
    ClientRequest request;
    request.target = "/x";
    auto response = co_await upstream.client->send(std::move(request), base::MonotonicTime::max());
    const auto body = co_await response->read_all(1);
    EXPECT_EQ(body.error().code, base::ErrorCode::kTooLarge);
  });
}

TEST(Client, NamesTheServerThatIsAway) {
  Upstream upstream({});
  upstream.world.run_for(1s);
  EXPECT_EQ(upstream.get_once(), "ServiceUnavailable");
  EXPECT_NE(upstream.metrics.render().find("rest_client_requests_total{"), std::string::npos);
  EXPECT_NE(upstream.metrics.render().find("code=\"<error>\""), std::string::npos);
}

}  // namespace
}  // namespace podkeeper::http
