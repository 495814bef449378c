#include "pkg/kubeapi/read_api.h"

#include "pkg/base/mutex.h"
#include "pkg/kubeapi/catalog.h"
#include "pkg/kubeapi/continue_token.h"
#include "pkg/kubeapi/demand_gate.h"
#include "pkg/kubeapi/discovery.h"
#include "pkg/kubeapi/errors.h"
#include "pkg/kubeapi/gather.h"
#include "pkg/kubeapi/json_text.h"
#include "pkg/kubeapi/list_options.h"
#include "pkg/kubeapi/negotiate.h"
#include "pkg/kubeapi/read_demand.h"
#include "pkg/kubeapi/shapes.h"
#include "pkg/kubeapi/watch_stream.h"
#include "pkg/runtime/wakeup.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::kubeapi {
namespace {

http::Verb verb_of(const http::Request& request, const ApiPath& path) {
  if (request.method == "GET") {
    if (asks_for_watch(request.target, path)) return http::Verb::kWatch;
    return path.name.empty() ? http::Verb::kList : http::Verb::kGet;
  }
  if (request.method == "POST") return http::Verb::kCreate;
  if (request.method == "PUT") return http::Verb::kUpdate;
  if (request.method == "PATCH") return http::Verb::kPatch;
  if (request.method == "DELETE") return http::Verb::kDelete;
  return http::Verb::kOther;
}

http::Scope scope_of(const ApiPath& path) {
  if (!path.name.empty()) return http::Scope::kResource;
  return path.namespace_.empty() ? http::Scope::kCluster : http::Scope::kNamespace;
}

/// Indented when asked by ?pretty=true. Upstream indents for curl and browsers too, by their
/// User-Agent; this server does not: the same request gets the same bytes whoever sends it, and
/// nobody pays for white space by accident.
http::Response object_response(Gather gathered, bool pretty) {
  http::Response response;
  if (pretty) {
    response.body = indent_json(std::move(gathered).finish());
  } else {
    response.body = std::move(gathered).finish();
  }
  return response;
}

http::Response error_response(const base::Error& error) {
  return status_response(kube::status_from_error(error));
}

/// 410 for a continue token whose revision is gone: it carries a token to go on with whatever is
/// there now.
http::Response continue_too_old(const ApiPath& path, const state::ListQuery& query) {
  kube::Status status = list_too_old();
  status.message =
      "The provided continue parameter is too old to display a consistent list result. You can "
      "start a new list "
      "without the continue parameter, or use the continue token in this response to retrieve the "
      "remainder of the "
      "results. Continuing with the provided token results in an inconsistent list - objects that "
      "were created, "
      "modified, or deleted between the time the first chunk was returned and now may show up in "
      "the list.";
  std::string_view key = query.start_after;
  if (!path.namespace_.empty()) key.remove_prefix(path.namespace_.size() + 1);
  const auto token = encode_continue({.revision = -1, .start_after = std::string(key)});
  std::string json = kube::to_json(status);
  constexpr std::string_view kEmpty = R"("metadata":{})";
  if (const auto at = json.find(kEmpty); at != std::string::npos) {
    json.replace(at, kEmpty.size(), R"("metadata":{"continue":")" + token + R"("})");
  }
  return http::Response::json(status.code, std::move(json));
}

}  // namespace

struct ReadApi::State {
  State(base::World& in_world, access::Authorizer& by_authorizer, telemetry::Metrics& in_metrics,
        ReadApiOptions with)
      : world(in_world),
        authorizer(by_authorizer),
        metrics(in_metrics),
        options(std::move(with)),
        gate(in_world, options) {}

