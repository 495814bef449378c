#include "pkg/tls/tls_stream.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/tls/client_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/tls/peer/server.h"

namespace podkeeper::tls {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;
using base::Task;
using ::testing::AllOf;
using testing::CertificateOptions;
using ::testing::HasSubstr;
using testing::make_certificate;
using testing::ServerContext;
using testing::ServerOptions;

/// One authority for all tests, since keys cost time.
const testing::Pair& authority() {
  static const testing::Pair made = make_certificate({.name = "test authority", .authority = true});
  return made;
}
testing::Pair signed_for(CertificateOptions options) {
  return make_certificate(options, &authority());
}
const testing::Pair& for_host() {
  static const testing::Pair made =
      signed_for({.dns = {"api.test", "*.wild.test"}, .addresses = {"127.0.0.1", "::1"}});
  return made;
}

ClientContextOptions trusting(std::string authorities = authority().certificate) {
  return {.authorities = std::move(authorities)};
}

/// A server in a simulated world that does `serve` with each connection, and a client.
class Line {
 public:
  using Serve = std::function<Task<void>(std::unique_ptr<base::Stream>)>;
  explicit Line(Serve serve, std::uint64_t seed = 1) : world(seed), serve_(std::move(serve)) {
    listener_ = world.network().listen({"127.0.0.1", 0}).value();
    (void)group_.spawn("server", base::Handler::kEvent, [this] { return accept(); });
  }
  explicit Line(ServerOptions options, std::uint64_t seed = 1)
      : Line(echo(std::make_shared<ServerContext>(options)), seed) {}
  ~Line() {
    world.run_task([this] { return leave(); });
  }

  /// Sends back what it hears, until the end.
  static Serve echo(std::shared_ptr<ServerContext> context) {
    return [context](std::unique_ptr<base::Stream> transport) -> Task<void> {
      auto stream = context->secure(std::move(transport));
      auto shaking = stream->handshake();
      if (const auto done = co_await std::move(shaking); !done) co_return;
      std::string buffer(5000, '\0');
      while (true) {
        auto reading = stream->read_some(boost::asio::buffer(buffer));
        const auto got = co_await std::move(reading);
        if (!got || *got == 0) co_return;
        const std::array pieces{boost::asio::const_buffer(buffer.data(), *got)};
        auto writing = stream->write(pieces);
        if (const auto written = co_await std::move(writing); !written) co_return;
      }
    };
  }

  base::Result<std::unique_ptr<base::Stream>> connect(std::string name = "api.test",
                                                      ClientContextOptions options = trusting()) {
    std::optional<base::Result<std::unique_ptr<base::Stream>>> result;
    world.run_task([&]() -> Task<void> {
      auto dialling = world.network().connect(listener_->address(), world.clock().now() + 5s);
      auto transport = co_await std::move(dialling);
      auto context = ClientContext::make(options);
      auto securing =
          ClientContext::connect(std::move(context).value(), std::move(transport).value(), name,
                                 world.clock(), metrics, world.clock().now() + 5s);
      result = co_await std::move(securing);
    });
    return *std::move(result);
  }
  /// What is said when one connects and asks: what comes back, or the error.
  std::string ask(std::string name = "api.test", ClientContextOptions options = trusting(),
                  std::string text = "hello") {
    auto stream = connect(std::move(name), std::move(options));
    if (!stream) return code_and_message(stream.error());
    std::string answer;
    world.run_task([&]() -> Task<void> {
      const std::array pieces{boost::asio::buffer(std::as_const(text))};
      auto writing = (*stream)->write(pieces);
      const auto written = co_await std::move(writing);
      std::string buffer(4096, '\0');
      while (written && answer.size() < text.size()) {
        (*stream)->set_deadline(world.clock().now() + 5s);
        auto reading = (*stream)->read_some(boost::asio::buffer(buffer));
        const auto got = co_await std::move(reading);
        if (got && *got > 0) {
          answer.append(buffer, 0, *got);
          continue;
        }
        answer += got ? "end" : code_and_message(got.error());
        co_return;
      }
    });
    return answer;
  }
  static std::string code_and_message(const base::Error& error) {
    return std::string(base::to_string(error.code)) + ": " + error.message;
  }
  [[nodiscard]] bool counted(const std::string& reason) const {
    return metrics.render().contains("podkeeper_tls_errors_total{reason=\"" + reason + "\"} 1\n");
  }

  runtime::SimulatedWorld world;
  telemetry::Metrics metrics;

