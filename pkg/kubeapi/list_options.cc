#include "pkg/kubeapi/list_options.h"

#include "pkg/kubeapi/continue_token.h"
#include "pkg/kubeapi/errors.h"
#include "pkg/kubeapi/json_text.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace podkeeper::kubeapi {
namespace {

using Unexpected = std::unexpected<kube::Status>;

Unexpected refuse(std::string message) { return Unexpected(bad_request(std::move(message))); }

/// Go's strconv.ParseInt and ParseUint, errors included.
template <class T>
std::expected<T, std::string> parse_number(std::string_view text, std::string_view function) {
  T value{};
  const auto* end = text.data() + text.size();
  const auto* begin = text.data();
  if constexpr (std::is_signed_v<T>) {
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') ++begin;
  }
  const auto [rest, error] = std::from_chars(begin, end, value);
  if (error == std::errc() && rest == end) return value;
  std::string message =
      "strconv." + std::string(function) + ": parsing " + json_string(text) + ": ";
  message += error == std::errc::result_out_of_range && rest == end ? "value out of range"
                                                                    : "invalid syntax";
  return std::unexpected(std::move(message));
}

std::expected<std::int64_t, kube::Status> integer_option(const http::Target& target,
                                                         std::string_view key) {
  const auto text = target.query_value(key);
  if (!text) return 0;
  auto value = parse_number<std::int64_t>(*text, "ParseInt");
  if (!value) return refuse(std::move(value.error()));
  return *value;
}

/// As apimachinery reads a bool: whatever is there and not "0" or "false" is true.
std::optional<bool> bool_option(const http::Target& target, std::string_view key) {
  const auto text = target.query_value(key);
  if (!text) return std::nullopt;
  return !(*text == "0" || http::equal_ignoring_case(*text, "false"));
}

/// The faults of ListOptions against its rules, told together as one 422.
class Faults {
 public:
  void forbidden(std::string_view field, std::string_view why) {
    add("FieldValueForbidden", field, "Forbidden: " + std::string(why));
  }
  void unsupported(std::string_view field, std::string_view value, std::string_view supported) {
    add("FieldValueNotSupported", field,
        "Unsupported value: " + json_string(value) +
            ": supported values: " + std::string(supported));
  }
  [[nodiscard]] bool any() const { return !causes_.empty(); }
  [[nodiscard]] kube::Status status() && {
    kube::Status status;
    std::string all;
    for (const auto& cause : causes_) {
      if (!all.empty()) all += ", ";
      all += cause.field + ": " + cause.message;
    }
    if (causes_.size() > 1) all = "[" + all + "]";
    status.message = "ListOptions.meta.k8s.io \"\" is invalid: " + all;
    status.reason = "Invalid";
    status.code = 422;
    status.group = "meta.k8s.io";
    status.kind = "ListOptions";
    status.causes = std::move(causes_);
    return status;
  }

