#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/mutex.h"
#include "pkg/runtime/seeded_random.h"
#include "pkg/simkube/cluster.h"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::simkube {

inline std::unexpected<kube::Status> refuse(kube::Status status) {
  return std::unexpected(std::move(status));
}

/// A member's text; empty where it is missing or no string.
std::string text_of(const Json& object, const char* key);
/// Compact JSON, without a line end.
std::string body_text(const Json& object);
/// generation counts changes of a spec; nodes and namespaces have none.
bool has_generation(const kube::Resource& resource);

/// What a Cluster holds, for the files that implement it. Whoever holds the mutex is the one writer
/// of every store.
struct Cluster::State {
  /// One resource: its store, and the proof that simkube may read what it made itself.
  struct Slot {
    Slot(base::Clock& clock, const kube::Resource& resource, const ClusterOptions& options,
         access::AuthorizedRead proof);
    state::Store store;
    state::Reader reader;
    access::AuthorizedRead allowed;
  };

  State(base::World& in_world, const ClusterOptions& options);

  [[nodiscard]] Slot& slot(const kube::Resource& resource) const;
  [[nodiscard]] static std::optional<Json> read(const Slot& from, const kube::ObjectKey& key);
  [[nodiscard]] std::string uid() PK_REQUIRES(mutex);
  /// What generateName appends.
  [[nodiscard]] std::string suffix() PK_REQUIRES(mutex);
  /// Gives the object the next revision and stores it. 400 for what a client sent and nobody can
  /// decode; nothing changed then.
  WriteResult put(Slot& into, kube::EventType type, Json object) PK_REQUIRES(mutex);
  /// Sets what a new object gets from the server.
  void own_metadata(const kube::Resource& resource, Json& object) PK_REQUIRES(mutex);
  WriteResult replace(Slot& into, const Json& current, Json next, bool status,
                      const WriteOptions& options) PK_REQUIRES(mutex);
  WriteResult remove_pod(Slot& from, const Json& pod, const DeleteOptions& options)
      PK_REQUIRES(mutex);
  void empty_namespace(const std::string& name) PK_REQUIRES(mutex);

  base::World& world;
  mutable base::Mutex mutex;
  runtime::SeededRandom random PK_GUARDED_BY(mutex);
  kube::Revision revision PK_GUARDED_BY(mutex){1};
  kube::Revision told PK_GUARDED_BY(mutex){0};
  std::vector<std::unique_ptr<Slot>> slots;  ///< constant after construction
};

}  // namespace podkeeper::simkube
