#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/mutex.h"
#include "pkg/base/world.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/simkube/definition.h"
#include "pkg/state/store.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

struct ClusterOptions {
  std::uint64_t seed = 1;  ///< of uids and generated names
  state::EventLog::Options log;
  /// False: custom resources are taken as they come, neither validated nor pruned nor defaulted, so
  /// that a client's own validation can be tested.
  bool validate_custom = true;
};

/// What becomes of fields that nobody knows: they always go, and the client is told nothing, a
/// warning, or 400.
enum class UnknownFields { kIgnore, kWarn, kRefuse };

enum class PatchKind : std::uint8_t { kMerge, kStrategicMerge, kJson, kApply };

/// How a client wants one write done.
struct WriteOptions {
  bool dry_run = false;                                 ///< answer as if, but change nothing
  UnknownFields unknown_fields = UnknownFields::kWarn;  ///< fieldValidation
  PatchKind patch = PatchKind::kMerge;                  ///< what patch() is given
  std::string field_manager = "unknown";                ///< who owns what is written
  bool force = false;  ///< apply() takes fields from other managers
};

struct DeleteOptions {
  std::optional<std::int64_t> grace_seconds;
  std::string uid;               ///< precondition; empty: none
  std::string resource_version;  ///< precondition; empty: none
  bool dry_run = false;
};

/// What a write did: the whole object as JSON, kind and apiVersion in front, with a line end.
struct Written {
  std::string object;
  std::vector<std::string> warnings = {};  ///< for the answer's Warning headers
  bool created = false;                    ///< by apply()
};
using WriteResult = std::expected<Written, kube::Status>;

/// Definitions of custom resources beyond this are refused, since what they once defined is kept:
/// watches may still read it.
inline constexpr std::size_t kDefinitionsMax = 256;
/// Beyond this many, the oldest events go: a real cluster forgets them after an hour.
inline constexpr std::size_t kEventsMax = 10'000;

/// What is true in the simulated cluster: one store per resource and one revision over all of them,
/// as etcd has it. Every change goes through here and through the rules of a real API server:
/// metadata it owns, optimistic concurrency, status apart from the rest, and who owns which field
/// of a custom resource (managedFields). Any thread: one mutex
/// makes the caller that holds it the stores' one writer; what runs under it (decoding and
/// Store::apply) neither waits nor calls back. A CustomResourceDefinition that is created adds a
/// resource, which goes with it.
class Cluster {
 public:
  Cluster(base::World& world, ClusterOptions options);
  ~Cluster();

  /// What clients may see now, custom resources among it, and the number of that state: higher
  /// after every change of a definition.
  struct Offer {
    std::vector<kubeapi::ServedResource> served;
    std::vector<std::shared_ptr<const Definition>> definitions;
    std::uint64_t generation = 0;
  };
  [[nodiscard]] Offer offer() const;
  /// A reader of one of the resources served; PK_CHECKs that there is one.
  [[nodiscard]] state::Reader reader(const kube::Resource& resource) const;
  [[nodiscard]] kube::Revision revision() const;
  [[nodiscard]] base::WallTime wall_now() const;

  /// The first content of a resource, with the bytes that a recorded list had; the cluster's
  /// revision becomes at least `revision`. Before anything is served.
  void load(const kube::Resource& resource, std::vector<std::unique_ptr<kube::Object>> objects,
            kube::Revision revision);
  /// The first content as JSON without server-owned metadata; before anything is served.
  void populate(const kube::Resource& resource, std::vector<Json> objects);

  /// Installs a CustomResourceDefinition as a client would.
  WriteResult define(Json definition);

  WriteResult create(const kube::Resource& resource, std::string_view namespace_, Json object,
                     const WriteOptions& options);
  /// PUT. With `status`, only the status is taken; without, everything but the status.
  WriteResult update(const kube::Resource& resource, const kube::ObjectKey& key, Json object,
                     bool status, const WriteOptions& options);
  /// 415 for a strategic merge patch of a custom resource, whose lists nobody knows the keys of.
  WriteResult patch(const kube::Resource& resource, const kube::ObjectKey& key, const Json& patch,
                    bool status, const WriteOptions& options);
  /// Server-side apply; 409 for fields of other managers, unless forced. An object that is not
  /// there is created, but not by its status. 415 for what no definition gives a schema.
  WriteResult apply(const kube::Resource& resource, const kube::ObjectKey& key, Json configuration,
                    bool status, const WriteOptions& options);
  /// A pod on a node gets a deletionTimestamp and goes when its kubelet says so (or at once with
  /// grace 0); everything else goes at once, a namespace with all that is in it. The answer of the
  /// second kind is a Status, as upstream's.
  WriteResult remove(const kube::Resource& resource, const kube::ObjectKey& key,
                     const DeleteOptions& options);

  /// For actors: changes an object in place. `change` says whether it changed anything and must not
  /// call the cluster. False when there is no such object, when its uid is another one (`uid` not
  /// empty), or when nothing changed.
  bool edit(const kube::Resource& resource, const kube::ObjectKey& key, std::string_view uid,
            const std::function<bool(Json&)>& change);
  /// For the kubelet: the object is gone. False when it was gone already.
  bool forget(const kube::Resource& resource, const kube::ObjectKey& key, std::string_view uid);

  /// The object as JSON with kind and apiVersion, if it is there.
  [[nodiscard]] std::optional<Json> find(const kube::Resource& resource,
                                         const kube::ObjectKey& key) const;
  /// Keys in `namespace_` (empty: all), in order.
  [[nodiscard]] std::vector<kube::ObjectKey> keys(const kube::Resource& resource,
                                                  std::string_view namespace_) const;

  /// Keeps what is true now, for restore(). Not under load: it reads everything.
  void back_up();
  /// As etcd restored from that backup: content and revision of then, no history, and revisions are
  /// given out a second time. What was defined since stays served, with nothing in it. PK_CHECKs
  /// that there is a backup.
  void restore();

  /// Tells every store that it has seen all up to the cluster's revision, so that a client that
  /// carries a revision from one resource to another is answered. Cheap when nothing changed.
  void tell_progress();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// RFC 3339 in whole seconds, as metadata has it.
std::string format_now(base::WallTime now);

}  // namespace podkeeper::simkube