 private:
  Task<void> accept() {
    while (true) {
      auto accepting = listener_->accept(world.make_executor());
      auto stream = co_await std::move(accepting);
      if (!stream) co_return;
      auto serving = serve_(*std::move(stream));
      co_await std::move(serving);
    }
  }
  Task<void> leave() {
    group_.stop();
    auto joining = group_.join();
    co_await std::move(joining);
  }

  Serve serve_;
  runtime::TaskRegistry registry_{world.clock()};
  runtime::TaskGroup group_{world, registry_, "test"};
  std::unique_ptr<base::Listener> listener_;
};

TEST(TlsStream, CarriesBytesBothWaysWhateverTheNetworkSlices) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Line line({.identity = for_host()}, seed);
    EXPECT_EQ(line.ask(), "hello");
    std::string large(300'000, 'x');
    for (std::size_t i = 0; i < large.size(); i += 7) large[i] = static_cast<char>('a' + i % 26);
    EXPECT_EQ(line.ask("api.test", trusting(), large), large);
  }
}

TEST(TlsStream, TakesANameOrAnAddressOfTheCertificate) {
  for (const char* name :
       {"api.test", "API.test", "api.test.", "a.wild.test", "127.0.0.1", "::1"}) {
    Line line({.identity = for_host()});
    EXPECT_EQ(line.ask(name), "hello") << name;
  }
}

TEST(TlsStream, RefusesEveryOtherNameAndSaysWhich) {
  for (const char* name :
       {"other.test", "a.b.wild.test", "wild.test", "127.0.0.2", "::2", "podkeeper-test"}) {
    Line line({.identity = for_host()});
    EXPECT_THAT(line.ask(name),
                AllOf(HasSubstr("Protocol: connect to"), HasSubstr("api.test, *.wild.test"),
                      HasSubstr(std::string("not for ") + name), HasSubstr("tls-server-name")));
    EXPECT_TRUE(line.counted("name"));
  }
}

TEST(TlsStream, RefusesANameThatOnlyBeginsAsItShouldBeforeANul) {
  const auto crafted = signed_for({.dns = {std::string("api.test\0.evil.test", 19)}});
  Line line({.identity = crafted});
  EXPECT_THAT(line.ask(), HasSubstr("not for api.test"));
  Line honest({.identity = for_host()});
  EXPECT_THAT(honest.ask(std::string("api.test\0.evil", 14)), HasSubstr("is no name"));
  EXPECT_THAT(honest.ask("api.test\r\nX"), HasSubstr("is no name"));
  EXPECT_THAT(honest.ask(""), HasSubstr("is no name"));
}

TEST(TlsStream, RefusesAnAuthorityItDoesNotTrust) {
  const auto other = make_certificate({.name = "another authority", .authority = true});
  Line line({.identity = for_host()});
  EXPECT_THAT(line.ask("api.test", trusting(other.certificate)),
              AllOf(HasSubstr("Protocol"), HasSubstr("CN=test authority"),
                    HasSubstr("certificate-authority")));
  EXPECT_TRUE(line.counted("authority"));
  EXPECT_EQ(line.ask(), "hello") << "the next connection is judged for itself";
}

TEST(TlsStream, TrustsEachCertificateOfABundleAndTheServersOwn) {
  const auto other = make_certificate({.name = "another authority", .authority = true});
  Line line({.identity = for_host()});
  EXPECT_EQ(line.ask("api.test", trusting(other.certificate + authority().certificate)), "hello");
  EXPECT_EQ(line.ask("api.test", trusting(for_host().certificate)), "hello");
}

TEST(TlsStream, RefusesWhatIsNoLongerOrNotYetValidByTheWorldsClock) {
  const auto now = runtime::SimulatedWorld(1).clock().wall_now();
  const auto when = [&](auto offset) {
    return std::chrono::time_point_cast<std::chrono::system_clock::duration>(now + offset);
  };
  Line expired({.identity = signed_for({.dns = {"api.test"}, .to = when(-1h)})});
  EXPECT_THAT(expired.ask(), HasSubstr("is valid from"));
  EXPECT_TRUE(expired.counted("expired"));
  Line early({.identity = signed_for({.dns = {"api.test"}, .from = when(1h)})});
  EXPECT_THAT(early.ask(), HasSubstr("is valid from"));
  early.world.run_for(2h);
  EXPECT_EQ(early.ask(), "hello");
}

TEST(TlsStream, TakesAnyCertificateWhereItIsToldTo) {
  Line line({.identity = make_certificate({.to = std::chrono::system_clock::time_point{} + 1h})});
  EXPECT_EQ(line.ask("api.test", {.verify = false}), "hello");
}

