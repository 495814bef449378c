#include "tests/world/support/model_server.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace podkeeper::world {

using base::Task;
using http::Request;
using http::Response;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::size_t kBodyBytesMax = 1 << 20;
constexpr base::Duration kBookmarkBeforeEnd = seconds(2);
constexpr Revision kPageItemsMax = 5;
constexpr base::Duration kWatchDefault = seconds(300);
constexpr base::Duration kJustRestarted = seconds(20);
constexpr base::Duration kStale = seconds(30);

std::string status_text(int code, std::string_view reason, std::string_view message) {
  const Json status = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", Json::object()},
                       {"status", "Failure"}, {"message", message}, {"reason", reason},
                       {"code", code}};
  return status.dump();
}

Response refuse(int code, std::string_view reason, std::string_view message) {
  return Response::json(code, status_text(code, reason, message));
}

Response not_found() { return refuse(404, "NotFound", "the server could not find it"); }

Response expired() {
  return refuse(410, "Expired", "The provided resourceVersion is too old: it has been compacted");
}

Revision number(std::string_view text) {
  Revision value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Kind and apiVersion, which a list's items lack, before the object's own members.
std::string with_type(const Table& table, const std::string& text) {
  return R"({"kind":")" + table.kind + R"(","apiVersion":")" + table.api_version + "\"," +
         text.substr(1);
}

const std::string& metadata_of(const Version& version) {
  std::string& text = version.metadata_text;
  if (text.empty()) {
    text = R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":)" +
           version.object.at("metadata").dump() + "}";
  }
  return text;
}

const char* type_of(Version::Kind kind) {
  switch (kind) {
    case Version::Kind::kAdded:
      return "ADDED";
    case Version::Kind::kModified:
      return "MODIFIED";
    case Version::Kind::kDeleted:
      return "DELETED";
  }
  return "";
}

}  // namespace

/// One WATCH under way.
struct ModelServer::Watch {
  explicit Watch(base::Clock& clock) : wakeup(clock) {}
  Asked asked;
  Revision position = 0;
  std::uint64_t incarnation = 0;
  bool bookmarks = false;
  bool ended = false;
  base::MonotonicTime deadline, next_bookmark;
  std::string frames, late;  ///< late: with a bug, what a bookmark overtook
  base::MonotonicTime late_at{};
  runtime::Wakeup wakeup;
};

ModelServer::ModelServer(base::World& world, runtime::TaskGroup& group, telemetry::Metrics& metrics,
                         Model& model, const Bugs& bugs)
    : world_(world), group_(group), metrics_(metrics), model_(model), bugs_(bugs) {}

ModelServer::~ModelServer() = default;

void ModelServer::start(std::size_t instances) {
  for (std::size_t i = 0; i < instances; ++i) {
    http::Router router;
    router.prefix("/", [this, i](Request request) { return answer(i, std::move(request)); });
    http::ServerLimits limits;
    limits.body_bytes_max = kBodyBytesMax;
    servers_.push_back(std::make_unique<http::Server>(world_, group_, metrics_, "upstream",
                                                      std::move(router), limits));
    const auto port = static_cast<std::uint16_t>(kFirstPort + i);
    const auto bound = servers_.back()->listen({.host = "127.0.0.1", .port = port});
    if (!bound) throw std::runtime_error(bound.error().message);
  }
}

void ModelServer::restart() {
  ++incarnation_;
  restarted_ = world_.clock().now();
  cache_from_ = model_.revision();
  model_.wakeups.notify_all();
}

Revision ModelServer::oldest() const { return std::max(cache_from_, model_.compacted()); }

Task<Response> ModelServer::answer(std::size_t instance, Request request) {
  View& view = views_.at(instance);
  if (view.refusals > 0) {
    --view.refusals;
    switch (world_.random().below(3)) {
      case 0: {
        auto busy = refuse(429, "TooManyRequests", "please try again later");
        busy.headers.add("Retry-After", "1");
        co_return busy;
      }
      case 1:
        co_return refuse(500, "InternalError", "etcdserver: leader changed");
      default:
        co_return refuse(503, "ServiceUnavailable", "the server is shutting down");
    }
  }
  auto& path = request.target.segments;
  Asked asked{.instance = instance};
  asked.metadata_only = request.headers.get("Accept").value_or("").find("PartialObjectMetadata") !=
                        std::string_view::npos;
  if (path.size() >= 3 && path[0] == "api") {
    asked.resource = path[2];
    co_return answer_objects(std::move(asked), request, {path.begin() + 3, path.end()});
  }
  if (path.size() >= 4 && path[1] == "podkeeper.dev") {
    asked.resource = path[3];
    co_return answer_objects(std::move(asked), request, {path.begin() + 4, path.end()});
  }
  if (path.size() >= 6 && path[5] == "leases") co_return answer_lease(instance, request);
  if (path.size() >= 6 && path[5] == "events") {
    model_.tick();
    co_return Response::json(201, request.body);
  }
  co_return not_found();
}