  base::Task<http::Response> handle(http::Request request);
  base::Task<http::Response> handle_object(http::Request request, ApiPath path,
                                           std::shared_ptr<Served> from);
  base::Task<http::Response> get(http::Request request, ApiPath path, Served& from);
  base::Task<http::Response> list(http::Request request, ApiPath path, Served& from);
  base::Task<http::Response> watch(http::Request request, ApiPath path,
                                   std::shared_ptr<Served> from);
  base::Task<bool> reached(const state::Reader& reader, kube::Revision revision);
  [[nodiscard]] bool sheds_list() const noexcept {
    return options.overload && options.overload->sheds_list();
  }
  void tell(http::Response& response, const state::Freshness& freshness,
            state::Consistency consistency) const {
    if (options.podkeeper_headers) tell_freshness(response, freshness, consistency);
  }
  void serve(const std::vector<ServedResource>& wanted, std::uint64_t generation);
  /// What is served next: what `wanted` shows as now stays the same object.
  std::shared_ptr<const Catalog> next_catalog(const Catalog& now,
                                              const std::vector<ServedResource>& wanted,
                                              std::uint64_t generation);
  std::string_view intern(const std::string& label);

  [[nodiscard]] std::shared_ptr<const Catalog> current() const {
    base::Lock lock(mutex);
    return catalog;
  }
  [[nodiscard]] Rendering rendering(Shape shape, IncludeObject include) const {
    return {.shape = shape, .include = include, .now = world.clock().wall_now()};
  }

  base::World& world;
  access::Authorizer& authorizer;
  telemetry::Metrics& metrics;
  const ReadApiOptions options;
  const DemandGate gate;
  mutable base::Mutex mutex;
  std::shared_ptr<const Catalog> catalog PK_GUARDED_BY(mutex) = std::make_shared<const Catalog>();
  bool draining PK_GUARDED_BY(mutex) = false;
  /// Every label ever given out; as many as there were names of resources.
  std::set<std::string, std::less<>> labels PK_GUARDED_BY(mutex);
};

std::string_view ReadApi::State::intern(const std::string& label) {
  base::Lock lock(mutex);
  return *labels.insert(label).first;
}

std::shared_ptr<const Catalog> ReadApi::State::next_catalog(
    const Catalog& now, const std::vector<ServedResource>& wanted, std::uint64_t generation) {
  auto next = std::make_shared<Catalog>();
  next->generation = generation;
  std::vector<Discovered> discovered;
  for (const auto& one : wanted) {
    const auto kept =
        std::ranges::find_if(now.served, [&](const auto& served) { return served->shows(one); });
    if (kept != now.served.end()) {
      next->served.push_back(*kept);
    } else {
      const auto label = intern(one.resource.plural_group());
      next->served.push_back(std::make_shared<Served>(world, metrics, options, label, one));
    }
    const auto& served = *next->served.back();
    next->resources.push_back(&served.resource);
    discovered.push_back({&served.resource, served.has_status});
  }
  next->discovery = std::make_shared<const Discovery>(discovered, static_cast<bool>(options.writes),
                                                      options.git_version);
  return next;
}

void ReadApi::State::serve(const std::vector<ServedResource>& wanted, std::uint64_t generation) {
  while (true) {
    const auto now = current();
    if (generation < now->generation) return;
    auto next = next_catalog(*now, wanted, generation);
    bool all_end = false;
    {
      base::Lock lock(mutex);
      if (catalog != now) continue;  // somebody was quicker: build on what is served now
      catalog = next;
      all_end = draining;
    }
    for (const auto& one : now->served) {
      if (std::ranges::find(next->served, one) == next->served.end()) one->end_watches();
    }
    if (!all_end) return;
    for (const auto& one : next->served) one->end_watches();
    return;
  }
}

base::Task<http::Response> ReadApi::State::handle(http::Request request) {
  const auto now = current();
  auto match = match_path(request.target, now->resources);
  if (match.kind == PathMatch::Kind::kObjects && !match.path.subresource.empty() &&
      !now->find(*match.path.resource)->has_status) {
    match.kind = PathMatch::Kind::kNoSuchResource;
  }
  http::Response response;
  if (match.kind == PathMatch::Kind::kObjects) {
    auto from = now->find(*match.path.resource);
    auto answer = handle_object(std::move(request), std::move(match.path), std::move(from));
    response = co_await std::move(answer);
  } else {
    response = now->discovery->answer(match, request);
    response.verb = request.method == "GET" ? http::Verb::kGet : http::Verb::kOther;
  }
  response.headers.add("Cache-Control", "no-cache, private");
  co_return response;
}

