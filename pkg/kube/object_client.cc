#include "pkg/kube/object_client.h"

#include "pkg/kube/forbidden.h"
#include "pkg/kube/json_text.h"
#include "pkg/kube/percent_encoding.h"
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

http::ClientRequest with_body(std::string method, std::string content_type, std::string body) {
  http::ClientRequest request;
  request.method = std::move(method);
  request.headers.add("Content-Type", std::move(content_type));
  request.body = std::move(body);
  return request;
}

std::string delete_options(const RemoveOptions& options) {
  std::string conditions;
  if (!options.uid.empty()) {
    conditions.append("\"uid\":");
    append_json_string(conditions, options.uid);
  }
  if (options.revision.has_value()) {
    if (!conditions.empty()) conditions.push_back(',');
    conditions.append("\"resourceVersion\":\"").append(to_string(*options.revision)).append("\"");
  }
  std::string body = R"({"kind":"DeleteOptions","apiVersion":"v1")";
  if (!conditions.empty()) body.append(",\"preconditions\":{").append(conditions).append("}");
  if (options.dry_run) body.append(R"(,"dryRun":["All"])");
  body.push_back('}');
  return body;
}

/// What client-go waits for and repeats: the server says itself when to come back.
std::optional<base::Duration> wait_asked_for(int status, const base::Result<std::string>& body) {
  if (body.has_value() || (status != 429 && status < 500)) return std::nullopt;
  return body.error().retry_after;
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

base::Task<base::Result<std::string>> ObjectClient::change(http::ClientRequest request, Verbs verbs,
                                                           Resource resource, ObjectKey key,
                                                           std::string subresource) {
  if (!is_plain(key)) co_return no_name();
  std::string target = resource.path(key.namespace_, key.name);
  if (!subresource.empty()) target.append("/").append(subresource);
  request.target.insert(0, target);
  request.headers.add("Accept", "application/json");
  Asked asked{.what = request.method + " " + resource.plural_group() + " " + to_string(key) +
                      (subresource.empty() ? "" : " " + subresource),
              .verb = verbs.one,
              .also = verbs.also,
              .resource = std::move(resource),
              .subresource = std::move(subresource),
              .namespace_ = std::move(key.namespace_)};
  auto sending = send(std::move(request), std::move(asked));
  co_return co_await std::move(sending);
}

base::Task<base::Result<std::string>> ObjectClient::update(Resource resource, ObjectKey key,
                                                           std::string subresource,
                                                           std::string body) {
  return change(with_body("PUT", "application/json", std::move(body)), {"update"},
                std::move(resource), std::move(key), std::move(subresource));
}

base::Task<base::Result<std::string>> ObjectClient::merge_patch(Resource resource, ObjectKey key,
                                                                std::string subresource,
                                                                std::string patch) {
  return change(with_body("PATCH", "application/merge-patch+json", std::move(patch)), {"patch"},
                std::move(resource), std::move(key), std::move(subresource));
}

base::Task<base::Result<std::string>> ObjectClient::apply(Resource resource, ObjectKey key,
                                                          std::string subresource, std::string body,
                                                          ApplyOptions options) {
  // JSON is YAML, and kube-apiserver takes it as such under this name in every version.
  http::ClientRequest request = with_body("PATCH", "application/apply-patch+yaml", std::move(body));
  request.target = "?fieldManager=" + percent_encoded(options.field_manager);
  if (options.force) request.target.append("&force=true");
  // Where it makes the object, the API server asks for both (kube-apiserver's patch handler).
  const Verbs verbs{.one = "patch", .also = subresource.empty() ? "create" : ""};
  return change(std::move(request), verbs, std::move(resource), std::move(key),
                std::move(subresource));
}

base::Task<base::Result<std::string>> ObjectClient::remove(Resource resource, ObjectKey key,
                                                           RemoveOptions options) {
  return change(with_body("DELETE", "application/json", delete_options(options)), {"delete"},
                std::move(resource), std::move(key), {});
}

base::Task<base::Result<std::string>> ObjectClient::send(http::ClientRequest request, Asked asked) {
  const auto deadline = world_.clock().now() + options_.timeout;
  for (int repeats = 0;; ++repeats) {
    const auto until = allowed_until(asked, deadline);
    if (!until) co_return until.error();
    auto sending = send_once(request, *until);
    auto answer = co_await std::move(sending);
    if (answer.body.has_value()) co_return std::move(answer.body);
    const auto wait = wait_asked_for(answer.status, answer.body);
    if (!wait || repeats == kRepeatsMax || world_.clock().now() + *wait >= deadline) {
      base::Error error = std::move(answer.body).error();
      error.message = asked.what + ": " + error.message;
      co_return with_missing_rule(std::move(error), {.verb = asked.verb,
                                                     .resource = asked.resource,
                                                     .subresource = asked.subresource,
                                                     .namespace_ = asked.namespace_,
                                                     .also = asked.also});
    }
    client_.count_repeat(request.method, answer.status);
    auto waiting = world_.clock().sleep_for(*wait);
    co_await std::move(waiting);
  }
}

base::Result<base::MonotonicTime> ObjectClient::allowed_until(const Asked& asked,
                                                              base::MonotonicTime deadline) const {
  if (!options_.write_until || asked.verb == "get") return deadline;
  const auto until = options_.write_until();
  if (until) return std::min(deadline, *until);
  return base::Error{base::ErrorCode::kUnavailable,
                     asked.what + ": not sent, as this process may not write now"};
}

base::Task<ObjectClient::Answer> ObjectClient::send_once(http::ClientRequest request,
                                                         base::MonotonicTime deadline) {
  auto sending = client_.send(std::move(request), deadline);
  auto response = co_await std::move(sending);
  if (!response.has_value()) co_return Answer{.body = std::move(response).error()};
  auto reading = response->read_all(options_.answer_bytes_max);
  auto body = co_await std::move(reading);
  const int status = response->status;
  const bool good = status == 200 || status == 201 || status == 202;
  if (body.has_value() && !good) {
    body = error_from_response(status, *body, response->headers.get("Retry-After"));
  }
  co_return Answer{.status = status, .body = std::move(body)};
}

}  // namespace podkeeper::kube
