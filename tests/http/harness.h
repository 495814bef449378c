#pragma once

#include "pkg/base/panic.h"
#include "pkg/http/server.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/telemetry/metrics.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::http {

inline base::Task<Response> hello(Request) { co_return Response::text(200, "hello"); }

/// Says what arrived, so that a test can compare two ways of sending it.
inline base::Task<Response> echo(Request request) {
  std::string text = request.method + " " + request.target.path;
  for (const auto& [key, value] : request.target.query) text += " " + key + "=" + value;
  for (const auto& [key, value] : request.headers.fields()) text += "\n" + key + ": " + value;
  co_return Response::text(200, text + "\n" + request.body);
}

inline base::Task<Response> fail(Request request) {
  const std::string how(request.target.query_value("how").value_or(""));
  if (how == "int") throw 42;
  if (how == "check") PK_CHECK(how.empty(), "the test asked for it");
  throw std::runtime_error("the test asked for it");
}

inline Router test_router() {
  Router router;
  router.exact("/hello", hello);
  router.prefix("/echo", echo);
  router.prefix("/fail", fail);
  router.prefix("/api", echo, [](const base::Error& error, int status) {
    return Response::json(status, "{\"message\":\"" + error.message + "\"}");
  });
  return router;
}

/// What a raw client got: every byte, and whether the server ended the connection.
struct Talk {
  static constexpr std::string_view kVersion = "HTTP/1.1 ";
  std::string bytes;
  bool closed = false;

  /// Status codes of the answers, in order.
  [[nodiscard]] std::vector<int> statuses() const {
    std::vector<int> found;
    for (std::size_t at = bytes.find(kVersion); at != std::string::npos;
         at = bytes.find(kVersion, at + 1)) {
      const std::string code = bytes.substr(at + kVersion.size(), 3);
      if (code.find_first_not_of("0123456789") == std::string::npos)
        found.push_back(std::stoi(code));
    }
    return found;
  }
  [[nodiscard]] std::string body() const { return bytes.substr(bytes.find("\r\n\r\n") + 4); }
};

/// A server in a simulated world, and raw clients to talk to it.
class House {
 public:
  static constexpr base::Duration kPatience = std::chrono::seconds(2);  ///< virtual

  explicit House(Router router = test_router(), ServerLimits limits = {}, std::uint64_t seed = 1,
                 std::size_t tasks_max = 1000)
      : world(seed), registry(world.clock(), tasks_max), group(world, registry, "test") {
    server = std::make_unique<Server>(world, group, metrics, "test", std::move(router), limits);
    endpoint = server->listen({"127.0.0.1", 0}).value();
  }
  ~House() {
    world.run_task([this] { return leave(); });
  }

  base::Task<std::unique_ptr<base::Stream>> dial() {
    auto stream = co_await world.network().connect(endpoint, base::MonotonicTime::max());
    co_return std::move(stream).value();
  }

  static base::Task<void> say(base::Stream& stream, std::string text) {
    const std::array pieces{boost::asio::const_buffer(text.data(), text.size())};
    (void)co_await stream.write(pieces);
  }

  /// Everything until the server ends the connection, or is silent for `patience`.
  base::Task<Talk> hear(base::Stream& stream, base::Duration patience = kPatience) {
    Talk talk;
    std::string buffer(4096, '\0');
    while (true) {
      stream.set_deadline(world.clock().now() + patience);
      const auto got = co_await stream.read_some(boost::asio::buffer(buffer));
      if (!got && got.error().code == base::ErrorCode::kTimeout) co_return talk;
      talk.closed = true;
      if (!got || *got == 0) co_return talk;
      talk.closed = false;
      talk.bytes.append(buffer, 0, *got);
    }
  }

  /// Hears until `text` was said, or nothing more comes.
  base::Task<std::string> hear_until(base::Stream& stream, std::string text) {
    std::string heard;
    std::string buffer(4096, '\0');
    stream.set_deadline(base::MonotonicTime::max());
    while (heard.find(text) == std::string::npos) {
      const auto got = co_await stream.read_some(boost::asio::buffer(buffer));
      if (!got || *got == 0) break;
      heard.append(buffer, 0, *got);
    }
    co_return heard;
  }

  base::Task<Talk> converse(std::vector<std::string> pieces, base::Duration patience) {
    auto stream = co_await dial();
    for (std::string& piece : pieces) {
      co_await say(*stream, std::move(piece));
      if (pieces.size() > 1) co_await world.clock().sleep_for(std::chrono::milliseconds(5));
    }
    co_return co_await hear(*stream, patience);
  }

  /// One connection: asks one thing, hears for a second.
  base::Task<Talk> ask(std::string request) {
    std::vector<std::string> pieces;
    pieces.push_back(std::move(request));
    co_return co_await converse(std::move(pieces), std::chrono::seconds(1));
  }

  /// One connection: says the pieces, hears the answer.
  Talk talk(std::vector<std::string> pieces, base::Duration patience = kPatience) {
    Talk heard;
    world.run_task([&]() -> base::Task<void> { heard = co_await converse(pieces, patience); });
    return heard;
  }

  [[nodiscard]] bool metric(std::string_view line) const {
    return metrics.render().find(line) != std::string::npos;
  }

  runtime::SimulatedWorld world;
  runtime::TaskRegistry registry;
  telemetry::Metrics metrics;
  runtime::TaskGroup group;
  std::unique_ptr<Server> server;
  base::Endpoint endpoint;

 private:
  base::Task<void> leave() {
    group.stop();
    co_await group.join();
  }
};

}  // namespace podkeeper::http
