#include "pkg/api/state_api.h"

#include "pkg/api/map_records.h"
#include "pkg/api/policy_records.h"
#include "pkg/api/state_query.h"
#include "pkg/api/state_records.h"
#include "pkg/kubeapi/read_demand.h"
#include "pkg/state/summary.h"

#include <algorithm>
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
Response success(std::string body, const state::Freshness& freshness,
                 state::Consistency consistency, http::Verb verb, std::string_view resource,
                 http::Scope scope) {
  body += '\n';
  auto response = Response::json(200, std::move(body));
  kubeapi::tell_freshness(response, freshness, consistency);
  response.headers.add("Cache-Control", "no-cache, private");
  response.verb = verb;
  response.resource = resource;
  response.scope = scope;
  return response;
}

/// Answers /state/v1 from its sources; each method is one straight function from query to text.
class StateApi {
 public:
  explicit StateApi(StateSources sources) : s_(std::move(sources)) {}

  Task<Response> answer(Request request) {
    if (request.method != "GET") {
      auto refused = failure(
          {ErrorCode::kMethodNotAllowed, "method " + request.method + " is not allowed; use GET"});
      refused.headers.add("Allow", "GET");
      co_return refused;
    }
    const Reads reads = reads_of(request.target);
    if (reads.list && s_.overload && s_.overload->sheds_list()) {
      co_return failure({ErrorCode::kTooManyRequests,
                         "memory is scarce, so no lists are answered now; try again",
                         std::chrono::milliseconds(1000)});
    }
    const auto demand = take_demand(request.target, reads);
    if (!demand) co_return failure(demand.error());
    auto meeting = meet(reads, *demand);
    const auto met = co_await std::move(meeting);
    if (!met) co_return failure(met.error());
    auto response = route(request.target, demand->consistency);
    co_return response ? std::move(*response) : failure(response.error());
  }

 private:
  /// What a path of /state/v1 reads.
  struct Reads {
    bool pods = false;
    bool nodes = false;
    std::string namespace_ = {};
    std::string pod = {};  ///< the key of the only one; empty: all
    bool list = false;
  };
  static Reads reads_of(const http::Target& target) {
    const auto& path = target.segments;
    if (path.size() < 3 || path[1] != "v1") return {};
    Reads reads{.pods = path[2] == "pods", .nodes = path[2] == "nodes"};
    reads.list = path.size() == 3 && (reads.pods || reads.nodes);
    if (path[2] == "summary") reads.pods = reads.nodes = true;
    if (!reads.pods || reads.nodes) return reads;
    if (path.size() == 5) {
      reads.namespace_ = path[3];
      reads.pod = path[3] + "/" + path[4];
    } else {
      reads.namespace_ = target.query_value("namespace").value_or("");
    }
    return reads;
  }

  /// Takes the demand out of the query, whose other parameters belong to the route; without any,
  /// what the policies say.
  Result<state::ReadDemand> take_demand(http::Target& target, const Reads& reads) const {
    if (s_.pods_currency == nullptr) return state::ReadDemand{};
    // The summary gets what holds for its pods.
    const auto unasked = reads.pods    ? s_.pods_currency->unasked(reads.namespace_)
                         : reads.nodes ? s_.nodes_currency->unasked("")
                                       : state::ReadDemand{};
    auto demand = kubeapi::parse_read_demand(target, unasked);
    std::erase_if(target.query, [](const auto& parameter) {
      return std::ranges::find(kubeapi::kDemandParameters, parameter.first) !=
             kubeapi::kDemandParameters.end();
    });
    return demand;
  }

  /// Returns once what the path reads is as current as demanded. Nobody makes upstream work for
  /// what he may not read.
  Task<Result<void>> meet(Reads reads, state::ReadDemand demand) const {
    if (s_.pods_currency == nullptr) co_return Result<void>{};
    for (const bool of_pods : {true, false}) {
      if (!(of_pods ? reads.pods : reads.nodes)) continue;
      state::Currency& currency = of_pods ? *s_.pods_currency : *s_.nodes_currency;
      if (demand.plain()) {
        currency.refresh_if_old();
        continue;
      }
      const auto allowed = of_pods ? allow(s_.pods, reads.namespace_) : allow(s_.nodes, "");
      if (!allowed) co_return allowed.error();
      auto meeting = currency.meet(demand);
      auto met = co_await std::move(meeting);
      if (!met) co_return std::move(met).error().error;
    }
    if (!reads.pods || demand.plain()) co_return Result<void>{};
    // The mirror is current; what is derived from it follows a little later by itself.
    auto catching_up = s_.catch_up(reads.pod);
    co_await std::move(catching_up);
    co_return Result<void>{};
  }