base::Task<http::Response> ReadApi::State::handle_object(http::Request request, ApiPath path,
                                                         std::shared_ptr<Served> from) {
  const auto verb = verb_of(request, path);
  const auto scope = scope_of(path);
  http::Response response;
  if (verb == http::Verb::kWatch) {
    auto answer = watch(std::move(request), std::move(path), from);
    response = co_await std::move(answer);
  } else if (verb == http::Verb::kGet) {
    auto answer = get(std::move(request), std::move(path), *from);
    response = co_await std::move(answer);
  } else if (verb == http::Verb::kList) {
    auto answer = list(std::move(request), std::move(path), *from);
    response = co_await std::move(answer);
  } else if (options.writes && verb != http::Verb::kOther) {
    auto answer = options.writes(std::move(request), std::move(path));
    response = co_await std::move(answer);
  } else {
    response = method_not_allowed();
  }
  response.verb = verb;
  response.resource = from->label;
  response.scope = scope;
  co_return response;
}

base::Task<http::Response> ReadApi::State::get(http::Request request, ApiPath path, Served& from) {
  auto allowed = authorizer.read("", {std::string(from.label), path.namespace_});
  if (!allowed) co_return error_response(allowed.error());
  const auto shape = negotiate(request.headers, Asked::kObject);
  if (!shape) co_return not_acceptable();
  const auto wanted = parse_get_options(request.target);
  if (!wanted) co_return status_response(wanted.error());
  const auto demand = DemandGate::demand_of(request, path, from);
  if (!demand) co_return error_response(demand.error());
  if (!from.reader.freshness().synced) co_return status_response(not_synced(*path.resource));
  auto meeting = gate.meet(std::move(request), *demand, from, DemandGate::Instead::kUpstream);
  if (auto instead = co_await std::move(meeting)) co_return *std::move(instead);
  const bool there = co_await reached(from.reader, wanted->not_older_than);
  const auto freshness = from.reader.freshness();
  if (!there)
    co_return status_response(too_large_revision(wanted->not_older_than.value, freshness.revision));
  auto record = from.reader.get(std::move(*allowed), {path.namespace_, path.name});
  http::Response response;
  if (record) {
    Gather gathered;
    append_object(gathered, rendering(*shape, wanted->include), from.words, record->object());
    gathered.keep(std::move(record));
    response = object_response(std::move(gathered), wanted->pretty);
  } else {
    response = status_response(not_found(*path.resource, path.name));
  }
  tell(response, freshness, demand->consistency);
  co_return response;
}

base::Task<http::Response> ReadApi::State::list(http::Request request, ApiPath path, Served& from) {
  auto allowed = authorizer.read("", {std::string(from.label), path.namespace_});
  if (!allowed) co_return error_response(allowed.error());
  if (sheds_list()) co_return status_response(list_shed(*path.resource));
  const auto shape = negotiate(request.headers, Asked::kList);
  if (!shape) co_return not_acceptable();
  const auto wanted = parse_list_options(request.target, path);
  if (!wanted) co_return status_response(wanted.error());
  const auto demand = DemandGate::demand_of(request, path, from);
  if (!demand) co_return error_response(demand.error());
  if (!from.reader.freshness().synced) co_return status_response(not_synced(*path.resource));
  auto meeting = gate.meet(std::move(request), *demand, from, DemandGate::Instead::kUpstream);
  if (auto instead = co_await std::move(meeting)) co_return *std::move(instead);
  const bool there = co_await reached(from.reader, wanted->not_older_than);
  if (!there) {
    co_return status_response(
        too_large_revision(wanted->not_older_than.value, from.reader.freshness().revision));
  }
  auto result = from.reader.list(std::move(*allowed), wanted->query);
  if (!result) {
    if (result.error().code != base::ErrorCode::kExpired) co_return error_response(result.error());
    co_return wanted->continued ? continue_too_old(path, wanted->query)
                                : status_response(list_too_old());
  }
  ListMetadata metadata{
      .revision = result->freshness.revision, .continue_token = {}, .remaining_items = {}};
  if (result->more && !result->records.empty()) {
    metadata.continue_token =
        next_page(path, metadata.revision, result->records.back()->key_text());
    metadata.remaining_items = result->remaining;
  }
  Gather gathered;
  append_list(gathered, rendering(*shape, wanted->include), from.words, metadata,
              std::move(result->records));
  auto response = object_response(std::move(gathered), wanted->pretty);
  tell(response, result->freshness, demand->consistency);
  co_return response;
}

