// The client's side: an answer is read the same however it is sliced; what a server packed and cut
// into chunks comes out as it was; and an answer that stops early is an error at every byte.
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/telemetry/metrics.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tests/fuzz/support/fed_stream.h"
#include "tests/fuzz/support/grammar.h"

namespace podkeeper::fuzz {
namespace {

constexpr std::string_view kWords[] = {"HTTP/1.1 200 OK\r\n",
                                       "HTTP/1.0 200 OK\r\n",
                                       "HTTP/1.1 100 Continue\r\n\r\n",
                                       "HTTP/1.1 204 No Content\r\n",
                                       "HTTP/1.1 304 Not Modified\r\n",
                                       "HTTP/1.1 101 S\r\n",
                                       "Content-Length: ",
                                       "Transfer-Encoding: chunked\r\n",
                                       "Transfer-Encoding: gzip, chunked\r\n",
                                       "Content-Encoding: gzip\r\n",
                                       "Content-Encoding: br\r\n",
                                       "Connection: close\r\n",
                                       "\r\n",
                                       "\r\n\r\n",
                                       "0\r\n\r\n",
                                       "5\r\nhello\r\n",
                                       "0\r\n",
                                       "ffffffffffffffff\r\n",
                                       "0000000000000005",
                                       ";a=b",
                                       "T: u\r\n",
                                       "\n",
                                       "5 \r\n",
                                       "-1",
                                       "+5\r\n",
                                       "0x5\r\n",
                                       "Content-Length: 5\r\n\r\nhello",
                                       "\x1f\x8b\x08"};
constexpr std::size_t kLimits[] = {16, 100, 4096, 16384, 65535, 65536};
constexpr std::size_t kBodyBytesMax = 1 << 20;

/// A network of one server, which says `bytes` to whoever connects.
class FedNetwork final : public base::Network {
 public:
  base::Result<std::unique_ptr<base::Listener>> listen(const base::Endpoint&) override {
    return base::Error{base::ErrorCode::kIo, "nobody listens here"};
  }
  base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(base::Endpoint,
                                                                  base::MonotonicTime) override {
    co_return std::make_unique<FedStream>(bytes, slice_seed);
  }
  std::string_view bytes;
  std::uint64_t slice_seed = 0;
};

class FedWorld final : public base::World {
 public:
  base::Clock& clock() override { return below.clock(); }
  base::Network& network() override { return fed; }
  base::Random& random() override { return below.random(); }
  base::Files& files() override { return below.files(); }
  base::Executor make_executor() override { return below.make_executor(); }
  runtime::SimulatedWorld below{1};
  FedNetwork fed;
};

struct Heard {
  bool whole = false;  ///< head and body, to the body's proper end
  int status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  friend bool operator==(const Heard&, const Heard&) = default;
};

http::ClientOptions options() {
  http::ClientOptions options;
  options.endpoint = {"192.0.2.1", 80};
  options.user_agent = "podkeeper-fuzz";
  options.idle_connections_max = 0;
  return options;
}

base::Task<void> ask(http::Client& client, base::Clock& clock, Heard& heard) {
  http::ClientRequest request;
  request.target = "/x";
  request.accept_gzip = true;
  auto response = co_await client.send(std::move(request), clock.now() + std::chrono::seconds(1));
  if (!response) co_return;
  heard.status = response->status;
  heard.headers = response->headers.fields();
  auto body = co_await response->read_all(kBodyBytesMax);
  if (!body) co_return;
  heard.whole = true;
  heard.body = *std::move(body);
}

Heard hear(std::string_view bytes, std::uint64_t slice_seed) {
  static FedWorld world;
  static telemetry::Metrics metrics;
  static http::Client client(world, metrics, options());
  world.fed.bytes = bytes;
  world.fed.slice_seed = slice_seed;
  Heard heard;
  world.below.run_task([&] { return ask(client, world.clock(), heard); });
  // The pool lets go of a connection on its executor.
  world.below.run();
  return heard;
}

std::string gzipped(std::string_view text) {
  z_stream stream{};
  demand(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 1, Z_DEFAULT_STRATEGY) == Z_OK, "zlib");
  std::string out(deflateBound(&stream, text.size()), '\0');
  std::string in(text);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  demand(deflate(&stream, Z_FINISH) == Z_STREAM_END, "zlib");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string chunked(std::string_view body, Dice& dice) {
  std::string out;
  while (!body.empty()) {
    const std::size_t size = 1 + dice.below(dice.below(4) == 0 ? body.size() : 40) % body.size();
    std::array<char, 32> line{};
    std::snprintf(line.data(), line.size(), dice.below(2) == 0 ? "%zx" : "%04zX", size);
    out += line.data();
    if (dice.below(8) == 0) out += ";a=\"b\"";
    out.append("\r\n").append(body.substr(0, size)).append("\r\n");
    body.remove_prefix(size);
  }
  return out + "0\r\n" + (dice.below(4) == 0 ? "T: u\r\n" : "") + "\r\n";
}

/// Bytes that begin with this are a body for the server of this file to send; its next eight bytes
/// say how. All others are the answer itself.
constexpr std::string_view kSend = "send";

void check_sent(std::string_view input) {
  const std::string_view how = input.substr(0, 8);
  const std::string_view body = input.substr(how.size());
  const bool packs = !how.empty() && (how[0] & 1) != 0;
  std::uint64_t seed = 1;
  for (const char c : how) seed = seed * 257 + static_cast<unsigned char>(c);
  Dice dice(seed);
  std::string sent = packs ? gzipped(body) : std::string(body);
  std::string head = "HTTP/1.1 200 OK\r\nX-A: b\r\n";
  if (packs) head += "Content-Encoding: gzip\r\n";
  if (dice.below(4) == 0) head += "Connection: close\r\n";
  if (dice.below(3) != 0) {
    head += "Transfer-Encoding: chunked\r\n\r\n";
    sent = head + chunked(sent, dice);
  } else {
    head += "Content-Length: " + std::to_string(sent.size()) + "\r\n\r\n";
    sent = head + sent;
  }
  const auto heard = hear(sent, dice.next());
  demand(heard.whole, "an answer was refused that is well");
  demand(heard.body == body, "a body came out as another");
  const std::size_t cut = dice.below(sent.size());
  demand(!hear(std::string_view(sent).substr(0, cut), dice.below(2)).whole,
         "a cut answer was taken for a whole one");
}

void check(std::string_view input) {
  if (input.starts_with(kSend)) return check_sent(input.substr(kSend.size()));
  const auto whole = hear(input, 0);
  const auto sliced = hear(input, 1 + input.size());
  demand(whole.body.size() <= kBodyBytesMax, "a body beyond the cap");
  demand(whole.whole == sliced.whole, "slices decide whether it is whole");
  if (whole.whole) demand(whole == sliced, "slices make another answer");
}

std::string generate(Dice& dice) {
  if (one_in(dice, 2)) {
    std::string out(kSend);
    for (int i = 0; i < 8; ++i) out += static_cast<char>(dice.below(256));
    return out + text(dice, length(dice, kLimits), "ab{}\":\n\x1f");
  }
  std::string out(one_in(dice, 6) ? kWords[2] : "");
  out += pick(dice, {kWords[0], kWords[0], kWords[1], kWords[3], kWords[4]});
  for (std::uint64_t i = dice.below(4); i > 0; --i) {
    out += one_in(dice, 2) ? std::string(pick(dice, kWords))
                           : "X: " + text(dice, length(dice, kLimits), kNameCharacters) + "\r\n";
  }
  if (one_in(dice, 2)) {
    out += "Transfer-Encoding: chunked\r\n\r\n";
    out += chunked(text(dice, length(dice, kLimits), "ab\r\n"), dice);
    if (one_in(dice, 2)) {  // a trailer or an extension at its limit
      out.resize(out.size() - 2);
      out += "T: " + text(dice, length(dice, kLimits), kNameCharacters) + "\r\n\r\n";
    }
  } else {
    const std::string body = text(dice, length(dice, kLimits), kNameCharacters);
    out += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  return out;
}

const Target kTarget{"http_response", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
