#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/lifetime.h"
#include "pkg/base/net.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/task_context.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace podkeeper::http {

/// Header fields in order; names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept
      PK_LIFETIME_BOUND;
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& fields() const noexcept
      PK_LIFETIME_BOUND {
    return fields_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// A request target in its one canonical form, parsed once and used for routing, authorization and
/// metrics alike: percent-decoded segments without "//", dots, NUL or encodings of them; one
/// trailing slash is trimmed.
struct Target {
  std::string path;                   ///< "/api/v1/pods", decoded, no trailing slash but for "/"
  std::vector<std::string> segments;  ///< {"api", "v1", "pods"}
  std::vector<std::pair<std::string, std::string>> query;  ///< decoded, in order

  /// The first value of a query key.
  [[nodiscard]] std::optional<std::string_view> query_value(std::string_view key) const noexcept
      PK_LIFETIME_BOUND;
  [[nodiscard]] std::vector<std::string_view> query_values(std::string_view key) const;
};
/// kInvalidArgument names what is not canonical: "//" and dots, what decodes to a separator, a
/// control or a byte beyond ASCII, ';' and fragments, other forms than the origin form, a query key
/// that comes twice (but for `exclude` of the health checks). O(size + parameters^2), of which 64.
base::Result<Target> parse_target(std::string_view target);

struct Request {
  std::string method;  ///< "GET", upper case
  Target target;
  Headers headers;
  std::string body;
  std::string peer;  ///< "127.0.0.1:41000"
  base::MonotonicTime deadline =
      base::MonotonicTime::max();  ///< by when a whole answer must be taken; not for streams
};

/// Bytes to send that live elsewhere (records, static text), kept alive by `owner` until they are
/// written. This is how a LIST is gathered instead of serialized.
struct GatheredBody {
  std::vector<std::string_view> pieces;
  std::shared_ptr<const void> owner;
  std::size_t size = 0;  ///< sum of all pieces
  /// Where not all pieces are there from the start: puts the next ones into an empty vector, or
  /// leaves it empty after the last. An answer that nobody takes holds only a few.
  std::function<void(std::vector<std::string_view>&)> more = {};
  std::size_t pieces_to_come = 0;  ///< from `more`

  void add(std::string_view piece) {
    pieces.push_back(piece);
    size += piece.size();
  }
  /// Makes `pieces` those that follow; false: there are none.
  bool next() {
    pieces.clear();
    if (more) more(pieces);
    return !pieces.empty();
  }
};

/// Where a streamed answer goes: each write is at least one chunk on the wire, flushed at once.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  /// Fails when the client is gone or too slow; the stream should then end. The pieces must live
  /// until it returns.
  virtual base::Task<base::Result<void>> write(std::span<const std::string_view> pieces) = 0;
  /// True once the server drains: the stream should end soon, cleanly.
  [[nodiscard]] virtual bool draining() const noexcept = 0;
  /// Calls back (on any thread) once when draining starts or the client goes away; dropped, never
  /// to be called, when the body ends.
  virtual void on_end(std::function<void()> callback) = 0;
};
/// Writes the body, then returns; the server sends the last chunk. Runs as handler kind kStream.
using StreamBody = std::move_only_function<base::Task<void>(BodyWriter&)>;

/// The closed label sets of podkeeper_http_requests_total, chosen by whoever answers.
enum class Verb { kGet, kList, kWatch, kCreate, kUpdate, kPatch, kDelete, kOther };
enum class Scope { kNone, kCluster, kNamespace, kResource };
const char* to_string(Verb verb) noexcept;
const char* to_string(Scope scope) noexcept;

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers;  ///< beyond Content-Type, Content-Length or Transfer-Encoding, and Date
  std::variant<std::string, GatheredBody, StreamBody> body;
  Verb verb = Verb::kOther;
  std::string_view resource = "";  ///< static: "pods", "nodes", ... or empty
  Scope scope = Scope::kNone;

  static Response text(int status, std::string body);  ///< text/plain; charset=utf-8, nosniff
  static Response json(int status, std::string body);
};

/// Answers one request. What it throws is a recorded panic and a 500 to that client alone. Called
/// for many requests at once, so it is const: a `mutable` lambda, whose captures all requests would
/// share, is none.
using Handler = std::move_only_function<base::Task<Response>(Request) const>;

/// Says how errors of the server itself look on a path ("Status" on /api, {"error":...} on /state,
/// text elsewhere).
using ErrorRenderer = std::move_only_function<Response(const base::Error&, int status) const>;

/// The HTTP status for an Error.
int status_of(const base::Error& error) noexcept;

}  // namespace podkeeper::http
