#include "pkg/kube/list_watch_client.h"

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/http/client.h"
#include "pkg/kube/forbidden.h"
#include "pkg/kube/object.h"
#include "pkg/kube/percent_encoding.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::kube {
namespace {

constexpr std::size_t kErrorBodyMax = 64 * 1024;

}  // namespace

base::Error ListWatchClient::explain(std::string_view verb, base::Error error) const {
  std::string message(verb);
  message.append(" ").append(options_.resource.plural_group());
  if (!options_.namespace_.empty()) message.append(" in ").append(options_.namespace_);
  message.append(": ").append(error.message);
  error.message = std::move(message);
  return with_missing_rule(std::move(error), {.verb = verb == "LIST" ? "list" : "watch",
                                              .resource = options_.resource,
                                              .namespace_ = options_.namespace_});
}

base::Task<base::Result<http::ClientResponse>> ListWatchClient::send(std::string verb,
                                                                     std::string query,
                                                                     bool accept_gzip,
                                                                     base::MonotonicTime deadline) {
  http::ClientRequest request;
  request.target = options_.resource.path(options_.namespace_);
  if (!query.empty()) request.target.append("?").append(query);
  request.headers.add("Accept", "application/json");
  request.accept_gzip = accept_gzip;
  auto sending = client_.send(std::move(request), deadline);
  auto response = co_await std::move(sending);
  if (!response.has_value()) co_return explain(verb, std::move(response).error());
  if (response->status == 200) co_return response;
  auto reading = response->read_all(kErrorBodyMax);
  const auto body = co_await std::move(reading);
  const std::string_view text = body.has_value() ? std::string_view(*body) : std::string_view{};
  co_return explain(
      verb, error_from_response(response->status, text, response->headers.get("Retry-After")));
}

base::Task<base::Result<DecodedList>> ListWatchClient::list(std::string continue_token,
                                                            bool paged) {
  // No resourceVersion: the newest state, by a quorum read. (With resourceVersion=0 the limit is
  // ignored.)
  std::string query;
  if (paged) query = "limit=" + std::to_string(options_.page_size);
  if (!continue_token.empty()) query += "&continue=" + percent_encoded(continue_token);
  // kube-apiserver packs lists from 128 KiB on, and never a watch.
  auto sending = send("LIST", std::move(query), true, world_.clock().now() + options_.list_timeout);
  auto response = co_await std::move(sending);
  if (!response.has_value()) co_return std::move(response).error();
  auto reading = response->read_all(options_.page_bytes_max);
  const auto body = co_await std::move(reading);
  if (!body.has_value()) co_return explain("LIST", body.error());
  auto page = decode_list(options_.resource, *body, options_.decode);
  if (!page.has_value()) co_return explain("LIST", std::move(page).error());
  co_return page;
}

std::string ListWatchClient::watch_seconds() {
  using Seconds = std::chrono::seconds;
  const auto shortest = std::chrono::duration_cast<Seconds>(options_.watch_timeout_min).count();
  const auto least = static_cast<std::uint64_t>(std::max<std::int64_t>(shortest, 1));
  return std::to_string(least + world_.random().below(least));
}

base::Task<base::Result<http::ClientResponse>> ListWatchClient::watch(Revision from) {
  std::string query = "watch=true&allowWatchBookmarks=true&resourceVersion=" + to_string(from) +
                      "&timeoutSeconds=" + watch_seconds();
  auto sending =
      send("WATCH", std::move(query), false, world_.clock().now() + options_.watch_idle_timeout);
  co_return co_await std::move(sending);
}

base::Task<base::Result<http::ClientResponse>> ListWatchClient::watch_from_state() {
  // No resourceVersion: the newest state, as with LIST.
  std::string query =
      "watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
      "&resourceVersionMatch=NotOlderThan&timeoutSeconds=" +
      watch_seconds();
  auto sending =
      send("WATCH", std::move(query), false, world_.clock().now() + options_.list_timeout);
  co_return co_await std::move(sending);
}

}  // namespace podkeeper::kube
