#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/mutex.h"
#include "pkg/runtime/seeded_random.h"
#include "pkg/simkube/cluster.h"
#include "pkg/simkube/definition.h"
#include "pkg/simkube/ownership.h"
#include "pkg/state/store.h"

#include <array>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
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

/// What of an object's metadata the server alone decides.
inline constexpr std::array kOwnedMetadata = {"name",
                                              "generateName",
                                              "namespace",
                                              "uid",
                                              "resourceVersion",
                                              "generation",
                                              "creationTimestamp",
                                              "deletionTimestamp",
                                              "deletionGracePeriodSeconds"};

/// What a Cluster holds, for the files that implement it. Whoever holds the mutex is the one writer
/// of every store.
struct Cluster::State {
  /// One resource: its store, and the proof that simkube may read what it made itself. It stays
  /// for ever, because readers do.
  struct Slot {
    Slot(base::Clock& clock, const kube::Resource& resource, const state::EventLog::Options& log,
         access::AuthorizedRead proof);
    /// Served under this group, version and plural.
    [[nodiscard]] bool serves(const kube::Resource& resource) const;
    /// Null for what is built in.
    [[nodiscard]] const CustomVersion* custom(const kube::Resource& resource) const;
    [[nodiscard]] bool has_status(const kube::Resource& resource) const;
    [[nodiscard]] bool has_generation() const;
    /// What generation counts the changes of.
    [[nodiscard]] Json content(const kube::Resource& resource, const Json& object) const;
    [[nodiscard]] std::optional<Json> read(const kube::ObjectKey& key) const;
    [[nodiscard]] bool has(const kube::ObjectKey& key) const;
    [[nodiscard]] std::vector<kube::ObjectKey> keys(std::string_view namespace_) const;

    state::Store store;
    state::Reader reader;
    access::AuthorizedRead allowed;
    // Changed by whoever holds State::mutex.
    std::shared_ptr<const Definition> definition;  ///< of a custom resource
    std::uint64_t defined = 0;                     ///< the offer's generation it dates from
    bool retired = false;
  };

  /// What restore() brings back; the records are counted, so nothing is copied.
  struct Backup {
    kube::Revision revision;
    std::map<const Slot*, std::vector<state::RecordRef>> content;
  };

  State(base::World& in_world, const ClusterOptions& options);

  /// Null for what is not, or no longer, served.
  [[nodiscard]] Slot* find_slot(const kube::Resource& resource) const PK_REQUIRES(mutex);
  [[nodiscard]] Slot& slot(const kube::Resource& resource) const PK_REQUIRES(mutex);
  Slot& add_slot(const kube::Resource& resource, const state::EventLog::Options& log)
      PK_REQUIRES(mutex);
  [[nodiscard]] std::string uid() PK_REQUIRES(mutex);
  /// What generateName appends.
  [[nodiscard]] std::string suffix() PK_REQUIRES(mutex);
  /// Gives the object the next revision and stores it; an event in both its views. 400 for what a
  /// client sent and nobody can decode; nothing changed then.
  WriteResult put(Slot& into, kube::EventType type, Json object) PK_REQUIRES(mutex);
  /// Sets what a new object gets from the server.
  void own_metadata(const Slot& into, Json& object) PK_REQUIRES(mutex);

  /// Puts a client's object into `shaped`: the members that its resource has, in their order, and
  /// a definition's defaults. Returns the paths of what was dropped.
  [[nodiscard]] std::vector<std::string> shape(const Slot& into, const kube::Resource& resource,
                                               const Json& object, Json& shaped) const
      PK_REQUIRES(mutex);
  /// Everything that is wrong with a shaped object, as one Status.
  [[nodiscard]] std::expected<void, kube::Status> check(const Slot& into,
                                                        const kube::Resource& resource,
                                                        const Json& object) const
      PK_REQUIRES(mutex);
  WriteResult replace(Slot& into, const kube::Resource& resource, const Json& current, Json next,
                      bool status, const WriteOptions& options) PK_REQUIRES(mutex);
  WriteResult add(Slot& into, const kube::Resource& resource, Json object,
                  const WriteOptions& options) PK_REQUIRES(mutex);

  // Who owns which fields of custom resources (apply.cc).
  /// Sets the managedFields of what is written over `current`: those it has, with what changed in
  /// the part that the request reaches.
  void own_fields(const Slot& into, const kube::Resource& resource, const Json& current,
                  Json& result, bool status, const WriteOptions& options) const PK_REQUIRES(mutex);
  /// The part of an object that a request reaches and managers own, and the schema of it.
  [[nodiscard]] static Json owned_part(const Slot& into, const kube::Resource& resource,
                                       const Json& object, bool status);
  WriteResult put_applied(Slot& into, const kube::Resource& resource, const kube::ObjectKey& key,
                          std::optional<Json> current, const Json& configuration, Json part,
                          Applied applied, bool status, const WriteOptions& options)
      PK_REQUIRES(mutex);
  [[nodiscard]] FieldOwner writer(const kube::Resource& resource, bool status,
                                  const WriteOptions& options) const PK_REQUIRES(mutex);

  // Definitions of custom resources (definitions.cc).
  /// 422 for a definition of what cannot be served.
  [[nodiscard]] std::expected<void, kube::Status> check_definition(const Json& object) const
      PK_REQUIRES(mutex);
  /// The definition was stored: serves what it defines, and says so in its status.
  void establish(Slot& definitions, Json object) PK_REQUIRES(mutex);
  void redefine(const Json& object) PK_REQUIRES(mutex);
  /// Its objects go, and nobody is served any more.
  void undefine(const std::string& name) PK_REQUIRES(mutex);
  [[nodiscard]] Slot* slot_of_definition(std::string_view name) const PK_REQUIRES(mutex);

  /// Drops the oldest events above kEventsMax.
  void remember_event(const kube::ObjectKey& key) PK_REQUIRES(mutex);
  WriteResult remove_pod(Slot& from, const Json& pod, const DeleteOptions& options)
      PK_REQUIRES(mutex);
  void empty_namespace(const std::string& name) PK_REQUIRES(mutex);

  base::World& world;
  mutable base::Mutex mutex;
  runtime::SeededRandom random PK_GUARDED_BY(mutex);
  kube::Revision revision PK_GUARDED_BY(mutex){1};
  kube::Revision told PK_GUARDED_BY(mutex){0};
  std::vector<std::unique_ptr<Slot>> slots PK_GUARDED_BY(mutex);  ///< only ever grows
  std::uint64_t generation PK_GUARDED_BY(mutex) = 0;              ///< of the offer
  std::deque<kube::ObjectKey> event_order PK_GUARDED_BY(mutex);
  std::optional<Backup> backup PK_GUARDED_BY(mutex);
  const ClusterOptions config;
};

}  // namespace podkeeper::simkube