Response ModelServer::answer_objects(Asked asked, const Request& request,
                                     const std::vector<std::string>& path) {
  if (!model_.knows(asked.resource)) return not_found();
  if (request.method == "PATCH" && !path.empty()) {
    return write_status(asked.instance, request, path.front());
  }
  if (request.method != "GET") return refuse(405, "MethodNotAllowed", "only reads, and status");
  if (!path.empty()) {
    const auto found = model_.find(asked.resource, path.front());
    if (!found) return not_found();
    return Response::json(200, with_type(model_.table(asked.resource), found->text));
  }
  const bool watches = request.target.query_value("watch") == "true";
  return watches ? watch(asked, request) : list(asked, request);
}

Objects ModelServer::list_at(const Asked& asked, Revision at, bool continued) {
  if (bugs_.has(Bug::kMixedPages) && continued) return model_.now(asked.resource);
  Objects objects = model_.at(asked.resource, at);
  View& view = views_.at(asked.instance);
  if (!bugs_.has(Bug::kResurrected) || asked.metadata_only || view.list_is_first) return objects;
  for (const auto& change : model_.table(asked.resource).history) {
    if (change->kind != Version::Kind::kDeleted || objects.contains(change->key)) continue;
    if (const auto was = model_.find(asked.resource, change->key, change->revision - 1)) {
      objects.emplace(change->key, was);
    }
  }
  return objects;
}

Response ModelServer::list(const Asked& asked, const Request& request) {
  const auto& target = request.target;
  View& view = views_.at(asked.instance);
  Revision at = model_.revision();
  if (bugs_.has(Bug::kStaleList) && asked.resource == Model::kPods && view.list_is_first) {
    at = model_.revision_at(world_.clock().now() - kStale);
  }
  std::string after;
  const std::string token(target.query_value("continue").value_or(""));
  if (!token.empty()) {
    const auto colon = token.find(':');
    at = number(token.substr(0, colon));
    after = token.substr(colon + 1);
    if (at < model_.compacted() || at > model_.revision()) return expired();
  }
  // A server may give less than it is asked for.
  const auto asked_for = number(target.query_value("limit").value_or("0"));
  const auto limit = asked_for == 0 ? 0 : std::min<Revision>(asked_for, kPageItemsMax);
  const Objects objects = list_at(asked, at, !token.empty());
  const Table& table = model_.table(asked.resource);
  std::string items, next;
  std::size_t count = 0;
  for (auto it = objects.upper_bound(after); it != objects.end(); ++it) {
    if (limit > 0 && count == limit) {
      next = std::to_string(at) + ":" + std::prev(it)->first;
      break;
    }
    if (count++ > 0) items += ',';
    items += asked.metadata_only ? metadata_of(*it->second) : it->second->text;
  }
  if (!asked.metadata_only && next.empty()) {
    Revision& listed = view.listed[asked.resource];
    listed = std::max(listed, at);
    if (asked.resource == Model::kPods) view.list_is_first = false;
  }
  const std::string kind = asked.metadata_only ? "PartialObjectMetadataList" : table.kind + "List";
  const std::string version = asked.metadata_only ? "meta.k8s.io/v1" : table.api_version;
  std::string body = R"({"kind":")" + kind + R"(","apiVersion":")" + version +
                     R"(","metadata":{"resourceVersion":")" + std::to_string(at) + "\"";
  if (!next.empty()) body += R"(,"continue":)" + Json(next).dump();
  return Response::json(200, body + R"(},"items":[)" + items + "]}");
}

