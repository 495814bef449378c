#include "pkg/api/state_api.h"

#include "pkg/api/map_records.h"
#include "pkg/api/policy_records.h"
#include "pkg/api/state_query.h"
#include "pkg/api/state_records.h"
#include "pkg/state/summary.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace podkeeper::api {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;
using http::Request;
using http::Response;

Response failure(const Error& error) {
  auto response = Response::json(http::status_of(error), error_json(error) + "\n");
  if (error.retry_after) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*error.retry_after).count();
    response.headers.add("Retry-After", std::to_string(seconds));
  }
  return response;
}

/// An answer with what every read says about its currency.
Response success(std::string body, const state::Freshness& freshness, http::Verb verb,
                 std::string_view resource, http::Scope scope) {
  body += '\n';
  auto response = Response::json(200, std::move(body));
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(freshness.age).count();
  response.headers.add("Podkeeper-Revision", kube::to_string(freshness.revision));
  response.headers.add("Podkeeper-Age-Ms", std::to_string(age));
  response.headers.add("Podkeeper-Consistency", "eventual");
  response.headers.add("Cache-Control", "no-cache, private");
  response.verb = verb;
  response.resource = resource;
  response.scope = scope;
  return response;
}

/// Answers /state/v1 from its sources; each method is one straight function from query to text.
class StateApi {
 public:
  explicit StateApi(const StateSources& sources) : s_(sources) {}

  Response answer(const Request& request) {
    if (request.method != "GET") {
      auto refused = failure(
          {ErrorCode::kMethodNotAllowed, "method " + request.method + " is not allowed; use GET"});
      refused.headers.add("Allow", "GET");
      return refused;
    }
    auto response = route(request.target);
    return response ? std::move(*response) : failure(response.error());
  }

 private:
  Result<Response> route(const http::Target& target) {
    const auto& path = target.segments;  // state, v1, ...
    if (path.size() >= 3 && path[1] == "v1") {
      if (path[2] == "summary" && path.size() == 3) return summary();
      if (path[2] == "pods" && path.size() == 3) return list_pods(target);
      if (path[2] == "pods" && path.size() == 5) return get_pod(path[3], path[4]);
      if (path[2] == "nodes" && path.size() == 3) return list_nodes(target);
      if (path[2] == "nodes" && path.size() == 4) return get_node(path[3]);
      if (path[2] == "maps" && path.size() == 3) return maps();
      if (path[2] == "policies" && path.size() == 3) return policies();
    }
    return Error{
        ErrorCode::kNotFound,
        "path \"" + target.path +
            "\" is not served; there are /state/v1/summary, /state/v1/pods[/NAMESPACE/NAME], "
            "/state/v1/nodes[/NAME], /state/v1/maps and /state/v1/policies"};
  }

  /// Leave to read a resource that has been listed at least once.
  Result<access::AuthorizedRead> allow(const state::Reader& reader, const std::string& namespace_) {
    if (!reader.freshness().synced) {
      return Error{ErrorCode::kUnavailable,
                   reader.resource().plural + " have not been listed yet; try again",
                   std::chrono::milliseconds(1000)};
    }
    return s_.authorizer.read(
        "", {.plural_group = reader.resource().plural_group(), .namespace_ = namespace_});
  }

  /// Leave to read pod states, once there is one of each pod.
  Result<access::AuthorizedRead> allow_states(const std::string& namespace_) {
    auto allowed = allow(s_.pods, namespace_);
    if (!allowed || s_.pod_states.complete()) return allowed;
    return Error{ErrorCode::kUnavailable, "the pods' states are not complete yet; try again",
                 std::chrono::milliseconds(1000)};
  }

  Result<Response> summary() {
    auto pods = allow_states("");
    if (!pods) return pods.error();
    auto nodes = allow(s_.nodes, "");
    if (!nodes) return nodes.error();
    const auto freshness = s_.pods.freshness();
    const auto summary =
        state::summarize(std::move(*pods), s_.pod_states, std::move(*nodes), s_.nodes);
    return success(summary_json(summary, freshness), freshness, http::Verb::kGet, "summary",
                   http::Scope::kCluster);
  }

