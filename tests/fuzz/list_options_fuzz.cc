// The query of a LIST or WATCH: refused with a Status of the client's fault, or within its caps;
// and the same however the query is encoded. Continue tokens are read from queries too.
#include "pkg/kube/resource.h"
#include "pkg/kubeapi/continue_token.h"
#include "pkg/kubeapi/list_options.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "tests/fuzz/support/canonical.h"
#include "tests/fuzz/support/grammar.h"

namespace podkeeper::fuzz {
namespace {

constexpr std::string_view kWords[] = {
    "limit=",
    "continue=",
    "resourceVersion=",
    "resourceVersionMatch=",
    "watch=",
    "timeoutSeconds=",
    "labelSelector=",
    "fieldSelector=",
    "includeObject=",
    "pretty=",
    "&",
    "Exact",
    "NotOlderThan",
    "0",
    "1",
    "-1",
    "true",
    "false",
    "18446744073709551616",
    "9223372036854775807",
    "9223372036854775808",
    "+5",
    "None",
    "Metadata",
    "Object",
    "sendInitialEvents=true",
    "allowWatchBookmarks=1",
    "app%3Dweb",
    "status.phase%3DRunning",
    "metadata.name%3Dweb-0",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MjIwLCJzdGFydCI6Ii9zaG9wL2pvYi0wXHUwMDAwIn0",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiLyJ9"};
constexpr std::size_t kLimits[] = {64, 1000, 2048, 10240};

kubeapi::ApiPath path_of(const kube::Resource& resource, std::string_view namespace_) {
  kubeapi::ApiPath path;
  path.resource = &resource;
  path.namespace_ = namespace_;
  return path;
}

void check_token(std::string_view text) {
  const auto token = kubeapi::decode_continue(text);
  if (!token) return;
  demand(!token->start_after.empty() && token->revision != 0, "a token that says nothing");
  const std::string written = kubeapi::encode_continue(*token);
  if (written.size() > kubeapi::kContinueBytesMax) return;
  const auto again = kubeapi::decode_continue(written);
  demand(again.has_value(), "a token written anew is refused");
  demand(again->revision == token->revision, "a token written anew has another revision");
  demand_equal(again->start_after, token->start_after, "a token written anew starts elsewhere");
}

void check_accepted(const kubeapi::ListOptions& options) {
  demand(options.query.limit >= 0, "a negative limit");
  demand(options.query.labels.requirements().size() <= kube::kSelectorTermsMax, "too many labels");
  demand(options.query.fields.terms().size() <= kube::kSelectorTermsMax + 1, "too many fields");
  if (const auto timeout = options.watch_options.timeout) {
    demand(timeout->count() > 0 && timeout->count() <= kubeapi::kWatchSecondsMax,
           "a time-out out of range");
  }
  demand(!(options.watch_options.from && options.watch_options.initial_events),
         "a watch from a revision and from the state");
  demand(!options.continued || !options.query.start_after.empty(), "goes on after nothing");
}

bool same(const kubeapi::ListOptions& a, const kubeapi::ListOptions& b) {
  return a.watch == b.watch && a.pretty == b.pretty && a.include == b.include &&
         a.not_older_than == b.not_older_than && a.continued == b.continued &&
         a.query.limit == b.query.limit && a.query.start_after == b.query.start_after &&
         a.query.at == b.query.at && a.watch_options.bookmarks == b.watch_options.bookmarks &&
         a.watch_options.initial_events == b.watch_options.initial_events &&
         a.watch_options.from == b.watch_options.from &&
         a.watch_options.timeout == b.watch_options.timeout;
}

void check(std::string_view input) {
  check_token(input);
  const auto target = http::parse_target("/api/v1/pods?" + std::string(input));
  if (!target) return;
  const auto again = http::parse_target(written(*target));
  demand(again.has_value(), "its canonical form is refused");
  for (const auto& path :
       {path_of(kube::pods(), ""), path_of(kube::pods(), "shop"), path_of(kube::nodes(), "")}) {
    const auto options = kubeapi::parse_list_options(*target, path);
    const auto options_again = kubeapi::parse_list_options(*again, path);
    demand(options.has_value() == options_again.has_value(), "decided by its encoding");
    if (!options) {
      demand(options.error().code >= 400 && options.error().code <= 500, "an odd status");
      demand_equal(options.error().message, options_again.error().message, "told by its encoding");
      continue;
    }
    demand(same(*options, *options_again), "understood by its encoding");
    check_accepted(*options);
  }
  const auto get = kubeapi::parse_get_options(*target);
  if (!get) demand(get.error().code == 400, "an odd status of a GET");
}

std::string generate(Dice& dice) {
  std::string out;
  for (std::uint64_t i = 1 + dice.below(6); i > 0; --i) {
    if (!out.empty()) out += '&';
    if (one_in(dice, 6)) {
      kubeapi::ContinueToken token{.revision = static_cast<std::int64_t>(dice.next()) >> 3,
                                   .start_after = text(dice, length(dice, kLimits), "a/\\\"<\x01")};
      out += "continue=" + kubeapi::encode_continue(token);
      continue;
    }
    out += kWords[dice.below(10)];
    out += one_in(dice, 3) ? percent_encoded(text(dice, length(dice, kLimits), "a=,!()<> \\"))
                           : std::string(pick(dice, kWords));
  }
  return out;
}

const Target kTarget{"list_options", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
