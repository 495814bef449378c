#include "pkg/api/state_query.h"

#include "pkg/kubeapi/json_text.h"
#include "pkg/kubeapi/read_demand.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string_view>

namespace podkeeper::api {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

Error wrong(std::string_view parameter, std::string_view value, std::string_view why) {
  return {ErrorCode::kInvalidArgument, "parameter " + std::string(parameter) + "=\"" +
                                           std::string(value) + "\": " + std::string(why)};
}

Result<void> check_names(const http::Target& target,
                         std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : target.query) {
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string names;
    for (const std::string_view one : known) names += std::string(one) + ", ";
    for (const std::string_view one : kubeapi::kDemandParameters) names += std::string(one) + ", ";
    names.resize(names.size() - 2);
    return Error{ErrorCode::kInvalidArgument,
                 "parameter \"" + name + "\" is unknown; use " + names};
  }
  return {};
}

std::string text(const http::Target& target, std::string_view name) {
  return std::string(target.query_value(name).value_or(""));
}

Result<std::int64_t> parse_limit(const http::Target& target) {
  const std::string value = text(target, "limit");
  std::int64_t limit = 0;
  const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), limit);
  const bool whole = ec == std::errc{} && end == value.data() + value.size();
  if (value.empty()) return 0;
  if (!whole || limit < 0 || limit > kStateLimitMax) {
    return wrong("limit", value,
                 "expected a whole number from 0 (all) to " + std::to_string(kStateLimitMax));
  }
  return limit;
}

/// "value/key" in base64url.
Result<std::optional<state::PodPosition>> parse_position(const http::Target& target) {
  const std::string token = text(target, "continue");
  if (token.empty()) return std::nullopt;
  const auto fail = [&] {
    return wrong("continue", token, "not a token that an answer gave; list from the start");
  };
  std::string decoded;
  std::size_t error_at = 0;
  if (!kubeapi::base64url_decode(token, decoded, error_at)) return fail();
  state::PodPosition position;
  const auto [end, ec] =
      std::from_chars(decoded.data(), decoded.data() + decoded.size(), position.value);
  const auto used = static_cast<std::size_t>(end - decoded.data());
  if (ec != std::errc{} || used >= decoded.size() || decoded[used] != '/') return fail();
  position.key = decoded.substr(used + 1);
  return position;
}

template <class Query>
Result<void> parse_selectors(const http::Target& target, const kube::Resource& resource,
                             Query& query) {
  auto labels = kube::LabelSelector::parse(text(target, "labelSelector"));
  if (!labels) return wrong("labelSelector", text(target, "labelSelector"), labels.error().message);
  auto fields = kube::FieldSelector::parse(resource, text(target, "fieldSelector"));
  if (!fields) return wrong("fieldSelector", text(target, "fieldSelector"), fields.error().message);
  auto limit = parse_limit(target);
  if (!limit) return limit.error();
  query.labels = std::move(*labels);
  query.fields = std::move(*fields);
  query.limit = *limit;
  return {};
}

}  // namespace

Result<void> parse_no_query(const http::Target& target) { return check_names(target, {}); }

Result<state::PodStateQuery> parse_pod_query(const http::Target& target) {
  if (auto ok = check_names(target, {"namespace", "node", "phase", "labelSelector", "fieldSelector",
                                     "limit", "continue", "sort"});
      !ok) {
    return ok.error();
  }
  state::PodStateQuery query;
  if (auto ok = parse_selectors(target, kube::pods(), query); !ok) return ok.error();
  query.namespace_ = text(target, "namespace");
  for (const auto& [name, label] :
       {std::pair("node", "spec.nodeName"), {"phase", "status.phase"}}) {
    std::string value = text(target, name);
    if (!value.empty()) query.fields.require(kube::pods(), label, std::move(value));
  }
  const std::string sort = text(target, "sort");
  query.descending = sort.starts_with('-');
  const auto column =
      state::parse_pod_sort(std::string_view(sort).substr(query.descending ? 1 : 0));
  if (!column) {
    return wrong(
        "sort", sort,
        "expected name, createdAt, lastTransitionAt or restarts, with '-' in front for descending");
  }
  query.sort = *column;
  auto position = parse_position(target);
  if (!position) return position.error();
  query.start_after = std::move(*position);
  return query;
}

Result<state::ListQuery> parse_node_query(const http::Target& target) {
  if (auto ok = check_names(target, {"labelSelector", "fieldSelector", "limit", "continue"}); !ok)
    return ok.error();
  state::ListQuery query;
  if (auto ok = parse_selectors(target, kube::nodes(), query); !ok) return ok.error();
  auto position = parse_position(target);
  if (!position) return position.error();
  if (*position) query.start_after = (*position)->key;
  return query;
}

std::string encode_position(const state::PodPosition& position) {
  return kubeapi::base64url_encode(std::to_string(position.value) + "/" + position.key);
}

}  // namespace podkeeper::api
