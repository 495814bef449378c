#include "tests/world/support/model.h"

#include "pkg/kube/object.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace podkeeper::world {
namespace {

/// Revisions of a cluster that has been there for a while.
constexpr Revision kFirstRevision = 1'000;

Revision revision_of(const VersionRef& version) { return version->revision; }

}  // namespace

std::string time_text(base::WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch());
  return kube::format_time(seconds.count());
}

Model::Model(base::Clock& clock) : clock_(clock) {
  tables_[kPods] = {.api_version = "v1", .kind = "Pod"};
  tables_[kNodes] = {.api_version = "v1", .kind = "Node"};
  tables_[kPolicies] = {.api_version = "podkeeper.dev/v1alpha1", .kind = "ConcurrentMapPolicy"};
  while (revision_ < kFirstRevision) tick();
}

Revision Model::tick() {
  times_.push_back(clock_.now());
  return ++revision_;
}

Revision Model::revision_at(base::MonotonicTime when) const {
  const auto after = std::ranges::upper_bound(times_, when);
  return static_cast<Revision>(after - times_.begin());
}

const Table& Model::table(const std::string& resource) const { return tables_.at(resource); }

VersionRef Model::add(Table& table, Version version) {
  version.revision = tick();
  version.at = clock_.now();
  version.object["metadata"]["resourceVersion"] = std::to_string(version.revision);
  version.text = version.object.dump();
  auto added = std::make_shared<const Version>(std::move(version));
  table.history.push_back(added);
  table.by_key[added->key].push_back(added);
  wakeups.notify_all();
  return added;
}

VersionRef Model::put(const std::string& resource, const std::string& key, Json object) {
  Table& table = tables_.at(resource);
  const VersionRef held = find(resource, key);
  Json& metadata = object["metadata"];
  if (!held) {
    ++uids_;
    metadata["uid"] = "uid-" + std::to_string(uids_);
    metadata["creationTimestamp"] = time_text(clock_.wall_now());
  }
  return add(table, {.kind = held ? Version::Kind::kModified : Version::Kind::kAdded,
                     .key = key,
                     .object = std::move(object)});
}

VersionRef Model::erase(const std::string& resource, const std::string& key) {
  const VersionRef held = find(resource, key);
  if (!held) return nullptr;
  return add(tables_.at(resource),
             {.kind = Version::Kind::kDeleted, .key = key, .object = held->object});
}

void Model::restore(Revision revision) {
  restored_ = true;
  revision_ = std::min(revision_, revision);
  compacted_ = std::min(compacted_, revision_);
  times_.resize(revision_);
  const auto gone = [&](const VersionRef& version) { return version->revision > revision_; };
  for (auto& [name, table] : tables_) {
    std::ranges::copy_if(table.history, std::back_inserter(table.lost), gone);
    std::erase_if(table.history, gone);
    for (auto& [key, versions] : table.by_key) std::erase_if(versions, gone);
  }
  wakeups.notify_all();
}

VersionRef Model::find(const std::string& resource, const std::string& key, Revision at) const {
  const Table& table = tables_.at(resource);
  const auto found = table.by_key.find(key);
  if (found == table.by_key.end()) return nullptr;
  const auto after = std::ranges::upper_bound(found->second, at, {}, revision_of);
  if (after == found->second.begin()) return nullptr;
  const VersionRef& version = *std::prev(after);
  return version->kind == Version::Kind::kDeleted ? nullptr : version;
}

Objects Model::at(const std::string& resource, Revision at) const {
  Objects objects;
  for (const auto& [key, versions] : tables_.at(resource).by_key) {
    if (auto version = find(resource, key, at)) objects.emplace(key, std::move(version));
  }
  return objects;
}

std::span<const VersionRef> Model::changes(const std::string& resource, Revision after,
                                           Revision up_to) const {
  const auto& history = tables_.at(resource).history;
  const auto first = std::ranges::upper_bound(history, after, {}, revision_of);
  const auto last = std::ranges::upper_bound(history, up_to, {}, revision_of);
  return first < last ? std::span(first, last) : std::span<const VersionRef>{};
}

bool Model::changed(const std::string& resource, const std::string& key, Revision after,
                    Revision up_to) const {
  const Table& table = tables_.at(resource);
  const auto found = table.by_key.find(key);
  if (found == table.by_key.end()) return false;
  const auto next = std::ranges::upper_bound(found->second, after, {}, revision_of);
  return next != found->second.end() && (*next)->revision <= up_to;
}

}  // namespace podkeeper::world
