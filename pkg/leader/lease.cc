#include "pkg/leader/lease.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace podkeeper::leader {
namespace {

using Json = nlohmann::ordered_json;
using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;

std::string text_of(const Json& spec, const char* key) {
  const auto at = spec.find(key);
  return at == spec.end() || !at->is_string() ? std::string() : at->get<std::string>();
}

/// An int32 of the API; what is none counts as 0.
std::int64_t number_of(const Json& spec, const char* key) {
  const auto at = spec.find(key);
  if (at == spec.end() || !at->is_number_integer()) return 0;
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  return std::clamp<std::int64_t>(at->get<std::int64_t>(), 0, kMax);
}

void put(Json& spec, const LeaseRecord& record) {
  spec["holderIdentity"] = record.holder;
  spec["leaseDurationSeconds"] = record.duration_seconds;
  spec["acquireTime"] = record.acquire_time;
  spec["renewTime"] = record.renew_time;
  spec["leaseTransitions"] = record.transitions;
}

std::string text(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

const kube::Resource& leases() {
  static const kube::Resource resource = {.group = "coordination.k8s.io",
                                          .version = "v1",
                                          .plural = "leases",
                                          .singular = "lease",
                                          .kind = "Lease",
                                          .short_names = {},
                                          .namespaced = true};
  return resource;
}

Result<LeaseRecord> read_lease(std::string_view object) {
  const Json json = Json::parse(object, nullptr, false);
  if (!json.is_object() || !json.contains("metadata")) {
    return Error{ErrorCode::kDecode, "the answer is not a Lease"};
  }
  const auto spec = json.find("spec");
  if (spec == json.end() || !spec->is_object()) return LeaseRecord{};
  return LeaseRecord{.holder = text_of(*spec, "holderIdentity"),
                     .duration_seconds = number_of(*spec, "leaseDurationSeconds"),
                     .transitions = number_of(*spec, "leaseTransitions"),
                     .acquire_time = text_of(*spec, "acquireTime"),
                     .renew_time = text_of(*spec, "renewTime")};
}

std::string with_record(std::string_view object, const LeaseRecord& record) {
  Json json = Json::parse(object, nullptr, false);
  if (!json.is_object()) json = Json::object();
  Json& spec = json["spec"];
  if (!spec.is_object()) spec = Json::object();
  put(spec, record);
  return text(json);
}

std::string new_lease(const kube::ObjectKey& key, const LeaseRecord& record) {
  Json json = {{"apiVersion", leases().api_version()},
               {"kind", leases().kind},
               {"metadata", {{"name", key.name}, {"namespace", key.namespace_}}},
               {"spec", Json::object()}};
  put(json["spec"], record);
  return text(json);
}

Task<Result<LeaseRecord>> ApiLeaseLock::get() {
  auto getting = client_.get(leases(), key_);
  auto got = co_await std::move(getting);
  if (!got) co_return std::move(got).error();
  auto record = read_lease(*got);
  if (record) object_ = *std::move(got);
  co_return record;
}

Task<Result<void>> ApiLeaseLock::create(LeaseRecord record) {
  auto creating = client_.create(leases(), key_.namespace_, new_lease(key_, record));
  auto created = co_await std::move(creating);
  if (!created) co_return std::move(created).error();
  object_ = *std::move(created);
  co_return Result<void>();
}

Task<Result<void>> ApiLeaseLock::update(LeaseRecord record) {
  if (object_.empty()) {
    co_return Error{ErrorCode::kConflict, "the lease has not been read yet: get it first"};
  }
  auto updating = client_.update(leases(), key_, "", with_record(object_, record));
  auto updated = co_await std::move(updating);
  if (!updated) co_return std::move(updated).error();
  object_ = *std::move(updated);
  co_return Result<void>();
}

}  // namespace podkeeper::leader
