#include "pkg/http/client.h"

#include "pkg/base/panic.h"
#include "pkg/http/client_body.h"
#include "pkg/http/client_pool.h"
#include "pkg/http/framing.h"
#include "pkg/http/gzip_body.h"
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
std::string render(const ClientRequest& request, const ClientPool& pool,
                   std::string_view authorization) {
  PK_CHECK(request.target.starts_with('/') && field_value_like(request.target) &&
               request.target.find(' ') == std::string::npos,
           "target of a request: " + request.target);
  std::string head;
  head.reserve(256 + request.target.size());
  head.append(request.method).append(" ").append(pool.options.path_prefix);
  head.append(request.target).append(" HTTP/1.1\r\nHost: ");
  head.append(pool.host);
  if (!pool.options.user_agent.empty()) {
    head.append("\r\nUser-Agent: ").append(pool.options.user_agent);
  }
  for (const auto& [name, value] : request.headers.fields()) {
    PK_CHECK(field_value_like(name) && field_value_like(value), "header of a request: " + name);
    head.append("\r\n").append(name).append(": ").append(value);
  }
  if (request.accept_gzip && pool.options.gzip) head.append("\r\nAccept-Encoding: gzip");
  if (!authorization.empty()) {
    // Its text stays out of the report, as it is a secret.
    PK_CHECK(field_value_like(authorization), "the Authorization of a request");
    head.append("\r\nAuthorization: ").append(authorization);
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

/// A new connection, proving who we are now.
base::Task<base::Result<std::unique_ptr<ClientConnection>>> connect(ClientPool& pool,
                                                                    base::Executor executor,
                                                                    base::MonotonicTime deadline) {
  const auto limit = std::min(deadline, pool.world.clock().now() + pool.options.connect_timeout);
  ClientIdentity* const identity = pool.options.identity.get();
  // Asked before: where it changes meanwhile, the connection counts as old.
  const std::uint64_t generation = identity == nullptr ? 0 : identity->generation();
  auto connecting = identity == nullptr ? pool.world.network().connect(pool.options.endpoint, limit)
                                        : identity->connect(pool.options.endpoint, limit);
  auto stream = co_await std::move(connecting);
  if (!stream) co_return std::move(stream).error();
  auto connection = std::make_unique<ClientConnection>(*std::move(stream), std::move(executor));
  connection->generation = generation;
  co_return connection;
}

}  // namespace

Client::Client(base::World& world, telemetry::Metrics& metrics, ClientOptions options)
    : pool_(std::make_shared<ClientPool>(world, metrics, std::move(options))) {}
Client::~Client() = default;

const base::Endpoint& Client::endpoint() const noexcept { return pool_->options.endpoint; }

void Client::count_repeat(std::string_view method, int status) {
  pool_->metrics.retried(method, status);
}

base::Task<base::Result<ClientResponse>> Client::send(ClientRequest request,
                                                      base::MonotonicTime deadline) {
  const auto pool = pool_;
  ClientIdentity* const identity = pool->options.identity.get();
  Try first{.authorization = {}, .deadline = deadline};
  auto sending = send_once(pool, request, first);
  auto response = co_await std::move(sending);
  if (!response || response->status != 401 || identity == nullptr) co_return response;
  auto renewing = identity->renew(std::move(first.authorization), first.generation, deadline);
  const auto renewed = co_await std::move(renewing);
  // Where nothing is new, the answer says best what is wrong.
  if (!renewed || !*renewed) co_return response;
  response->body.reset();
  pool->metrics.retried(request.method, response->status);
  Try second{.authorization = {}, .deadline = deadline};
  auto sending_again = send_once(pool, request, second);
  co_return co_await std::move(sending_again);
}

base::Task<base::Result<ClientResponse>> Client::send_once(std::shared_ptr<ClientPool> pool,
                                                           const ClientRequest& request,
                                                           Try& attempt) {
  auto waiting = pool->limit.take(attempt.deadline);
  const auto waited = co_await std::move(waiting);
  if (!waited) co_return named(*pool, waited.error());
  if (pool->options.requests_per_second > 0) pool->metrics.throttled(request.method, *waited);
  if (pool->options.identity) {
    auto asking = pool->options.identity->authorization(attempt.deadline);
    auto authorization = co_await std::move(asking);
    if (!authorization) co_return std::move(authorization).error();
    attempt.authorization = *std::move(authorization);
  }
  base::Clock& clock = pool->world.clock();
  const auto started = clock.now();
  auto sending = try_send(pool, request, attempt);
  auto response = co_await std::move(sending);
  pool->metrics.count(request.method, response ? response->status : 0, clock.now() - started);
  co_return response;
}

base::Task<base::Result<ClientResponse>> Client::try_send(std::shared_ptr<ClientPool> pool,
                                                          const ClientRequest& request,
                                                          Try& attempt) {
  const std::string head = render(request, *pool, attempt.authorization);
  const auto executor = co_await boost::asio::this_coro::executor;
  auto connection = pool->take(executor);
  while (true) {
    const bool reused = connection != nullptr;
    if (!reused) {
      auto connecting = connect(*pool, executor, attempt.deadline);
      auto connected = co_await std::move(connecting);
      if (!connected) co_return std::move(connected).error();
      connection = *std::move(connected);
    }
    attempt.generation = connection->generation;
    connection->stream->set_deadline(attempt.deadline);
    // To get here may have taken long, and a stopped process takes as long as it is stopped: what
    // is too late must not be sent.
    if (pool->world.clock().now() >= attempt.deadline) {
      co_return base::Error{base::ErrorCode::kTimeout,
                            pool->host + ": the deadline passed before the request was sent"};
    }
    auto answer = co_await exchange(*pool, *connection, head, request.body);
    if (!answer.head) {
      connection.reset();
      // The server closed a kept connection just as it was taken up again: that says nothing about
      // the request.
      const bool stale = reused && !answer.peer_spoke && request.body.empty() &&
                         answer.head.error().code != base::ErrorCode::kTimeout;
      if (stale) continue;
      co_return std::move(answer.head).error();
    }
    const auto framing = check_response(*answer.head, request.method);
    if (!framing) co_return framing.error();
    ClientResponse response;
    response.status = answer.head->status;
    response.headers = std::move(answer.head->headers);
    response.sizes = &pool->metrics.sizes(request.method);
    response.body = std::make_unique<ResponseBody>(pool, std::move(connection), *framing);
    if (framing->body == ResponseFraming::Body::kNone) co_return response;
    const auto plain = undo_content_encoding(response, request.accept_gzip && pool->options.gzip);
    if (!plain) co_return protocol(*pool, plain.error().message);
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
    if (*more) continue;
    if (sizes != nullptr) sizes->Observe(static_cast<double>(text.size()));
    co_return text;
  }
}

}  // namespace podkeeper::http
