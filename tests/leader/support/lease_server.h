#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/leader/leadership.h"
#include "pkg/leader/lease.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::leader::testing {

/// What an API server does for an election: a Lease, and an object that leaders alone write, each
/// changed only on its last version. Every write of a leader carries its name and its term, and is
/// judged by the lease as it stands when the write arrives. One thread.
class LeaseServer {
 public:
  struct Lease {
    LeaseRecord value;
    std::uint64_t version;
  };
  struct HolderChange {
    base::MonotonicTime at;
    base::MonotonicTime last_renewal;  ///< of the lease before
    std::string from, to;
  };

  explicit LeaseServer(base::Clock& clock) : clock_(clock) {}

  base::Result<Lease> get_lease() const;
  base::Result<Lease> create_lease(LeaseRecord record);
  base::Result<Lease> update_lease(LeaseRecord record, std::uint64_t version);
  void delete_lease() { lease_.reset(); }

  /// A leader's write; gives the object's new version.
  base::Result<std::uint64_t> write(const std::string& writer, std::uint64_t term,
                                    std::uint64_t version);
  [[nodiscard]] std::uint64_t object_version() const { return object_version_; }

  [[nodiscard]] std::string holder() const { return lease_ ? lease_->value.holder : ""; }
  [[nodiscard]] std::optional<Lease> lease() const { return lease_; }
  /// Writes that arrived from who did not hold the lease then: accepted, and refused by version.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] std::uint64_t late_writes_refused() const { return late_refused_; }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }
  [[nodiscard]] const std::vector<HolderChange>& changes() const { return changes_; }

 private:
  base::Result<Lease> put(LeaseRecord record);

  base::Clock& clock_;
  std::optional<Lease> lease_;
  base::MonotonicTime renewed_{};
  std::uint64_t revision_ = 0;
  std::uint64_t object_version_ = 0;
  std::uint64_t writes_ = 0, late_refused_ = 0;
  std::vector<std::string> violations_;
  std::vector<HolderChange> changes_;
};

}  // namespace podkeeper::leader::testing