Response ModelServer::watch(const Asked& asked, const Request& request) {
  const auto& target = request.target;
  auto watch = std::make_shared<Watch>(world_.clock());
  watch->asked = asked;
  watch->position = number(target.query_value("resourceVersion").value_or("0"));
  watch->bookmarks = target.query_value("allowWatchBookmarks") == "true";
  watch->incarnation = incarnation_;
  const auto timeout = number(target.query_value("timeoutSeconds").value_or("0"));
  const auto now = world_.clock().now();
  watch->deadline = now + (timeout > 0 ? base::Duration(seconds(timeout)) : kWatchDefault);
  watch->next_bookmark = std::min(now + bookmark_every_, watch->deadline - kBookmarkBeforeEnd);
  if (watch->position < oldest()) {
    if (bugs_.has(Bug::kCompactionIgnored)) {
      watch->position = oldest();
    } else if (bugs_.has(Bug::kGapAtRestart) && now - restarted_ < kJustRestarted) {
      watch->position = model_.revision();
    } else if (views_.at(asked.instance).gone_as_http) {
      return expired();
    } else {
      watch->frames = R"({"type":"ERROR","object":)" +
                      status_text(410, "Expired", "too old resource version") + "}\n";
      watch->deadline = now;
    }
  } else if (bugs_.has(Bug::kOneTooLate) && !asked.metadata_only) {
    const auto missed = model_.changes(asked.resource, watch->position, model_.revision());
    if (!missed.empty()) watch->position = missed.front()->revision;
  }
  Response response;
  response.body =
      http::StreamBody([this, watch](http::BodyWriter& out) { return follow(watch, out); });
  response.verb = http::Verb::kWatch;
  return response;
}

void ModelServer::gather_change(Watch& watch, const VersionRef& change) {
  const Table& table = model_.table(watch.asked.resource);
  const bool deleted = change->kind == Version::Kind::kDeleted;
  if (bugs_.has(Bug::kLostEvent) && !deleted && chance(20)) return;
  if (bugs_.has(Bug::kLostDelete) && deleted && chance(3)) return;
  Json kept;
  std::string object;
  if (watch.asked.metadata_only) {
    object = metadata_of(*change);
  } else {
    object = with_type(table, change->text);
    if (bugs_.has(Bug::kOldLabels) && change->kind == Version::Kind::kModified) {
      const auto before = model_.find(watch.asked.resource, change->key, change->revision - 1);
      kept = change->object;
      if (before && before->object["metadata"].contains("labels")) {
        kept["metadata"]["labels"] = before->object["metadata"]["labels"];
        object = with_type(table, kept.dump());
      }
    }
  }
  watch.frames.append(R"({"type":")").append(type_of(change->kind)).append(R"(","object":)");
  watch.frames.append(object).append("}\n");
}

void ModelServer::gather(Watch& watch) {
  const auto now = world_.clock().now();
  const auto& view = views_.at(watch.asked.instance);
  const Revision visible = model_.revision_at(now - view.lag);
  if (!watch.late.empty() && now >= watch.late_at) {
    watch.frames += std::exchange(watch.late, {});
  }
  if (visible > watch.position) {
    for (const auto& change : model_.changes(watch.asked.resource, watch.position, visible)) {
      gather_change(watch, change);
    }
    watch.position = visible;
  }
  const bool overtakes = bugs_.has(Bug::kBookmarkAhead) && watch.bookmarks &&
                         !watch.frames.empty() && watch.late.empty() && chance(4);
  if (overtakes) {
    watch.late = std::exchange(watch.frames, {});
    watch.late_at = now + seconds(3);
  }
  // A revision that this server has not reached is answered with silence.
  const bool due = watch.bookmarks && now >= watch.next_bookmark && visible >= watch.position;
  if (!due && !overtakes) return;
  const Table& table = model_.table(watch.asked.resource);
  watch.frames += R"({"type":"BOOKMARK","object":{"kind":")" + table.kind + R"(","apiVersion":")" +
                  table.api_version + R"(","metadata":{"resourceVersion":")" +
                  std::to_string(watch.position) + R"("}}})" + "\n";
  if (!due) return;
  const auto last = watch.deadline - kBookmarkBeforeEnd;
  watch.next_bookmark =
      now >= last ? base::MonotonicTime::max() : std::min(now + bookmark_every_, last);
}

base::MonotonicTime ModelServer::next_look(const Watch& watch) const {
  // A revision is seen when it was made and the lag has passed; one that is not reached, never.
  const auto seen = [&](Revision revision) {
    if (revision > model_.revision()) return base::MonotonicTime::max();
    return model_.time_of(revision) + views_.at(watch.asked.instance).lag;
  };
  auto until = watch.deadline;
  if (!watch.late.empty()) until = std::min(until, watch.late_at);
  if (watch.bookmarks) until = std::min(until, std::max(watch.next_bookmark, seen(watch.position)));
  const auto coming = model_.changes(watch.asked.resource, watch.position, model_.revision());
  if (!coming.empty()) until = std::min(until, seen(coming.front()->revision));
  return until;
}

