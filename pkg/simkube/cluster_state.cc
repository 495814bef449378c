#include "pkg/simkube/cluster_state.h"

#include "pkg/base/panic.h"
#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace podkeeper::simkube {

std::string text_of(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

std::string body_text(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool has_generation(const kube::Resource& resource) {
  return resource == kube::pods() || resource == kube::deployments();
}

Cluster::State::Slot::Slot(base::Clock& clock, const kube::Resource& resource,
                           const ClusterOptions& options, access::AuthorizedRead proof)
    : store(clock, {.resource = resource, .map = {}, .log = options.log}),
      reader(store),
      allowed(std::move(proof)) {}

Cluster::State::State(base::World& in_world, const ClusterOptions& options)
    : world(in_world), random(options.seed) {
  access::LoopbackAuthorizer authorizer;
  for (const auto* resource :
       {&kube::pods(), &kube::nodes(), &kube::namespaces(), &kube::deployments()}) {
    auto proof = authorizer.read("", {resource->plural_group(), ""});
    slots.push_back(
        std::make_unique<Slot>(world.clock(), *resource, options, std::move(proof.value())));
  }
}

Cluster::State::Slot& Cluster::State::slot(const kube::Resource& resource) const {
  for (const auto& one : slots) {
    if (one->reader.resource() == resource) return *one;
  }
  PK_CHECK(false, "simkube does not serve " + resource.plural_group());
  std::unreachable();
}

std::optional<Json> Cluster::State::read(const Slot& from, const kube::ObjectKey& key) {
  const auto record = from.reader.get(from.allowed, key);
  if (!record) return std::nullopt;
  const auto& resource = from.reader.resource();
  return Json::parse(R"({"kind":")" + resource.kind + R"(","apiVersion":")" +
                     resource.api_version() + R"(",)" + record->object().body);
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
  const kube::Revision next{revision.value + 1};
  object["metadata"]["resourceVersion"] = to_string(next);
  Written written{body_text(object) + "\n"};
  auto decoded = kube::decode_object(into.reader.resource(), written.object);
  if (!decoded) return refuse(kubeapi::bad_request(std::move(decoded.error().message)));
  revision = next;
  into.store.apply(type, std::move(*decoded));
  return written;
}

void Cluster::State::own_metadata(const kube::Resource& resource, Json& object) {
  auto& metadata = object["metadata"];
  metadata["uid"] = uid();
  metadata["resourceVersion"] = "0";
  if (has_generation(resource)) metadata["generation"] = 1;
  if (!metadata.contains("creationTimestamp")) {
    metadata["creationTimestamp"] = format_now(world.clock().wall_now());
  }
  metadata = ordered_metadata(metadata);
}

}  // namespace podkeeper::simkube
