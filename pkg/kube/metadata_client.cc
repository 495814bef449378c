#include "pkg/kube/metadata_client.h"

#include "pkg/kube/forbidden.h"
#include "pkg/kube/line_buffer.h"
#include "pkg/kube/percent_encoding.h"
#include "pkg/kube/status.h"

#include <utility>

namespace podkeeper::kube {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

constexpr std::size_t kErrorBodyMax = 64 * 1024;
constexpr std::size_t kLineBytesMax = 1 << 20;
/// The bookmark comes two seconds before the end, so about a second after the start.
constexpr int kShortWatchSeconds = 3;
// A server that has no metadata-only answers may send whole objects.
constexpr const char* kAcceptList =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
constexpr const char* kAcceptObject =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

Resource as_metadata(const Resource& resource) {
  Resource metadata = resource;
  metadata.group = "meta.k8s.io";
  metadata.plural = "partialobjectmetadata";
  metadata.kind.clear();  // PartialObjectMetadata, or the resource's own
  metadata.selectable_fields.clear();
  return metadata;
}

}  // namespace

MetadataClient::MetadataClient(http::Client& client, Resource resource)
    : client_(client), resource_(std::move(resource)), metadata_(as_metadata(resource_)) {}

Error MetadataClient::explain(std::string_view verb, Error error) const {
  error.message = std::string(verb == "list" ? "LIST " : "WATCH ") + resource_.plural_group() +
                  " (metadata): " + error.message;
  return with_missing_rule(std::move(error), {.verb = verb, .resource = resource_});
}

base::Task<Result<http::ClientResponse>> MetadataClient::send(std::string verb, std::string query,
                                                              std::string accept,
                                                              base::MonotonicTime deadline) {
  http::ClientRequest request;
  request.target = resource_.path() + "?" + query;
  request.headers.add("Accept", std::move(accept));
  auto sending = client_.send(std::move(request), deadline);
  auto response = co_await std::move(sending);
  if (!response) co_return explain(verb, std::move(response).error());
  if (response->status == 200) co_return response;
  auto reading = response->read_all(kErrorBodyMax);
  const auto body = co_await std::move(reading);
  const std::string_view text = body ? std::string_view(*body) : std::string_view{};
  co_return explain(
      verb, error_from_response(response->status, text, response->headers.get("Retry-After")));
}

base::Task<Result<DecodedList>> MetadataClient::list(std::string query,
                                                     base::MonotonicTime deadline) {
  auto sending = send("list", std::move(query), kAcceptList, deadline);
  auto response = co_await std::move(sending);
  if (!response) co_return std::move(response).error();
  auto reading = response->read_all(kPageBytesMax);
  const auto body = co_await std::move(reading);
  if (!body) co_return explain("list", body.error());
  auto page = decode_list(metadata_, *body, {.drop_managed_fields = true});
  if (!page) co_return explain("list", std::move(page).error());
  co_return page;
}

base::Task<Result<DecodedList>> MetadataClient::page(std::string continue_token,
                                                     base::MonotonicTime deadline) {
  std::string query = "limit=" + std::to_string(kPageItems);
  if (!continue_token.empty()) query += "&continue=" + percent_encoded(continue_token);
  return list(std::move(query), deadline);
}

base::Task<Result<Revision>> MetadataClient::newest(base::MonotonicTime deadline) {
  auto listing = list("limit=1", deadline);
  const auto listed = co_await std::move(listing);
  if (!listed) co_return listed.error();
  co_return listed->revision;
}

Result<std::optional<Revision>> MetadataClient::read_first(std::string_view line) const {
  auto event = decode_watch_event(metadata_, line, {.drop_managed_fields = true});
  if (!event) return explain("watch", std::move(event).error());
  if (event->type == EventType::kError) return explain("watch", std::move(event->error));
  if (event->type != EventType::kBookmark) return std::nullopt;
  return std::optional(event->revision);
}

base::Task<Result<std::optional<Revision>>> MetadataClient::quiet_since(
    Revision held, base::MonotonicTime deadline) {
  auto opening = send("watch",
                      "watch=true&allowWatchBookmarks=true&resourceVersion=" + to_string(held) +
                          "&timeoutSeconds=" + std::to_string(kShortWatchSeconds),
                      kAcceptObject, deadline);
  auto response = co_await std::move(opening);
  if (!response) co_return std::move(response).error();
  LineBuffer lines(kLineBytesMax);
  while (true) {
    auto reading = response->body->read_some(lines.space());
    const auto more = co_await std::move(reading);
    if (!more) {
      if (more.error().code == ErrorCode::kTimeout) co_return std::nullopt;
      co_return explain("watch", more.error());
    }
    while (const auto line = lines.next()) {
      if (!line->empty()) co_return read_first(*line);
    }
    if (!*more || lines.too_long()) co_return std::nullopt;
  }
}

}  // namespace podkeeper::kube
