#pragma once

#include "pkg/base/clock.h"
#include "pkg/runtime/wakeup.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace podkeeper::world {

using Json = nlohmann::json;
using Revision = std::uint64_t;

/// What an object became by one change. Immutable.
struct Version {
  enum class Kind : std::uint8_t { kAdded, kModified, kDeleted };
  Kind kind = Kind::kAdded;
  Revision revision = 0;
  std::string key;        ///< "namespace/name", or "name"
  Json object;            ///< with its resourceVersion; of a deletion, as it was last
  std::string text = {};  ///< the object as JSON, without kind and apiVersion
  mutable std::string metadata_text = {};  ///< once it was asked for
  base::MonotonicTime at = {};
};
using VersionRef = std::shared_ptr<const Version>;
/// The objects of one resource by key.
using Objects = std::map<std::string, VersionRef>;

/// One resource as a server stores it. Everything that ever was is kept, so that every answer can
/// be judged; what a server would have forgotten is said by Model::compacted().
struct Table {
  std::string api_version, kind;
  std::vector<VersionRef> history = {};                        ///< by revision
  std::map<std::string, std::vector<VersionRef>> by_key = {};  ///< each by revision
  std::vector<VersionRef> lost = {};  ///< what a restore from a backup took back
};

/// The truth: objects of a few resources with one revision counter, as etcd has them (MVCC).
/// Written for tests of podkeeper and independent of its code. One thread.
class Model {
 public:
  static constexpr const char* kPods = "pods";
  static constexpr const char* kNodes = "nodes";
  static constexpr const char* kPolicies = "concurrentmappolicies";

  explicit Model(base::Clock& clock);

  [[nodiscard]] Revision revision() const noexcept { return revision_; }
  /// What is older than this is not to be had any more.
  [[nodiscard]] Revision compacted() const noexcept { return compacted_; }
  void compact(Revision revision) { compacted_ = std::max(compacted_, revision); }
  /// The newest revision as it was at a time.
  [[nodiscard]] Revision revision_at(base::MonotonicTime when) const;

  /// When the revision, which is given out, was.
  [[nodiscard]] base::MonotonicTime time_of(Revision revision) const {
    return revision == 0 ? base::MonotonicTime{} : times_.at(revision - 1);
  }

  /// Creates or changes an object; its metadata.resourceVersion, and where it is new uid and
  /// creationTimestamp, are set.
  VersionRef put(const std::string& resource, const std::string& key, Json object);
  /// Deletes it; null where there is none.
  VersionRef erase(const std::string& resource, const std::string& key);
  /// A revision for what is kept elsewhere (leases, events).
  Revision tick();
  /// The server is restored from a backup of a revision: what came later has never been, and its
  /// revisions are given out again.
  void restore(Revision revision);
  [[nodiscard]] bool restored() const noexcept { return restored_; }

  [[nodiscard]] const Table& table(const std::string& resource) const;
  [[nodiscard]] bool knows(const std::string& resource) const { return tables_.contains(resource); }
  /// The version that held at a revision; null where the object did not exist.
  [[nodiscard]] VersionRef find(const std::string& resource, const std::string& key,
                                Revision at) const;
  [[nodiscard]] VersionRef find(const std::string& resource, const std::string& key) const {
    return find(resource, key, revision_);
  }
  /// Everything as of a revision.
  [[nodiscard]] Objects at(const std::string& resource, Revision at) const;
  [[nodiscard]] Objects now(const std::string& resource) const { return at(resource, revision_); }
  /// The changes of a resource after one revision and up to another.
  [[nodiscard]] std::span<const VersionRef> changes(const std::string& resource, Revision after,
                                                    Revision up_to) const;
  /// The first change of the object after a revision, if there is one up to another.
  [[nodiscard]] bool changed(const std::string& resource, const std::string& key, Revision after,
                             Revision up_to) const;

  /// Who waits for changes.
  runtime::WakeupList wakeups;

 private:
  VersionRef add(Table& table, Version version);

  base::Clock& clock_;
  std::map<std::string, Table> tables_;
  std::vector<base::MonotonicTime> times_;  ///< of each revision, from 1 on
  Revision revision_ = 0, compacted_ = 0;
  std::uint64_t uids_ = 0;
  bool restored_ = false;
};

/// As Kubernetes writes times, in whole seconds.
std::string time_text(base::WallTime time);

}  // namespace podkeeper::world
