// How objects leave the cluster: pods gracefully, everything else at once.
#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/cluster_state.h"
#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace podkeeper::simkube {
namespace {

constexpr std::int64_t kGraceSecondsDefault = 30;
/// The last day that RFC 3339 can write is far; a grace beyond this is taken as this.
constexpr std::int64_t kGraceSecondsMax = 365LL * 24 * 3600;

std::string deleted_status(const kube::Resource& resource, const Json& object) {
  Json details = {{"name", object["metadata"]["name"]}};
  if (!resource.group.empty()) details["group"] = resource.group;
  details["kind"] = resource.plural;
  details["uid"] = object["metadata"]["uid"];
  const Json status = {{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", Json::object()},
                       {"status", "Success"},
                       {"details", std::move(details)}};
  return body_text(status) + "\n";
}

}  // namespace

WriteResult Cluster::State::remove_pod(Slot& from, const Json& pod, const DeleteOptions& options) {
  const auto& metadata = pod["metadata"];
  const bool on_node = pod.contains("spec") && !text_of(pod["spec"], "nodeName").empty();
  const bool already = metadata.contains("deletionTimestamp");
  std::int64_t grace = kGraceSecondsDefault;
  if (pod.contains("spec")) grace = pod["spec"].value("terminationGracePeriodSeconds", grace);
  grace = std::clamp<std::int64_t>(options.grace_seconds.value_or(grace), 0, kGraceSecondsMax);
  if (!on_node) grace = 0;  // nobody runs it: nobody needs time to stop it
  if (already && grace > 0) return Written{body_text(pod) + "\n"};
  Json next = pod;
  next["metadata"]["deletionTimestamp"] =
      format_now(world.clock().wall_now() + std::chrono::seconds(grace));
  next["metadata"]["deletionGracePeriodSeconds"] = grace;
  if (!already) next["metadata"]["generation"] = metadata.value("generation", 1) + 1;
  next["metadata"] = ordered_metadata(next["metadata"]);
  if (options.dry_run) return Written{body_text(next) + "\n"};
  if (grace > 0) return put(from, kube::EventType::kModified, std::move(next));
  // As upstream: who waits for a graceful end hears that the grace is over, then that the pod is
  // gone.
  if (already) (void)put(from, kube::EventType::kModified, next);
  return put(from, kube::EventType::kDeleted, std::move(next));
}

void Cluster::State::empty_namespace(const std::string& name) {
  for (const auto& one : slots) {
    // Each event is in two stores and goes from both at once.
    if (!one->reader.resource().namespaced || one->reader.resource() == kube::events_v1()) continue;
    for (const auto& key : one->keys(name)) {
      if (auto held = one->read(key)) {
        (void)put(*one, kube::EventType::kDeleted, std::move(*held));
      }
    }
  }
}

WriteResult Cluster::remove(const kube::Resource& resource, const kube::ObjectKey& key,
                            const DeleteOptions& options) {
  base::Lock lock(state_->mutex);
  auto* const found = state_->find_slot(resource);
  if (found == nullptr) return refuse(kubeapi::not_served());
  auto& from = *found;
  auto current = from.read(key);
  if (!current) return refuse(kubeapi::not_found(resource, key.name));
  const auto& metadata = (*current)["metadata"];
  if (const auto held = text_of(metadata, "uid"); !options.uid.empty() && options.uid != held) {
    return refuse(precondition_failed(resource, key.name, "UID", options.uid, held));
  }
  if (const auto held = text_of(metadata, "resourceVersion");
      !options.resource_version.empty() && options.resource_version != held) {
    return refuse(
        precondition_failed(resource, key.name, "ResourceVersion", options.resource_version, held));
  }
  if (resource == kube::pods()) return state_->remove_pod(from, *current, options);
  Written written{deleted_status(resource, *current)};
  if (options.dry_run) return written;
  if (resource == kube::namespaces()) state_->empty_namespace(key.name);
  if (resource == kube::custom_resource_definitions()) state_->undefine(key.name);
  (void)state_->put(from, kube::EventType::kDeleted, std::move(*current));
  return written;
}

}  // namespace podkeeper::simkube
