#include "pkg/http/connection.h"

#include "pkg/http/inflight.h"
#include "pkg/recovery/guard.h"
#include "pkg/recovery/panic_report.h"

#include <boost/asio/post.hpp>

#include <utility>

namespace podkeeper::http {
namespace {

constexpr std::size_t kLingerBytesMax = 256 * 1024;
constexpr base::Duration kLingerMax = std::chrono::seconds(1);

/// "127.0.0.1:41000" without its port.
std::string source_of(const std::string& peer) { return peer.substr(0, peer.rfind(':')); }

/// The caller's trace with a span of our own, or a new trace.
base::TraceContext trace_of(const Headers& headers, base::Random& random) {
  const auto fill = [&random](auto& bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
      const std::uint64_t bits = random.next() | 1;  // all zero is no id
      for (std::size_t j = 0; j < 8; ++j) bytes[i + j] = static_cast<std::uint8_t>(bits >> (8 * j));
    }
  };
  base::TraceContext trace;
  auto given = base::parse_traceparent(headers.get("traceparent").value_or(""));
  if (given) {
    trace = *given;
  } else {
    fill(trace.trace_id);
  }
  fill(trace.span_id);
  return trace;
}

/// For those rejections that are told as the route's own errors are.
base::ErrorCode code_of(Rejection rejection) noexcept {
  return rejection == Rejection::kBodyTooLarge ? base::ErrorCode::kTooLarge
                                               : base::ErrorCode::kUnavailable;
}

/// Owns the request while the handler works, and makes what a plain function throws a throw of the
/// coroutine.
base::Task<Response> call(const Handler& handler, Request request) {
  auto answering = handler(std::move(request));
  co_return co_await std::move(answering);
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerCore> core, base::Executor executor,
                       std::unique_ptr<base::Stream> stream)
    : core_(std::move(core)),
      executor_(std::move(executor)),
      stream_(std::move(stream)),
      peer_(stream_->peer()),
      source_(source_of(peer_)),
      reader_(stream_, core_->world.clock(), core_->limits) {}

base::Task<void> Connection::run() {
  const ServerLimits& limits = core_->limits;
  base::Clock& clock = core_->world.clock();
  bool first = true;
  while (!ending_ && !core_->draining.load(std::memory_order_acquire)) {
    waiting_ = true;
    idle_since_.store(clock.now().time_since_epoch().count() | 1, std::memory_order_relaxed);
    const auto here = co_await reader_.wait(first ? limits.header_timeout : limits.idle_timeout);
    idle_since_.store(0, std::memory_order_relaxed);
    waiting_ = false;
    if (!here) {
      if (here.error().code == base::ErrorCode::kTimeout && !ending_) {
        core_->metrics.time_out(first ? Phase::kHeader : Phase::kIdle);
      }
      break;
    }
    if (!*here) break;
    first = false;
    auto incoming = co_await reader_.read();
    if (!incoming) {
      NoRequest none = std::move(incoming).error();
      if (!none.rejection) break;
      Exchange exchange{.keep_alive = false, .started = clock.now()};
      auto response = render_rejection(none.path, *none.rejection);
      const bool told = co_await write_whole(exchange, std::move(response));
      if (!told) co_await linger();
      break;
    }
    const bool more = co_await serve(*std::move(incoming));
    if (!more) break;
  }
  stream_->close();
}

base::Task<void> Connection::refuse(Rejection rejection) {
  Exchange exchange{.keep_alive = false, .started = core_->world.clock().now()};
  auto response = render_rejection({}, rejection);
  co_await write_whole(exchange, std::move(response));
  co_await linger();
  stream_->close();
}

void Connection::end_soon(std::shared_ptr<Connection> connection) {
  const base::Executor executor = connection->executor_;
  boost::asio::post(executor, [self = std::move(connection)] {
    self->ending_ = true;
    if (self->waiting_) self->stream_->set_deadline(self->core_->world.clock().now());
    if (self->session_ != nullptr) self->session_->ask_to_end();
  });
}

void Connection::evict(std::shared_ptr<Connection> connection, std::int64_t since) {
  const base::Executor executor = connection->executor_;
  boost::asio::post(executor, [self = std::move(connection), since] {
    if (self->writing_since() != since) return;  // it has taken that meanwhile
    self->core_->overload->count(OverloadAction::kEvictSlow);
    self->stream_->set_deadline(self->core_->world.clock().now());
  });
}

Connection::Exchange Connection::begin(const Incoming& incoming) {
  Exchange exchange{.head_only = incoming.method == "HEAD",
                    .keep_alive = incoming.keep_alive,
                    .version_minor = incoming.version_minor,
                    .started = incoming.started,
                    .trace = trace_of(incoming.headers, core_->world.random()),
                    .path = incoming.target ? incoming.target->path : std::string()};
  recovery::PanicRecorder::instance().note_trace(exchange.trace);
  if (base::TaskContext* task = base::current_task()) {
    task->set_trace(exchange.trace);
    task->set_request(base::RequestFeatures{incoming.method, exchange.path, "", ""});
  }
  return exchange;
}

base::Task<bool> Connection::serve(Incoming incoming) {
  Exchange exchange = begin(incoming);
  if (core_->refuses()) {
    exchange.keep_alive = false;
    auto refusal = render_rejection(exchange.path, Rejection::kOverload);
    co_return co_await write_whole(exchange, std::move(refusal));
  }
  Inflight inflight(*core_);
  std::optional<Response> response;
  if (inflight.admitted()) {
    auto responding = respond(std::move(incoming), exchange);
    response = co_await std::move(responding);
  } else {
    response = render_rejection(exchange.path, Rejection::kInflight);
  }
  if (!response) co_return false;
  if (std::holds_alternative<StreamBody>(response->body)) {
    inflight.become_stream();
    co_return co_await write_stream(exchange, *std::move(response));
  }
  const AnswerPieces pieces(*core_, *response);
  if (!pieces.admitted()) response = render_rejection(exchange.path, Rejection::kAnswers);
  co_return co_await write_whole(exchange, *std::move(response));
}

base::Task<std::optional<Response>> Connection::respond(Incoming incoming, Exchange& exchange) {
  if (!incoming.target) {
    exchange.keep_alive = false;
    core_->metrics.reject(Rejection::kTarget);
    co_return Response::text(400, incoming.target.error().message + "\n");
  }
  const Handler* handler = core_->router.find(*incoming.target);
  if (handler == nullptr) co_return Response::text(404, "404 page not found\n");
  Request request{.method = std::move(incoming.method),
                  .target = *std::move(incoming.target),
                  .headers = std::move(incoming.headers),
                  .body = std::move(incoming.body),
                  .peer = peer_,
                  .deadline = incoming.started + core_->limits.request_timeout};
  auto called = call(*handler, std::move(request));
  auto guarded = recovery::guard(base::Handler::kHttp, std::move(called));
  auto response = co_await std::move(guarded);
  if (response) co_return *std::move(response);
  if (response.error().code == base::ErrorCode::kCancelled) co_return std::nullopt;
  // What was thrown stands in the panic report; a client is told only how to find it.
  co_return render_error(
      exchange.path,
      base::Error{base::ErrorCode::kInternal, "internal error; the report of trace " +
                                                  exchange.trace.trace_id_hex() + " says why"},
      500);
}

Response Connection::render_error(const std::string& path, base::Error error, int status) {
  if (const ErrorRenderer* renderer = core_->router.errors(path)) {
    auto rendered =
        recovery::guard(base::Handler::kHttp, [&] { return (*renderer)(error, status); });
    if (rendered) return *std::move(rendered);
  }
  return Response::text(status, error.message + "\n");
}

Response Connection::render_rejection(const std::string& path, Rejection rejection) {
  core_->metrics.reject(rejection);
  const int status = status_of(rejection);
  auto response =
      !path.empty() && (rejection == Rejection::kBodyTooLarge || rejection == Rejection::kOverload)
          ? render_error(path, {code_of(rejection), message_of(rejection)}, status)
          : Response::text(status, std::string(message_of(rejection)) + "\n");
  if (status == 429 || status == 503) response.headers.add("Retry-After", "1");
  return response;
}

base::Task<void> Connection::linger() {
  // Closing with bytes unread resets the connection, and a reset can overtake the answer just
  // written.
  stream_->shutdown_write();
  stream_->set_deadline(core_->world.clock().now() + kLingerMax);
  std::size_t dropped = 0;
  std::string scrap(4096, '\0');
  while (dropped < kLingerBytesMax) {
    const auto got = co_await stream_->read_some(boost::asio::buffer(scrap));
    if (!got || *got == 0) co_return;
    dropped += *got;
  }
}

}  // namespace podkeeper::http
