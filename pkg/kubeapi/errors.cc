#include "pkg/kubeapi/errors.h"

#include <utility>

namespace podkeeper::kubeapi {

http::Response status_response(const kube::Status& status) {
  auto response = http::Response::json(status.code, kube::to_json(status));
  if (status.retry_after_seconds > 0) {
    response.headers.add("Retry-After", std::to_string(status.retry_after_seconds));
  }
  return response;
}

kube::Status bad_request(std::string message) {
  kube::Status status;
  status.message = std::move(message);
  status.reason = "BadRequest";
  status.code = 400;
  return status;
}

kube::Status about_object(const kube::Resource& resource, std::string_view name, int code,
                          std::string reason, std::string message) {
  kube::Status status;
  status.message = std::move(message);
  status.reason = std::move(reason);
  status.code = code;
  status.name = name;
  status.group = resource.group;
  status.kind = resource.plural;
  return status;
}

kube::Status not_found(const kube::Resource& resource, std::string_view name) {
  return about_object(resource, name, 404, "NotFound",
                      resource.plural_group() + " \"" + std::string(name) + "\" not found");
}

kube::Status too_large_revision(std::uint64_t wanted, kube::Revision current) {
  kube::Status status;
  status.message = "Timeout: Too large resource version: " + std::to_string(wanted) +
                   ", current: " + to_string(current);
  status.reason = "Timeout";
  status.code = 504;
  status.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
  status.retry_after_seconds = 1;
  return status;
}

kube::Status not_current(const kube::Resource& resource, std::string why) {
  kube::Status status;
  status.message = "the wanted consistency of " + resource.plural_group() +
                   " could not be proven in time, please try again: " + std::move(why);
  status.reason = "Timeout";
  status.code = 504;
  status.retry_after_seconds = 1;
  return status;
}

kube::Status not_synced(const kube::Resource& resource) {
  kube::Status status;
  status.message =
      "the first list of " + resource.plural_group() + " is not complete yet, please try again";
  status.reason = "ServiceUnavailable";
  status.code = 503;
  status.retry_after_seconds = 1;
  return status;
}

kube::Status list_shed(const kube::Resource& resource) {
  kube::Status status;
  status.message = "memory is scarce, so no lists of " + resource.plural_group() +
                   " are answered now, please try again later";
  status.reason = "TooManyRequests";
  status.code = 429;
  status.retry_after_seconds = 1;
  return status;
}

kube::Status list_too_old() {
  kube::Status status;
  status.message = "The resourceVersion for the provided list is too old.";
  status.reason = "Expired";
  status.code = 410;
  return status;
}

http::Response method_not_allowed() {
  return http::Response::json(
      405,
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server does not allow this method on the requested resource","reason":"MethodNotAllowed","details":{},"code":405})"
      "\n");
}

kube::Status not_served() {
  kube::Status status;
  status.message = "the server could not find the requested resource";
  status.reason = "NotFound";
  status.code = 404;
  status.details_always = true;
  return status;
}

http::Response no_such_resource() { return status_response(not_served()); }

http::Response no_such_path() { return http::Response::text(404, "404 page not found\n"); }

http::Response not_acceptable() {
  return http::Response::json(406, R"({
  "kind": "Status",
  "apiVersion": "v1",
  "metadata": {},
  "status": "Failure",
  "message": "406: Not Acceptable\n\nAvailable representations: application/json, application/json;stream=watch",
  "reason": "NotAcceptable",
  "details": {},
  "code": 406
})");
}

}  // namespace podkeeper::kubeapi