  Result<Response> list_pods(const http::Target& target) {
    auto query = parse_pod_query(target);
    if (!query) return query.error();
    auto allowed = allow_states(query->namespace_);
    if (!allowed) return allowed.error();
    const auto freshness = s_.pods.freshness();
    auto narrowed = narrow(*query);
    if (!narrowed) return narrowed.error();
    const auto list =
        *narrowed ? s_.pod_states.list_among(std::move(*allowed), *query, (*narrowed)->records)
                  : s_.pod_states.list(std::move(*allowed), *query);
    const std::string next = list.next ? encode_position(*list.next) : "";
    return success(pod_state_list_json(list, freshness, next), freshness, http::Verb::kList, "pods",
                   query->namespace_.empty() ? http::Scope::kCluster : http::Scope::kNamespace);
  }

  /// The pods among which a query's states are, where an index of the mirror tells them.
  Result<std::optional<state::ListResult>> narrow(const state::PodStateQuery& query) {
    const std::string* node = query.fields.required("spec.nodeName");
    if (query.namespace_.empty() && node == nullptr) return std::optional<state::ListResult>();
    auto allowed = allow(s_.pods, query.namespace_);
    if (!allowed) return allowed.error();
    state::ListQuery pods{.namespace_ = query.namespace_};
    if (node != nullptr) pods.fields.require(s_.pods.resource(), "spec.nodeName", *node);
    auto listed = s_.pods.list(std::move(*allowed), pods);
    if (!listed) return listed.error();
    return std::optional(std::move(*listed));
  }

  Result<Response> get_pod(const std::string& namespace_, const std::string& name) {
    auto allowed = allow_states(namespace_);
    if (!allowed) return allowed.error();
    const auto freshness = s_.pods.freshness();
    const auto pod =
        s_.pod_states.get(std::move(*allowed), {.namespace_ = namespace_, .name = name});
    if (!pod)
      return Error{ErrorCode::kNotFound, "pod \"" + namespace_ + "/" + name + "\" is not known"};
    return success(pod_state_json(pod->state(), freshness), freshness, http::Verb::kGet, "pods",
                   http::Scope::kResource);
  }

  Result<Response> list_nodes(const http::Target& target) {
    auto query = parse_node_query(target);
    if (!query) return query.error();
    auto allowed = allow(s_.nodes, "");
    if (!allowed) return allowed.error();
    const auto list = s_.nodes.list(std::move(*allowed), *query);
    if (!list) return list.error();
    const std::string next =
        list->more
            ? encode_position({.value = 0, .key = std::string(list->records.back()->key_text())})
            : "";
    return success(node_state_list_json(*list, next), list->freshness, http::Verb::kList, "nodes",
                   http::Scope::kCluster);
  }

  Result<Response> get_node(const std::string& name) {
    auto allowed = allow(s_.nodes, "");
    if (!allowed) return allowed.error();
    const auto freshness = s_.nodes.freshness();
    const auto node = s_.nodes.get(std::move(*allowed), {.namespace_ = "", .name = name});
    if (!node) return Error{ErrorCode::kNotFound, "node \"" + name + "\" is not known"};
    return success(node_state_json(*node, freshness), freshness, http::Verb::kGet, "nodes",
                   http::Scope::kResource);
  }

  Result<Response> maps() {
    auto allowed = s_.authorizer.read("", {.plural_group = "pods", .namespace_ = ""});
    if (!allowed) return allowed.error();
    return about_itself("maps", map_list_json(s_.maps));
  }

  Result<Response> policies() {
    const std::string resource = kube::concurrent_map_policies().plural_group();
    auto allowed = s_.authorizer.read("", {.plural_group = resource, .namespace_ = ""});
    if (!allowed) return allowed.error();
    return about_itself("policies", policy_list_json(s_.policies()));
  }

  /// About podkeeper itself, not about the cluster: no revision, no age.
  static Response about_itself(const char* resource, const std::string& body) {
    auto response = Response::json(200, body + "\n");
    response.headers.add("Cache-Control", "no-cache, private");
    response.verb = http::Verb::kGet;
    response.resource = resource;
    response.scope = http::Scope::kCluster;
    return response;
  }

  const StateSources s_;
};

}  // namespace

void add_state_routes(http::Router& router, const StateSources& sources) {
  auto api = std::make_shared<StateApi>(sources);
  router.prefix(
      "/state", [api](Request request) -> Task<Response> { co_return api->answer(request); },
      [](const Error& error, int status) {
        auto response = failure(error);
        response.status = status;
        return response;
      });
}

}  // namespace podkeeper::api
