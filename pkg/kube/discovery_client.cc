#include "pkg/kube/discovery_client.h"

#include "pkg/kube/status.h"

#include <string_view>
#include <utility>

namespace podkeeper::kube {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;

constexpr std::string_view kPlain = "application/json";
/// As client-go asks, so that whatever an API server speaks is understood.
constexpr std::string_view kAggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
constexpr std::string_view kAggregatedGroup = "g=apidiscovery.k8s.io";

Error about(const std::string& path, Error error) {
  error.message = "GET " + path + ": " + error.message;
  return error;
}

/// Whether an answer about one group and version means that its own server is away, or that it went
/// since the groups were listed: then the others are good none the less, as client-go has it.
bool concerns_one_group(const Error& error) noexcept {
  return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kUnavailable;
}

}  // namespace

Task<Result<Offered>> DiscoveryClient::discover() {
  Offered offered;
  const std::array<std::string, 2> roots = {"/api", "/apis"};
  for (std::size_t i = 0; i < roots.size(); ++i) {
    auto refreshing = refresh(roots[i], known_[i]);
    const auto refreshed = co_await std::move(refreshing);
    if (!refreshed) co_return refreshed.error();
    const auto& versions = known_[i].versions;
    offered.versions.insert(offered.versions.end(), versions.begin(), versions.end());
  }
  co_return offered;
}

Task<Result<void>> DiscoveryClient::refresh(std::string root, Answer& known) {
  auto getting = get(root, std::string(kAggregated), known.etag);
  auto document = co_await std::move(getting);
  if (!document) co_return std::move(document).error();
  if (document->status == 304 && !known.etag.empty()) co_return Result<void>();
  Answer answer;
  if (document->aggregated) {
    auto versions = parse_aggregated_discovery(document->body);
    if (!versions) co_return about(root, std::move(versions).error());
    answer = {.etag = std::move(document->etag), .versions = *std::move(versions)};
  } else {
    auto asking = ask_each(root, std::move(document->body));
    auto versions = co_await std::move(asking);
    if (!versions) co_return std::move(versions).error();
    answer.versions = *std::move(versions);
  }
  known = std::move(answer);
  co_return Result<void>();
}

Task<Result<std::vector<OfferedVersion>>> DiscoveryClient::ask_each(std::string root,
                                                                    std::string group_list) {
  auto groups = parse_group_list(group_list);
  if (!groups) co_return about(root, std::move(groups).error());
  std::vector<OfferedVersion> found;
  for (auto& [group, versions] : *groups) {
    for (auto& version : versions) {
      if (found.size() >= options_.group_versions_max) {
        co_return about(root, {ErrorCode::kTooLarge,
                               "more than " + std::to_string(options_.group_versions_max) +
                                   " groups and versions"});
      }
      auto asking = ask_one(root, group, version);
      auto one = co_await std::move(asking);
      if (one) {
        found.push_back(*std::move(one));
      } else if (concerns_one_group(one.error())) {
        found.push_back({.group = group, .version = version, .stale = true, .resources = {}});
      } else {
        co_return std::move(one).error();
      }
    }
  }
  co_return found;
}

Task<Result<OfferedVersion>> DiscoveryClient::ask_one(std::string root, std::string group,
                                                      std::string version) {
  std::string path = root;
  if (!group.empty()) path.append("/").append(group);
  path.append("/").append(version);
  auto getting = get(path, std::string(kPlain), "");
  const auto document = co_await std::move(getting);
  if (!document) co_return document.error();
  auto resources = parse_resource_list(document->body, std::move(group), std::move(version));
  if (!resources) co_return about(path, std::move(resources).error());
  co_return resources;
}

Task<Result<DiscoveryClient::Document>> DiscoveryClient::get(std::string path, std::string accept,
                                                             std::string etag) {
  http::ClientRequest request;
  request.target = path;
  request.headers.add("Accept", std::move(accept));
  if (!etag.empty()) request.headers.add("If-None-Match", std::move(etag));
  auto sending = client_.send(std::move(request), world_.clock().now() + options_.timeout);
  auto response = co_await std::move(sending);
  if (!response) co_return about(path, std::move(response).error());
  auto reading = response->read_all(options_.answer_bytes_max);
  auto body = co_await std::move(reading);
  if (!body) co_return about(path, std::move(body).error());
  const auto& headers = response->headers;
  if (response->status != 200 && response->status != 304) {
    co_return about(path, error_from_response(response->status, *body, headers.get("Retry-After")));
  }
  Document document;
  document.status = response->status;
  document.aggregated = headers.get("Content-Type").value_or("").contains(kAggregatedGroup);
  document.etag = headers.get("ETag").value_or("");
  document.body = *std::move(body);
  co_return document;
}

}  // namespace podkeeper::kube