 private:
  void add(std::string reason, std::string_view field, std::string message) {
    causes_.push_back({std::move(reason), std::move(message), std::string(field)});
  }
  std::vector<kube::StatusCause> causes_;
};

/// The strings and flags that the rules are about.
struct Raw {
  std::string_view revision, match, continue_token;
  std::optional<bool> send_initial_events;
};

void validate_list(const Raw& raw, Faults& faults) {
  if (!raw.match.empty()) {
    if (raw.revision.empty()) {
      faults.forbidden("resourceVersionMatch",
                       "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if (!raw.continue_token.empty()) {
      faults.forbidden("resourceVersionMatch",
                       "resourceVersionMatch is forbidden when continue is provided");
    }
    if (raw.match != "Exact" && raw.match != "NotOlderThan") {
      faults.unsupported("resourceVersionMatch", raw.match, R"("Exact", "NotOlderThan", "")");
    }
    if (raw.match == "Exact" && raw.revision == "0") {
      faults.forbidden("resourceVersionMatch",
                       R"(resourceVersionMatch "exact" is forbidden for resourceVersion "0")");
    }
  }
  if (raw.send_initial_events)
    faults.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
}

void validate_watch(const Raw& raw, Faults& faults) {
  if (raw.send_initial_events && raw.match != "NotOlderThan") {
    faults.forbidden("resourceVersionMatch",
                     "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
  if (raw.match.empty()) return;
  if (!raw.send_initial_events) {
    faults.forbidden(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  }
  if (raw.match != "NotOlderThan")
    faults.unsupported("resourceVersionMatch", raw.match, R"("NotOlderThan")");
  if (!raw.continue_token.empty()) {
    faults.forbidden("resourceVersionMatch",
                     "resourceVersionMatch is forbidden when continue is provided");
  }
}

std::expected<void, kube::Status> parse_selectors(const http::Target& target, const ApiPath& path,
                                                  state::ListQuery& query) {
  auto labels = kube::LabelSelector::parse(target.query_value("labelSelector").value_or(""));
  if (!labels) return refuse(std::move(labels.error().message));
  query.labels = std::move(*labels);
  std::string fields(target.query_value("fieldSelector").value_or(""));
  if (!path.name.empty()) {  // the legacy watch of one object; its name has no character to escape
    if (!fields.empty()) fields += ',';
    fields += "metadata.name=" + path.name;
  }
  auto parsed = kube::FieldSelector::parse(*path.resource, fields);
  if (!parsed) return refuse(std::move(parsed.error().message));
  query.fields = std::move(*parsed);
  return {};
}

/// A revision that is set; the caller knows the text is not empty.
std::expected<kube::Revision, std::string> parse_wanted(std::string_view text) {
  auto value = parse_number<std::uint64_t>(text, "ParseUint");
  if (value) return kube::Revision{*value};
  return std::unexpected("resourceVersion: Invalid value: " + json_string(text) + ": " +
                         value.error());
}

std::expected<void, kube::Status> plan_list(const Raw& raw, const ApiPath& path,
                                            ListOptions& options) {
  auto& query = options.query;
  if (!raw.continue_token.empty()) {
    if (!raw.revision.empty() && raw.revision != "0") {
      return refuse("specifying resource version is not allowed when using continue");
    }
    auto token = decode_continue(raw.continue_token);
    if (!token) return refuse(std::move(token.error().message));
    options.continued = true;
    query.start_after = path.namespace_.empty() ? std::move(token->start_after)
                                                : path.namespace_ + "/" + token->start_after;
    if (token->revision > 0) {
      query.at = kube::Revision{static_cast<std::uint64_t>(token->revision)};
      options.not_older_than = *query.at;
    }
    return {};
  }
  if (raw.revision.empty()) return {};
  const auto wanted = parse_wanted(raw.revision);
  if (!wanted) return refuse("invalid resource version: " + wanted.error());
  if (wanted->value == 0) {
    query.limit = 0;  // as upstream's cache: "any" revision ignores the limit
    return {};
  }
  options.not_older_than = *wanted;
  if (raw.match == "Exact" || (raw.match.empty() && query.limit > 0)) query.at = *wanted;
  return {};
}

std::expected<void, kube::Status> plan_watch(const Raw& raw, ListOptions& options) {
  kube::Revision wanted;
  if (!raw.revision.empty()) {
    const auto parsed = parse_wanted(raw.revision);
    if (!parsed) {  // upstream's cache reports this one as its own fault
      kube::Status status;
      status.message = parsed.error();
      status.code = 500;
      return Unexpected(std::move(status));
    }
    wanted = *parsed;
  }
  auto& watch = options.watch_options;
  watch.initial_events = raw.send_initial_events.value_or(wanted.value == 0);
  watch.mark_initial_end = raw.send_initial_events.value_or(false) && watch.bookmarks;
  if (watch.initial_events) {
    options.not_older_than = wanted;
  } else if (wanted.value != 0) {
    watch.from = wanted;
  }
  return {};
}

std::expected<IncludeObject, kube::Status> parse_include(const http::Target& target) {
  const auto text = target.query_value("includeObject").value_or("");
  if (text.empty() || text == "Metadata") return IncludeObject::kMetadata;
  if (text == "None") return IncludeObject::kNone;
  if (text == "Object") return IncludeObject::kObject;
  return refuse("unrecognized includeObject value: " + json_string(text));
}

bool asks_pretty(const http::Target& target) {
  const auto pretty = target.query_value("pretty");
  return pretty && *pretty != "0" && *pretty != "false";
}

}  // namespace

std::expected<GetOptions, kube::Status> parse_get_options(const http::Target& target) {
  GetOptions options;
  options.pretty = asks_pretty(target);
  const auto include = parse_include(target);
  if (!include) return Unexpected(include.error());
  options.include = *include;
  const auto revision = target.query_value("resourceVersion").value_or("");
  if (revision.empty()) return options;
  const auto wanted = parse_wanted(revision);
  if (!wanted) return refuse("invalid resource version: " + wanted.error());
  options.not_older_than = *wanted;
  return options;
}

bool asks_for_watch(const http::Target& target, const ApiPath& path) {
  if (path.legacy_watch) return true;
  return path.name.empty() && bool_option(target, "watch").value_or(false);
}

std::expected<ListOptions, kube::Status> parse_list_options(const http::Target& target,
                                                            const ApiPath& path) {
  ListOptions options;
  options.watch = asks_for_watch(target, path);
  options.pretty = asks_pretty(target);
  options.query.namespace_ = path.namespace_;

  const auto limit = integer_option(target, "limit");
  if (!limit) return Unexpected(limit.error());
  options.query.limit = std::max<std::int64_t>(*limit, 0);
  const auto timeout = integer_option(target, "timeoutSeconds");
  if (!timeout) return Unexpected(timeout.error());
  if (*timeout > 0)
    options.watch_options.timeout = std::chrono::seconds(std::min(*timeout, kWatchSecondsMax));
  options.watch_options.bookmarks = bool_option(target, "allowWatchBookmarks").value_or(false);
  const auto include = parse_include(target);
  if (!include) return Unexpected(include.error());
  options.include = *include;

  const Raw raw{.revision = target.query_value("resourceVersion").value_or(""),
                .match = target.query_value("resourceVersionMatch").value_or(""),
                .continue_token = target.query_value("continue").value_or(""),
                .send_initial_events = bool_option(target, "sendInitialEvents")};
  Faults faults;
  options.watch ? validate_watch(raw, faults) : validate_list(raw, faults);
  if (faults.any()) return Unexpected(std::move(faults).status());

  if (auto selectors = parse_selectors(target, path, options.query); !selectors) {
    return Unexpected(std::move(selectors.error()));
  }
  auto planned = options.watch ? plan_watch(raw, options) : plan_list(raw, path, options);
  if (!planned) return Unexpected(std::move(planned.error()));
  return options;
}

std::string next_page(const ApiPath& path, kube::Revision revision, std::string_view last_key) {
  if (!path.namespace_.empty()) last_key.remove_prefix(path.namespace_.size() + 1);
  return encode_continue({.revision = static_cast<std::int64_t>(revision.value),
                          .start_after = std::string(last_key)});
}

}  // namespace podkeeper::kubeapi