  Result<Response> route(const http::Target& target, state::Consistency consistency) const {
    const auto& path = target.segments;  // state, v1, ...
    if (path.size() >= 3 && path[1] == "v1") {
      if (path[2] == "pods" && path.size() == 3) return list_pods(target, consistency);
      if (path[2] == "nodes" && path.size() == 3) return list_nodes(target, consistency);
      if (path[2] == "maps" && path.size() == 3) return maps();
      if (path[2] == "policies" && path.size() == 3) return policies();
      const bool summarized = path[2] == "summary" && path.size() == 3;
      const bool pod = path[2] == "pods" && path.size() == 5;
      const bool node = path[2] == "nodes" && path.size() == 4;
      if (summarized || pod || node) {
        if (auto none = parse_no_query(target); !none) return none.error();
        return summarized ? summary(consistency)
               : pod      ? get_pod(path[3], path[4], consistency)
                          : get_node(path[3], consistency);
      }
    }
    return Error{
        ErrorCode::kNotFound,
        "path \"" + target.path +
            "\" is not served; there are /state/v1/summary, /state/v1/pods[/NAMESPACE/NAME], "
            "/state/v1/nodes[/NAME], /state/v1/maps and /state/v1/policies"};
  }

  /// Leave to read a resource that has been listed at least once.
  Result<access::AuthorizedRead> allow(const state::Reader& reader,
                                       const std::string& namespace_) const {
    if (!reader.freshness().synced) {
      return Error{ErrorCode::kUnavailable,
                   reader.resource().plural + " have not been listed yet; try again",
                   std::chrono::milliseconds(1000)};
    }
    return s_.authorizer.read(
        "", {.plural_group = reader.resource().plural_group(), .namespace_ = namespace_});
  }

  /// Leave to read pod states, once there is one of each pod.
  Result<access::AuthorizedRead> allow_states(const std::string& namespace_) const {
    auto allowed = allow(s_.pods, namespace_);
    if (!allowed || s_.pod_states.complete()) return allowed;
    return Error{ErrorCode::kUnavailable, "the pods' states are not complete yet; try again",
                 std::chrono::milliseconds(1000)};
  }

  Result<Response> summary(state::Consistency consistency) const {
    auto pods = allow_states("");
    if (!pods) return pods.error();
    auto nodes = allow(s_.nodes, "");
    if (!nodes) return nodes.error();
    const auto freshness = s_.pods.freshness();
    const auto summary =
        state::summarize(std::move(*pods), s_.pod_states, std::move(*nodes), s_.nodes);
    return success(summary_json(summary, freshness), freshness, consistency, http::Verb::kGet,
                   "summary", http::Scope::kCluster);
  }

  Result<Response> list_pods(const http::Target& target, state::Consistency consistency) const {
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
    return success(pod_state_list_json(list, freshness, next), freshness, consistency,
                   http::Verb::kList, "pods",
                   query->namespace_.empty() ? http::Scope::kCluster : http::Scope::kNamespace);
  }

  /// The pods among which a query's states are, where an index of the mirror tells them.
  Result<std::optional<state::ListResult>> narrow(const state::PodStateQuery& query) const {
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

  Result<Response> get_pod(const std::string& namespace_, const std::string& name,
                           state::Consistency consistency) const {
    auto allowed = allow_states(namespace_);
    if (!allowed) return allowed.error();
    const auto freshness = s_.pods.freshness();
    const auto pod =
        s_.pod_states.get(std::move(*allowed), {.namespace_ = namespace_, .name = name});
    if (!pod)
      return Error{ErrorCode::kNotFound, "pod \"" + namespace_ + "/" + name + "\" is not known"};
    return success(pod_state_json(pod->state(), freshness), freshness, consistency,
                   http::Verb::kGet, "pods", http::Scope::kResource);
  }

  Result<Response> list_nodes(const http::Target& target, state::Consistency consistency) const {
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
    return success(node_state_list_json(*list, next), list->freshness, consistency,
                   http::Verb::kList, "nodes", http::Scope::kCluster);
  }

  Result<Response> get_node(const std::string& name, state::Consistency consistency) const {
    auto allowed = allow(s_.nodes, "");
    if (!allowed) return allowed.error();
    const auto freshness = s_.nodes.freshness();
    const auto node = s_.nodes.get(std::move(*allowed), {.namespace_ = "", .name = name});
    if (!node) return Error{ErrorCode::kNotFound, "node \"" + name + "\" is not known"};
    return success(node_state_json(*node, freshness), freshness, consistency, http::Verb::kGet,
                   "nodes", http::Scope::kResource);
  }

  Result<Response> maps() const {
    auto allowed = s_.authorizer.read("", {.plural_group = "pods", .namespace_ = ""});
    if (!allowed) return allowed.error();
    return about_itself("maps", map_list_json(s_.maps));
  }

  Result<Response> policies() const {
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
      "/state", [api](Request request) { return api->answer(std::move(request)); },
      [](const Error& error, int status) {
        auto response = failure(error);
        response.status = status;
        return response;
      });
}

}  // namespace podkeeper::api
