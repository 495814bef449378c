#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/kube/object_client.h"
#include "pkg/kube/resource.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace podkeeper::leader {

/// What a Lease says about who leads. Its times are somebody's clock, told to people: they are kept
/// as they stand, and never compared with anything.
struct LeaseRecord {
  std::string holder = {};  ///< empty: nobody
  std::int64_t duration_seconds = 0;
  std::int64_t transitions = 0;
  std::string acquire_time = {};  ///< MicroTime: exactly six digits behind the point
  std::string renew_time = {};
  friend bool operator==(const LeaseRecord&, const LeaseRecord&) = default;
};

/// leases.coordination.k8s.io, v1.
const kube::Resource& leases();

/// The record of a Lease object; what is missing or null is empty. kDecode for what is no Lease.
base::Result<LeaseRecord> read_lease(std::string_view object);
/// The object with this record; everything else of it stays as it is.
std::string with_record(std::string_view object, const LeaseRecord& record);
/// A Lease that is not there yet.
std::string new_lease(const kube::ObjectKey& key, const LeaseRecord& record);

/// Where candidates find out who leads: one object that is changed only by who knows its last
/// version. The seam between the election and the API server. Used by one task at a time.
class LeaseLock {
 public:
  virtual ~LeaseLock() = default;
  virtual base::Task<base::Result<LeaseRecord>> get() = 0;  ///< kNotFound where there is none
  virtual base::Task<base::Result<void>> create(LeaseRecord record) = 0;
  /// On the version that get(), create() or update() met last, else kConflict.
  virtual base::Task<base::Result<void>> update(LeaseRecord record) = 0;
};

/// The Lease of this name at the API server. The client outlives it; its timeout is how long a
/// request may take.
class ApiLeaseLock final : public LeaseLock {
 public:
  ApiLeaseLock(kube::ObjectClient& client, kube::ObjectKey key)
      : client_(client), key_(std::move(key)) {}
  base::Task<base::Result<LeaseRecord>> get() override;
  base::Task<base::Result<void>> create(LeaseRecord record) override;
  base::Task<base::Result<void>> update(LeaseRecord record) override;

 private:
  kube::ObjectClient& client_;
  const kube::ObjectKey key_;
  std::string object_;  ///< as it was met last; its resourceVersion is the precondition
};

}  // namespace podkeeper::leader