Task<void> ModelServer::follow(std::shared_ptr<Watch> watch, http::BodyWriter& out) {
  const auto subscription = model_.wakeups.subscribe(watch->wakeup);
  out.on_end([weak = std::weak_ptr(watch)] {
    const auto self = weak.lock();
    if (!self) return;
    self->ended = true;
    self->wakeup.notify();
  });
  while (true) {
    const auto now = world_.clock().now();
    if (watch->frames.empty()) {
      if (watch->ended || out.draining() || watch->incarnation != incarnation_) co_return;
      gather(*watch);
    }
    if (!watch->frames.empty()) {
      const std::string frames = std::exchange(watch->frames, {});
      const std::array<std::string_view, 1> pieces{frames};
      auto writing = out.write(pieces);
      const auto written = co_await std::move(writing);
      if (!written) co_return;
      continue;
    }
    if (now >= watch->deadline) co_return;
    const auto until = next_look(*watch);
    auto waiting = watch->wakeup.wait_until(std::max(until, now + milliseconds(1)));
    co_await std::move(waiting);
  }
}

void ModelServer::judge_leader_write(std::size_t instance, const std::string& what) {
  ++leader_writes_;
  if (holder_ == static_cast<int>(instance)) return;
  violations_.push_back("a deposed leader writes: instance " + std::to_string(instance) +
                        " wrote " + what + " while " + std::to_string(holder_) + " held the lease");
}

Response ModelServer::write_status(std::size_t instance, const Request& request,
                                   const std::string& name) {
  const auto held = model_.find(Model::kPolicies, name);
  if (!held) return not_found();
  const Json body = Json::parse(request.body, nullptr, false);
  if (!body.is_object()) return refuse(400, "BadRequest", "the body is no object");
  auto& managers = applied_[held->object["metadata"]["uid"].get<std::string>()];
  const std::string manager(request.target.query_value("fieldManager").value_or(""));
  if (manager.empty() || manager == "podkeeper") judge_leader_write(instance, "a status");
  if (manager.empty()) {
    // A merge patch that prunes instances' entries, at a revision.
    const Json& metadata = body.at("metadata");
    if (metadata.at("resourceVersion") != held->object["metadata"]["resourceVersion"]) {
      return refuse(409, "Conflict", "the object has been modified");
    }
    const Json kept = body.at("status").at("instances");
    std::erase_if(managers, [&](const auto& entry) {
      const Json& own = entry.second;
      return own.contains("instances") && !own["instances"].empty() &&
             std::ranges::find(kept, own["instances"].front()) == kept.end();
    });
  } else {
    managers[manager] = body.value("status", Json::object());
  }
  Json status = Json::object();
  for (const auto& [who, applied] : managers) {
    for (const auto& [field, value] : applied.items()) {
      if (field == "instances") {
        for (const auto& entry : value) status["instances"].push_back(entry);
      } else {
        status[field] = value;
      }
    }
  }
  Json object = held->object;
  VersionRef now = held;
  if (object.value("status", Json()) != status) {
    object["status"] = std::move(status);
    now = model_.put(Model::kPolicies, name, std::move(object));
  }
  return Response::json(200, with_type(model_.table(Model::kPolicies), now->text));
}

Response ModelServer::answer_lease(std::size_t instance, const Request& request) {
  if (request.method == "GET") {
    return lease_.is_null() ? not_found() : Response::json(200, lease_.dump());
  }
  return put_lease(instance, request);
}

Response ModelServer::put_lease(std::size_t instance, const Request& request) {
  Json lease = Json::parse(request.body, nullptr, false);
  if (!lease.is_object()) return refuse(400, "BadRequest", "the body is no object");
  const bool creates = request.method == "POST";
  if (creates && !lease_.is_null()) return refuse(409, "AlreadyExists", "there is a lease");
  if (!creates && lease_.is_null()) return not_found();
  if (!creates && lease["metadata"].value("resourceVersion", "") !=
                      lease_["metadata"]["resourceVersion"].get<std::string>()) {
    return refuse(409, "Conflict", "the object has been modified");
  }
  lease["metadata"]["resourceVersion"] = std::to_string(model_.tick());
  lease["metadata"]["uid"] = "lease";
  const bool held = !lease["spec"].value("holderIdentity", "").empty();
  const int now = held ? static_cast<int>(instance) : -1;
  if (now >= 0 && now != holder_) ++takeovers_;
  holder_ = now;
  lease_ = std::move(lease);
  return Response::json(creates ? 201 : 200, lease_.dump());
}

}  // namespace podkeeper::world