base::Task<http::Response> ReadApi::State::watch(http::Request request, ApiPath path,
                                                 std::shared_ptr<Served> from) {
  auto allowed = authorizer.read("", {std::string(from->label), path.namespace_});
  if (!allowed) co_return error_response(allowed.error());
  const auto shape = negotiate(request.headers, Asked::kWatch);
  if (!shape) co_return not_acceptable();
  auto wanted = parse_list_options(request.target, path);
  if (!wanted) co_return status_response(wanted.error());
  if (wanted->watch_options.initial_events && sheds_list()) {
    co_return status_response(list_shed(*path.resource));
  }
  const auto demand = DemandGate::demand_of(request, path, *from);
  if (!demand) co_return error_response(demand.error());
  if (!from->reader.freshness().synced) co_return status_response(not_synced(*path.resource));
  auto meeting = gate.meet(std::move(request), *demand, *from, DemandGate::Instead::kNothing);
  if (auto instead = co_await std::move(meeting)) co_return *std::move(instead);
  wanted->query.limit = 0;  // a watch has no pages
  auto stream =
      std::make_shared<WatchStream>(from, from->watch_services, from->watches, from->words,
                                    from->reader, std::move(*allowed), std::move(*wanted), *shape);
  http::Response response;
  response.body = http::StreamBody([stream = std::move(stream)](http::BodyWriter& out) {
    return WatchStream::run(stream, out);
  });
  tell(response, from->reader.freshness(), demand->consistency);
  co_return response;
}

base::Task<bool> ReadApi::State::reached(const state::Reader& reader, kube::Revision revision) {
  if (reader.freshness().revision >= revision) co_return true;
  runtime::Wakeup wakeup(world.clock());
  const auto changes = reader.subscribe(wakeup);
  const auto until = world.clock().now() + options.future_revision_wait;
  while (reader.freshness().revision < revision) {
    const bool notified = co_await wakeup.wait_until(until);
    if (!notified) co_return reader.freshness().revision >= revision;
  }
  co_return true;
}

ReadApi::ReadApi(base::World& world, access::Authorizer& authorizer, telemetry::Metrics& metrics,
                 std::vector<state::Reader> readers, ReadApiOptions options)
    : state_(std::make_shared<State>(world, authorizer, metrics, std::move(options))) {
  std::vector<ServedResource> served;
  for (const auto& reader : readers) served.emplace_back(reader);
  state_->serve(served, 0);
}

void ReadApi::serve(const std::vector<ServedResource>& served, std::uint64_t generation) {
  state_->serve(served, generation);
}

ReadApi::~ReadApi() = default;

http::Handler ReadApi::handler() {
  return [state = state_](http::Request request) { return state->handle(std::move(request)); };
}

http::ErrorRenderer ReadApi::error_renderer() {
  return [](const base::Error& error, int status) {
    auto told = kube::status_from_error(error);
    told.code = status;
    return status_response(told);
  };
}

void ReadApi::drain() {
  std::shared_ptr<const Catalog> now;
  {
    base::Lock lock(state_->mutex);
    state_->draining = true;
    now = state_->catalog;
  }
  for (const auto& one : now->served) one->end_watches();
}

}  // namespace podkeeper::kubeapi