TEST(TlsStream, RefusesAServerThatOffersNothingFromTls12On) {
  Line line({.identity = for_host(), .version_max = TLS1_1_VERSION});
  EXPECT_THAT(line.ask(), AllOf(HasSubstr("Protocol"), HasSubstr("TLS 1.2")));
  EXPECT_TRUE(line.counted("version"));
}

TEST(TlsStream, ShowsItsCertificateToAServerThatDemandsOne) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const ServerOptions demanding{.identity = for_host(),
                                  .client_authority = authority().certificate,
                                  .version_max = version};
    const auto own = signed_for({.name = "me"});
    ClientContextOptions options = trusting();
    options.certificate = own.certificate;
    options.key = own.key;
    Line line(demanding);
    EXPECT_EQ(line.ask("api.test", options), "hello") << version;
    const std::string without = line.ask();
    EXPECT_NE(without, "hello");
    if (version == TLS1_3_VERSION) {
      EXPECT_THAT(without, AllOf(HasSubstr("Unauthorized"), HasSubstr("client certificate")));
      EXPECT_TRUE(line.counted("client_certificate"));
    }
    const auto stranger = make_certificate({.name = "stranger"});
    options.certificate = stranger.certificate;
    options.key = stranger.key;
    EXPECT_THAT(line.ask("api.test", options), HasSubstr("Unauthorized"));
  }
}

TEST(TlsStream, GivesUpAPeerThatIsSilentInTheHandshake) {
  Line line([](std::unique_ptr<base::Stream> transport) -> Task<void> {
    std::string buffer(4096, '\0');
    while (true) {
      auto reading = transport->read_some(boost::asio::buffer(buffer));
      const auto got = co_await std::move(reading);
      if (!got || *got == 0) co_return;
    }
  });
  const auto started = line.world.clock().now();
  EXPECT_THAT(line.ask(), AllOf(HasSubstr("Timeout"), HasSubstr("TLS handshake")));
  EXPECT_GE(line.world.clock().now() - started, 5s);
  EXPECT_LT(line.world.clock().now() - started, 6s);
  EXPECT_TRUE(line.counted("timeout"));
}

TEST(TlsStream, TellsAPeerThatGoesAwayOrSpeaksNoTls) {
  Line gone([](std::unique_ptr<base::Stream>) -> Task<void> { co_return; });
  EXPECT_THAT(gone.ask(), HasSubstr("in the TLS handshake"));
  EXPECT_TRUE(gone.counted("cut"));
  Line plain([](std::unique_ptr<base::Stream> transport) -> Task<void> {
    const std::string answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    const std::array pieces{boost::asio::buffer(answer)};
    auto writing = transport->write(pieces);
    (void)co_await std::move(writing);
    transport->shutdown_write();
    std::string buffer(4096, '\0');
    auto reading = transport->read_some(boost::asio::buffer(buffer));
    (void)co_await std::move(reading);
  });
  EXPECT_THAT(plain.ask(), AllOf(HasSubstr("Protocol"), HasSubstr("does not speak TLS")));
  EXPECT_TRUE(plain.counted("protocol"));
}

TEST(TlsStream, AnEndWithoutTlsOwnIsACut) {
  auto context = std::make_shared<ServerContext>(ServerOptions{.identity = for_host()});
  Line line([context](std::unique_ptr<base::Stream> transport) -> Task<void> {
    auto stream = context->secure(std::move(transport));
    auto shaking = stream->handshake();
    (void)co_await std::move(shaking);
    stream->shutdown_write();
    std::string buffer(4096, '\0');
    auto reading = stream->read_some(boost::asio::buffer(buffer));
    (void)co_await std::move(reading);
  });
  EXPECT_THAT(line.ask(), AllOf(HasSubstr("Unavailable"), HasSubstr("was cut")));
  EXPECT_TRUE(line.counted("cut"));
}

TEST(TlsStream, SurvivesACutAtAnyByteOfTheHandshake) {
  int cut = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Line line({.identity = for_host()}, seed);
    line.world.run_task([&]() -> Task<void> {
      auto dialling =
          line.world.network().connect({"127.0.0.1", 32768}, line.world.clock().now() + 5s);
      auto transport = co_await std::move(dialling);
      line.world.cut_connections_mid_stream();
      auto context = ClientContext::make(trusting());
      auto securing = ClientContext::connect(
          std::move(context).value(), std::move(transport).value(), "api.test", line.world.clock(),
          line.metrics, line.world.clock().now() + 5s);
      auto stream = co_await std::move(securing);
      if (!stream) {
        ++cut;
        EXPECT_EQ(stream.error().code, ErrorCode::kUnavailable) << stream.error().message;
      }
    });
  }
  EXPECT_GT(cut, 0);
}

}  // namespace
}  // namespace podkeeper::tls
