#include "pkg/simkube/lease_rules.h"

#include "pkg/kube/object.h"
#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/faults.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace podkeeper::simkube {
namespace {

constexpr std::size_t kSecondsEnd = 19;  ///< "2026-11-20T09:46:00"
constexpr std::size_t kFraction = 7;     ///< ".000000"

/// As Go's layout has it; what follows the digits is an offset, which parse_time checks.
bool is_micro_time(std::string_view text) {
  if (!kube::parse_time(text) || text.size() <= kSecondsEnd + kFraction) return false;
  const auto fraction = text.substr(kSecondsEnd, kFraction);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return fraction.front() == '.' && std::ranges::all_of(fraction.substr(1), is_digit) &&
         !is_digit(text[kSecondsEnd + kFraction]);
}

kube::Status undecodable(const std::string& text) {
  const std::string rest = text.size() > kSecondsEnd ? text.substr(kSecondsEnd) : text;
  return kubeapi::bad_request(
      "Lease in version \"v1\" cannot be handled as a Lease: parsing time \"" + text +
      "\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"" + rest + "\" as \".000000\"");
}

}  // namespace

std::expected<void, kube::Status> check_lease(const nlohmann::ordered_json& object) {
  const auto spec = object.find("spec");
  if (spec == object.end() || !spec->is_object()) return {};
  for (const char* key : {"acquireTime", "renewTime"}) {
    const auto time = spec->find(key);
    if (time == spec->end() || !time->is_string()) continue;
    const auto text = time->get<std::string>();
    if (!is_micro_time(text)) return std::unexpected(undecodable(text));
  }
  const auto duration = spec->find("leaseDurationSeconds");
  if (duration == spec->end() || !duration->is_number_integer() || *duration > 0) return {};
  const auto fault =
      invalid_value("spec.leaseDurationSeconds", *duration, "must be greater than 0");
  kube::Resource resource;
  resource.group = "coordination.k8s.io";
  resource.kind = "Lease";
  return std::unexpected(invalid(resource, object.at("metadata").value("name", ""), {fault}));
}

}  // namespace podkeeper::simkube
