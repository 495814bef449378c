#include "pkg/kube/object_client.h"

#include "pkg/kube/forbidden.h"
#include "pkg/kube/status.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace podkeeper::kube {
namespace {

/// Names that stand in a path as they are; Kubernetes gives objects no others.
bool is_plain(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 253 && name != "." && name != ".." &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.' || c == '_' || c == ':';
         });
}

base::Error no_name() {
  return {.code = base::ErrorCode::kInvalidArgument,
          .message = "an object's name or namespace has characters that no name has"};
}

http::ClientRequest request_for(std::string method, const Resource& resource,
                                const ObjectKey& key) {
  http::ClientRequest request;
  request.method = std::move(method);
  request.target = resource.path(key.namespace_, key.name);
  request.headers.add("Accept", "application/json");
  return request;
}

bool is_plain(const ObjectKey& key) noexcept {
  return is_plain(key.name) && (key.namespace_.empty() || is_plain(key.namespace_));
}

}  // namespace

base::Task<base::Result<std::string>> ObjectClient::get(Resource resource, ObjectKey key) {
  if (!is_plain(key)) co_return no_name();
  http::ClientRequest request = request_for("GET", resource, key);
  Asked asked{.what = "GET " + resource.plural_group() + " " + to_string(key),
              .verb = "get",
              .resource = std::move(resource),
              .namespace_ = key.namespace_};
  auto sending = send(std::move(request), std::move(asked));
  co_return co_await std::move(sending);
}

base::Task<base::Result<std::string>> ObjectClient::create(Resource resource,
                                                           std::string namespace_,
                                                           std::string body) {
  if (!namespace_.empty() && !is_plain(namespace_)) co_return no_name();
  const ObjectKey collection{.namespace_ = std::move(namespace_), .name = {}};
  http::ClientRequest request = request_for("POST", resource, collection);
  request.headers.add("Content-Type", "application/json");
  request.body = std::move(body);
  Asked asked{.what = "POST " + resource.plural_group(),
              .verb = "create",
              .resource = std::move(resource),
              .namespace_ = collection.namespace_};
  auto sending = send(std::move(request), std::move(asked));
  co_return co_await std::move(sending);
}

base::Task<base::Result<std::string>> ObjectClient::merge_patch(Resource resource, ObjectKey key,
                                                                std::string subresource,
                                                                std::string patch) {
  if (!is_plain(key)) co_return no_name();
  http::ClientRequest request = request_for("PATCH", resource, key);
  if (!subresource.empty()) request.target.append("/").append(subresource);
  request.headers.add("Content-Type", "application/merge-patch+json");
  request.body = std::move(patch);
  Asked asked{.what = "PATCH " + resource.plural_group() + " " + to_string(key) +
                      (subresource.empty() ? "" : " " + subresource),
              .verb = "patch",
              .resource = std::move(resource),
              .subresource = std::move(subresource),
              .namespace_ = key.namespace_};
  auto sending = send(std::move(request), std::move(asked));
  co_return co_await std::move(sending);
}

base::Task<base::Result<std::string>> ObjectClient::send(http::ClientRequest request, Asked asked) {
  const auto explained = [&](base::Error error) {
    error.message = asked.what + ": " + error.message;
    return with_missing_rule(std::move(error), {.verb = asked.verb,
                                                .resource = asked.resource,
                                                .subresource = asked.subresource,
                                                .namespace_ = asked.namespace_});
  };
  auto sending = client_.send(std::move(request), world_.clock().now() + options_.timeout);
  auto response = co_await std::move(sending);
  if (!response.has_value()) co_return explained(std::move(response).error());
  auto reading = response->read_all(options_.answer_bytes_max);
  auto body = co_await std::move(reading);
  if (!body.has_value()) co_return explained(std::move(body).error());
  if (response->status == 200 || response->status == 201) co_return body;
  co_return explained(
      error_from_response(response->status, *body, response->headers.get("Retry-After")));
}

}  // namespace podkeeper::kube
