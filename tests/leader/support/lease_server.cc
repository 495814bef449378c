#include "tests/leader/support/lease_server.h"

#include <utility>

namespace podkeeper::leader::testing {

using base::Error;
using base::ErrorCode;
using base::Result;

Result<LeaseServer::Lease> LeaseServer::get_lease() const {
  if (!lease_) return Error{ErrorCode::kNotFound, "there is no lease"};
  return *lease_;
}

Result<LeaseServer::Lease> LeaseServer::create_lease(LeaseRecord record) {
  if (lease_) return Error{ErrorCode::kAlreadyExists, "there is a lease"};
  return put(std::move(record));
}

Result<LeaseServer::Lease> LeaseServer::update_lease(LeaseRecord record, std::uint64_t version) {
  if (!lease_) return Error{ErrorCode::kNotFound, "there is no lease"};
  if (lease_->version != version) return Error{ErrorCode::kConflict, "the lease has changed"};
  return put(std::move(record));
}

Result<LeaseServer::Lease> LeaseServer::put(LeaseRecord record) {
  const std::string before = holder();
  lease_ = Lease{.value = std::move(record), .version = ++revision_};
  const base::MonotonicTime renewed = std::exchange(renewed_, clock_.now());
  if (holder() != before) {
    changes_.push_back({.at = renewed_, .last_renewal = renewed, .from = before, .to = holder()});
  }
  return *lease_;
}

Result<std::uint64_t> LeaseServer::write(const std::string& writer, std::uint64_t term,
                                         std::uint64_t version) {
  const bool rightful = lease_ && lease_->value.holder == writer &&
                        static_cast<std::uint64_t>(lease_->value.transitions) == term;
  if (version != object_version_) {
    if (!rightful) ++late_refused_;
    return Error{ErrorCode::kConflict, "the object has changed"};
  }
  if (!rightful) {
    violations_.push_back(writer + " wrote in term " + std::to_string(term) + " while \"" +
                          holder() + "\" held the lease in term " +
                          (lease_ ? std::to_string(lease_->value.transitions) : "-"));
  }
  ++writes_;
  return ++object_version_;
}

}  // namespace podkeeper::leader::testing
