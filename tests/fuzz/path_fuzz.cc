// The canonical parse of a request's target: what it accepts has one meaning, whoever reads it.
#include "pkg/http/message.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "tests/fuzz/support/canonical.h"
#include "tests/fuzz/support/grammar.h"

namespace podkeeper::fuzz {
namespace {

constexpr std::string_view kWords[] = {
    "/",      "//",     "/./", "/../",    "%2e",     "%2F",  "%00", "%25",   "%2",
    "%",      "?",      "&",   "=",       "#",       ";",    "\\",  "%5c",   "+",
    "..",     "%c0%ae", "a",   "api",     "/api/v1", "pods", "%0a", "%7f",   "\x80",
    "?a=1&a", "*",      ":",   "http://", "@",       "~",    "&&",  "%2E%2e"};
constexpr std::size_t kLimits[] = {64, 2048};

bool printable(std::string_view text) {
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

void check_accepted(const http::Target& target) {
  std::string joined;
  for (const auto& segment : target.segments) {
    demand(!segment.empty() && segment != "." && segment != "..", "an empty or a dot segment");
    demand(segment.find_first_of("/\\") == std::string::npos, "a separator inside a segment");
    demand(printable(segment), "a segment that is not printable");
    joined += "/" + segment;
  }
  if (joined.empty()) joined = "/";
  demand_equal(joined, target.path, "the path is not its segments");
  demand(target.query.size() <= 64, "more than 64 query parameters");
  for (const auto& [key, value] : target.query) {
    demand(printable(key) && printable(value), "a query that is not printable");
  }
  // What stands for it canonically is read as the same again.
  const auto again = http::parse_target(written(target));
  demand(again.has_value(), "its canonical form is refused");
  demand_equal(again->path, target.path, "its canonical form is another path");
  demand(again->segments == target.segments, "its canonical form has other segments");
  demand(again->query == target.query, "its canonical form has another query");
}

void check(std::string_view input) {
  const auto target = http::parse_target(input);
  if (!target) {
    demand(!target.error().message.empty(), "a refusal without a word");
    return;
  }
  demand(input.starts_with('/'), "accepted without a leading slash");
  const auto path = input.substr(0, input.find('?'));
  demand(path.find("//") == std::string_view::npos, "accepted with '//'");
  demand(input.find('#') == std::string_view::npos, "accepted with a fragment");
  demand(input.find('\0') == std::string_view::npos, "accepted with a NUL");
  check_accepted(*target);
}

std::string generate(Dice& dice) {
  std::string out;
  for (std::uint64_t i = dice.below(8); i > 0; --i) {
    out += '/';
    if (one_in(dice, 3)) out += pick(dice, kWords);
    out += text(dice, length(dice, kLimits), kNameCharacters);
  }
  char mark = '?';
  // Up to one more than there may be.
  for (std::uint64_t i = one_in(dice, 8) ? 62 + dice.below(5) : dice.below(5); i > 0; --i) {
    out += mark + text(dice, length(dice, kLimits), kNameCharacters) + "=" +
           std::string(pick(dice, kWords));
    mark = '&';
  }
  return out;
}

const Target kTarget{"path", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
