#include "pkg/http/client.h"

#include "pkg/base/panic.h"
#include "pkg/http/client_body.h"
#include "pkg/http/client_pool.h"
#include "pkg/http/framing.h"
#include "pkg/http/render.h"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace podkeeper::http {
namespace {

constexpr int kInterimAnswersMax = 8;  ///< 1xx before an answer; more: kProtocol

/// What one try on one connection gave.
struct Attempt {
  base::Result<ResponseHead> head;
  bool peer_spoke = false;  ///< some byte of an answer came: the request may have been acted upon
};

/// The request's head; a field that would break the framing is a bug of the caller.
std::string render(const ClientRequest& request, const ClientPool& pool) {
  PK_CHECK(request.target.starts_with('/') && field_value_like(request.target) &&
               request.target.find(' ') == std::string::npos,
           "target of a request: " + request.target);
  std::string head;
  head.reserve(256 + request.target.size());
  head.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\nHost: ");
  head.append(pool.host);
  if (!pool.options.user_agent.empty()) {
    head.append("\r\nUser-Agent: ").append(pool.options.user_agent);
  }
  for (const auto& [name, value] : request.headers.fields()) {
    PK_CHECK(field_value_like(name) && field_value_like(value), "header of a request: " + name);
    head.append("\r\n").append(name).append(": ").append(value);
  }
  const bool says_length = request.method != "GET" && request.method != "HEAD";
  if (!request.body.empty() || says_length) {
    head.append("\r\nContent-Length: ").append(std::to_string(request.body.size()));
  }
  head.append("\r\n\r\n");
  return head;
}

base::Error protocol(const ClientPool& pool, std::string_view why) {
  return base::Error{base::ErrorCode::kProtocol,
                     "the answer of " + pool.host + ": " + std::string(why)};
}

base::Error ended(const ClientPool& pool) {
  return base::Error{base::ErrorCode::kUnavailable,
                     pool.host + " closed the connection before it answered"};
}

/// Puts the name of the peer before a stream's own words.
base::Error named(const ClientPool& pool, base::Error error) {
  error.message = pool.host + ": " + error.message;
  return error;
}

/// Reads one head, from the buffer on.
base::Task<Attempt> read_head(const ClientPool& pool, ClientConnection& connection) {
  Attempt attempt{.head = ResponseHead{}};
  ReadBuffer& buffer = connection.buffer;
  HeadScanner scanner;
  while (true) {
    const auto state = scanner.scan(buffer.view());
    if (state == HeadScanner::State::kComplete) break;
    if (state != HeadScanner::State::kPartial) {
      attempt.head = protocol(pool, "a line of its head is malformed");
      co_return attempt;
    }
    if (buffer.size() >= pool.options.header_bytes_max || buffer.full()) {
      attempt.head = protocol(pool, "its head is too large");
      co_return attempt;
    }
    auto got = co_await connection.stream->read_some(buffer.space());
    if (!got || *got == 0) {
      attempt.head = got ? ended(pool) : named(pool, std::move(got).error());
      co_return attempt;
    }
    attempt.peer_spoke = true;
    buffer.commit(*got);
  }
  ResponseHead head;
  const HeadFault fault = parse_response_head(buffer.view().substr(0, scanner.size()), head);
  buffer.consume(scanner.size());
  attempt.head = fault == HeadFault::kNone ? base::Result<ResponseHead>(std::move(head))
                                           : protocol(pool, "its head is malformed");
  co_return attempt;
}

base::Task<Attempt> exchange(const ClientPool& pool, ClientConnection& connection,
                             const std::string& head, const std::string& body) {
  const std::array pieces{boost::asio::const_buffer(head.data(), head.size()),
                          boost::asio::const_buffer(body.data(), body.size())};
  const std::span all(pieces);
  auto written = co_await connection.stream->write(body.empty() ? all.first(1) : all);
  if (!written) co_return Attempt{.head = named(pool, std::move(written).error())};
  for (int interim = 0; interim <= kInterimAnswersMax; ++interim) {
    auto attempt = co_await read_head(pool, connection);
    if (!attempt.head || attempt.head->status >= 200) co_return attempt;
    if (attempt.head->status == 101) break;
  }
  co_return Attempt{.head = protocol(pool, "an interim answer that was not asked for"),
                    .peer_spoke = true};
}

}  // namespace

Client::Client(base::World& world, telemetry::Metrics& metrics, ClientOptions options)
    : pool_(std::make_shared<ClientPool>(world, metrics, std::move(options))) {}
Client::~Client() = default;

const base::Endpoint& Client::endpoint() const noexcept { return pool_->options.endpoint; }

base::Task<base::Result<ClientResponse>> Client::send(ClientRequest request,
                                                      base::MonotonicTime deadline) {
  const auto pool = pool_;
  base::Clock& clock = pool->world.clock();
  const auto started = clock.now();
  auto sending = try_send(pool, request, deadline);
  auto response = co_await std::move(sending);
  pool->metrics.count(request.method, response ? response->status : 0, clock.now() - started);
  co_return response;
}

base::Task<base::Result<ClientResponse>> Client::try_send(std::shared_ptr<ClientPool> pool,
                                                          const ClientRequest& request,
                                                          base::MonotonicTime deadline) {
  const std::string head = render(request, *pool);
  const auto executor = co_await boost::asio::this_coro::executor;
  auto connection = pool->take(executor);
  while (true) {
    const bool reused = connection != nullptr;
    if (!reused) {
      const auto limit =
          std::min(deadline, pool->world.clock().now() + pool->options.connect_timeout);
      auto stream = co_await pool->world.network().connect(pool->options.endpoint, limit);
      if (!stream) co_return std::move(stream).error();
      connection = std::make_unique<ClientConnection>(*std::move(stream), executor);
    }
    connection->stream->set_deadline(deadline);
    auto attempt = co_await exchange(*pool, *connection, head, request.body);
    if (!attempt.head) {
      connection.reset();
      // The server closed a kept connection just as it was taken up again: that says nothing about
      // the request.
      const bool stale = reused && !attempt.peer_spoke && request.body.empty() &&
                         attempt.head.error().code != base::ErrorCode::kTimeout;
      if (stale) continue;
      co_return std::move(attempt.head).error();
    }
    const auto framing = check_response(*attempt.head, request.method);
    if (!framing) co_return framing.error();
    ClientResponse response;
    response.status = attempt.head->status;
    response.headers = std::move(attempt.head->headers);
    response.body = std::make_unique<ResponseBody>(pool, std::move(connection), *framing);
    co_return response;
  }
}

base::Task<base::Result<std::string>> ClientResponse::read_all(std::size_t bytes_max) {
  std::string text;
  while (true) {
    const auto more = co_await body->read_some(text);
    if (!more) co_return more.error();
    if (text.size() > bytes_max) {
      co_return base::Error{base::ErrorCode::kTooLarge, "the body of an answer is larger than " +
                                                            std::to_string(bytes_max) + " bytes"};
    }
    if (!*more) co_return text;
  }
}

}  // namespace podkeeper::http
