// The server's side of a connection: which requests a stream of bytes holds must not depend on how
// it is sliced, and what is accepted is framed in the one way that nobody reads otherwise.
#include "pkg/http/request_reader.h"
#include "pkg/runtime/simulated_world.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/fuzz/support/canonical.h"
#include "tests/fuzz/support/fed_stream.h"
#include "tests/fuzz/support/grammar.h"

namespace podkeeper::fuzz {
namespace {

constexpr std::string_view kWords[] = {"GET ",
                                       "POST ",
                                       "HEAD ",
                                       "PATCH ",
                                       " HTTP/1.1\r\n",
                                       " HTTP/1.0\r\n",
                                       " HTTP/2.0\r\n",
                                       "\r\n",
                                       "\n",
                                       "\r",
                                       "\r\n\r\n",
                                       "Host: a\r\n",
                                       "Host: ",
                                       "Connection: ",
                                       "close",
                                       "keep-alive",
                                       "Content-Length: ",
                                       "0\r\n",
                                       "5\r\nhello",
                                       "1, 1",
                                       "Transfer-Encoding: chunked\r\n",
                                       "Transfer-Encoding: identity\r\n",
                                       "Expect: 100-continue\r\n",
                                       "X-Y: z\r\n",
                                       " folded\r\n",
                                       "/",
                                       "http://a/",
                                       ":",
                                       "\t",
                                       "\0x",
                                       "%2e",
                                       "0\r\n\r\n",
                                       "5;a=b\r\nhello\r\n",
                                       "Accept-Encoding: gzip\r\n",
                                       "+1",
                                       "18446744073709551616",
                                       "\x80",
                                       "GET / HTTP/1.1\r\nHost: a\r\n\r\n"};
constexpr std::size_t kLimits[] = {16, 100, 1024, 2048, 2075, 4096, 8192, 65536};
constexpr std::size_t kBodyBytesMax = 4096;

constexpr std::size_t kRequestsMax = 64;  // of one input; more say nothing new

/// The connection's requests, in order, until one is refused or the peer is gone.
base::Task<void> read_all(base::Clock& clock, std::string_view bytes, std::uint64_t slice_seed,
                          std::vector<http::Incoming>& into) {
  http::ServerLimits limits;
  limits.body_bytes_max = kBodyBytesMax;
  http::RequestReader reader(std::make_shared<FedStream>(bytes, slice_seed), clock, limits);
  while (into.size() < kRequestsMax) {
    const auto waited = co_await reader.wait(std::chrono::seconds(1));
    if (!waited || !*waited) co_return;
    auto incoming = co_await reader.read();
    if (!incoming) co_return;
    const bool stays = incoming->keep_alive;
    into.push_back(*std::move(incoming));
    if (!stays) co_return;
  }
}

std::vector<http::Incoming> requests_in(std::string_view bytes, std::uint64_t slice_seed) {
  static runtime::SimulatedWorld world(1);
  std::vector<http::Incoming> requests;
  world.run_task([&] { return read_all(world.clock(), bytes, slice_seed, requests); });
  return requests;
}

/// As it would be sent by a client of good manners.
std::string written(const http::Incoming& request) {
  std::string out = request.method + " " + fuzz::written(*request.target) + " HTTP/1." +
                    std::to_string(request.version_minor) + "\r\n";
  for (const auto& [name, value] : request.headers.fields()) out += name + ": " + value + "\r\n";
  return out + "\r\n" + request.body;
}

void check_framing(const http::Incoming& request) {
  demand(!request.method.empty() && request.method.size() <= http::kMethodBytesMax, "method");
  demand(std::ranges::all_of(request.method,
                             [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; }),
         "a method that is no upper-case word");
  const auto& headers = request.headers;
  demand(headers.count("Transfer-Encoding") == 0, "a Transfer-Encoding was accepted");
  demand(headers.count("Content-Length") <= 1, "two lengths were accepted");
  demand(headers.count("Host") == 1 || request.version_minor == 0, "accepted without one Host");
  demand(headers.fields().size() <= http::kHeaderFieldsMax, "too many fields");
  demand(request.body.size() <= kBodyBytesMax, "a body beyond the cap");
  const auto length = headers.get("Content-Length").value_or("0");
  demand(length.find_first_not_of("0123456789") == std::string_view::npos, "an odd length");
  demand(std::stoull(std::string(length)) == request.body.size(), "a body of another length");
  for (const auto& [name, value] : headers.fields()) {
    demand(!name.empty() && name.find_first_of(" \t:\r\n") == std::string::npos, "a field's name");
    demand(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
           "a line break or NUL inside a field");
  }
}

void demand_same(const http::Incoming& a, const http::Incoming& b, std::string_view what) {
  demand_equal(a.method, b.method, what);
  demand(a.target.has_value() == b.target.has_value(), what);
  if (a.target) demand_equal(fuzz::written(*a.target), fuzz::written(*b.target), what);
  demand(a.headers.fields() == b.headers.fields(), what);
  demand_equal(a.body, b.body, what);
  demand(a.version_minor == b.version_minor && a.keep_alive == b.keep_alive, what);
}

void check(std::string_view input) {
  const auto whole = requests_in(input, 0);
  const auto sliced = requests_in(input, 1 + input.size());
  demand(whole.size() == sliced.size(), "slices make another number of requests");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    demand_same(whole[i], sliced[i], "slices make another request");
    check_framing(whole[i]);
    if (!whole[i].target) continue;
    const std::string text = written(whole[i]);
    // Percent-encoded it may be longer than a target may be.
    if (text.find("\r\n") > 2048 || text.size() - whole[i].body.size() > 8192) continue;
    const auto again = requests_in(text, 0);
    demand(again.size() == 1, "written anew it is not one request");
    demand_same(again[0], whole[i], "written anew it is another request");
  }
}

std::string field(Dice& dice) {
  if (one_in(dice, 4)) return std::string(pick(dice, kWords));
  std::string name(pick(dice, {"Accept", "X-A", "User-Agent", "Connection", "Content-Length",
                               "Transfer-Encoding", "Host", "Expect"}));
  std::string value = one_in(dice, 3) ? std::string(pick(dice, kWords))
                                      : text(dice, length(dice, kLimits), kNameCharacters);
  return name + std::string(pick(dice, {": ", ":", ":\t", " : "})) + value + "\r\n";
}

std::string request(Dice& dice) {
  std::string out(pick(dice, {"GET", "GET", "POST", "PUT", "DELETE", "OPTIONS", "get"}));
  out += " /" + text(dice, length(dice, kLimits), kNameCharacters);
  out += pick(dice, {" HTTP/1.1\r\n", " HTTP/1.1\r\n", " HTTP/1.0\r\n", " HTTP/1.1\n"});
  if (!one_in(dice, 8)) out += "Host: a\r\n";
  const std::uint64_t fields = one_in(dice, 16) ? 97 + dice.below(5) : dice.below(5);
  for (std::uint64_t i = 0; i < fields; ++i) out += fields > 90 ? "A: b\r\n" : field(dice);
  if (one_in(dice, 3)) {
    const std::string body = text(dice, length(dice, kLimits), kNameCharacters);
    const std::size_t claimed = body.size() + (one_in(dice, 8) ? dice.below(3) : 0);
    return out + "Content-Length: " + std::to_string(claimed) + "\r\n\r\n" + body;
  }
  if (one_in(dice, 12)) {  // a chunked body, with a trailer at its limit
    return out + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: " +
           text(dice, length(dice, kLimits), kNameCharacters) + "\r\n\r\n";
  }
  return out + "\r\n";
}

std::string generate(Dice& dice) {
  std::string out;
  for (std::uint64_t i = 1 + dice.below(4); i > 0; --i) out += request(dice);
  return out;
}

const Target kTarget{"http_request", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
