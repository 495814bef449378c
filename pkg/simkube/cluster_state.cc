#include "pkg/simkube/cluster_state.h"

#include "pkg/base/panic.h"
#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/events.h"
#include "pkg/simkube/rules.h"
#include "pkg/simkube/stored_resources.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace podkeeper::simkube {

std::string text_of(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

std::string body_text(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

namespace {

/// Custom resources and events change seldom: a short history of each is enough.
constexpr std::size_t kSmallHistoryEvents = 1 << 12;

}  // namespace

Cluster::State::Slot::Slot(base::Clock& clock, const kube::Resource& resource,
                           const state::EventLog::Options& log, access::AuthorizedRead proof)
    : store(clock, {.resource = resource, .map = {}, .log = log}),
      reader(store),
      allowed(std::move(proof)) {}

bool Cluster::State::Slot::serves(const kube::Resource& resource) const {
  if (retired) return false;
  if (!definition) return reader.resource() == resource;
  const auto& own = reader.resource();
  return own.group == resource.group && own.plural == resource.plural &&
         definition->find(resource.version) != nullptr;
}

const CustomVersion* Cluster::State::Slot::custom(const kube::Resource& resource) const {
  return definition ? definition->find(resource.version) : nullptr;
}

bool Cluster::State::Slot::has_status(const kube::Resource& resource) const {
  const auto* const version = custom(resource);
  if (version != nullptr) return version->has_status;
  if (const auto* const stored = find_stored(resource)) {
    return std::ranges::find(stored->members, "status") != stored->members.end();
  }
  return !is_event(resource);
}

bool Cluster::State::Slot::has_generation() const {
  const auto& own = reader.resource();
  if (const auto* const stored = find_stored(own)) return stored->counts_generation;
  return definition || own == kube::pods() || own == kube::deployments() ||
         own == kube::custom_resource_definitions();
}

Json Cluster::State::Slot::content(const kube::Resource& resource, const Json& object) const {
  if (!definition) return object.value("spec", Json());
  Json content = object;
  for (const char* key : {"kind", "apiVersion", "metadata"}) content.erase(key);
  if (has_status(resource)) content.erase("status");
  return content;
}

std::optional<Json> Cluster::State::Slot::read(const kube::ObjectKey& key) const {
  const auto record = reader.get(allowed, key);
  if (!record) return std::nullopt;
  const auto& resource = reader.resource();
  return Json::parse(R"({"kind":")" + resource.kind + R"(","apiVersion":")" +
                     resource.api_version() + R"(",)" + record->object().body);
}

bool Cluster::State::Slot::has(const kube::ObjectKey& key) const {
  return static_cast<bool>(reader.get(allowed, key));
}

std::vector<kube::ObjectKey> Cluster::State::Slot::keys(std::string_view namespace_) const {
  std::vector<kube::ObjectKey> keys;
  const auto content = reader.list(allowed, {.namespace_ = std::string(namespace_)});
  if (!content) return keys;
  for (const auto& record : content->records) {
    keys.push_back(
        {std::string(record->object().namespace_()), std::string(record->object().name())});
  }
  return keys;
}

Cluster::State::State(base::World& in_world, const ClusterOptions& with)
    : world(in_world), random(with.seed), config(with) {
  base::Lock lock(mutex);
  for (const auto& resource : kube::builtin_resources()) {
    if (resource == kube::concurrent_map_policies()) continue;  // comes with its definition
    auto log = config.log;
    if (is_event(resource) || resource == kube::custom_resource_definitions()) {
      log.events_max = std::min(log.events_max, kSmallHistoryEvents);
    }
    add_slot(resource, log);
  }
  auto log = config.log;
  log.events_max = std::min(log.events_max, kSmallHistoryEvents);
  for (const auto& stored : stored_resources()) add_slot(stored.resource, log);
}

Cluster::State::Slot& Cluster::State::add_slot(const kube::Resource& resource,
                                               const state::EventLog::Options& log) {
  access::LoopbackAuthorizer authorizer;
  auto proof = authorizer.read("", {resource.plural_group(), ""});
  slots.push_back(std::make_unique<Slot>(world.clock(), resource, log, std::move(proof.value())));
  slots.back()->store.replace({}, revision);
  return *slots.back();
}

Cluster::State::Slot* Cluster::State::find_slot(const kube::Resource& resource) const {
  for (const auto& one : slots) {
    if (one->serves(resource)) return one.get();
  }
  return nullptr;
}

Cluster::State::Slot& Cluster::State::slot(const kube::Resource& resource) const {
  auto* const found = find_slot(resource);
  PK_CHECK(found != nullptr, "simkube does not serve " + resource.plural_group());
  return *found;
}

std::string Cluster::State::uid() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx";
  for (auto& c : text) {
    if (c == 'x') c = kHex[random.below(16)];
  }
  return text;
}

std::string Cluster::State::suffix() {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";  // as upstream: no vowels
  std::string text(5, ' ');
  for (auto& c : text) c = kAlphabet[random.below(kAlphabet.size())];
  return text;
}

WriteResult Cluster::State::put(Slot& into, kube::EventType type, Json object) {
  const auto& resource = into.reader.resource();
  const kube::Revision next{revision.value + 1};
  object["metadata"]["resourceVersion"] = to_string(next);
  Written written{body_text(object) + "\n"};
  auto decoded = kube::decode_object(resource, written.object);
  if (!decoded) return refuse(kubeapi::bad_request(std::move(decoded.error().message)));
  if (is_event(resource)) {
    const auto& other = other_view(resource);
    auto seen = kube::decode_object(other, body_text(converted_event(resource, object)));
    if (!seen) return refuse(kubeapi::bad_request(std::move(seen.error().message)));
    slot(other).store.apply(type, std::move(*seen));
  }
  revision = next;
  into.store.apply(type, std::move(*decoded));
  return written;
}

void Cluster::State::own_metadata(const Slot& into, Json& object) {
  auto& metadata = object["metadata"];
  metadata["uid"] = uid();
  metadata["resourceVersion"] = "0";
  if (into.has_generation()) metadata["generation"] = 1;
  if (!metadata.contains("creationTimestamp")) {
    metadata["creationTimestamp"] = format_now(world.clock().wall_now());
  }
  metadata = ordered_metadata(metadata);
}

void Cluster::State::remember_event(const kube::ObjectKey& key) {
  event_order.push_back(key);
  while (event_order.size() > kEventsMax) {
    auto& events = slot(kube::events());
    if (auto oldest = events.read(event_order.front())) {
      (void)put(events, kube::EventType::kDeleted, std::move(*oldest));
    }
    event_order.pop_front();
  }
}

}  // namespace podkeeper::simkube
