#include "pkg/kubeapi/read_demand.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace podkeeper::kubeapi {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using state::Consistency;

Error wrong(std::string_view parameter, std::string_view value, std::string_view expected) {
  constexpr std::size_t kShownMax = 80;
  return {ErrorCode::kInvalidArgument, "parameter " + std::string(parameter) + "=\"" +
                                           std::string(value.substr(0, kShownMax)) +
                                           "\" is not valid; expected " + std::string(expected)};
}

Result<Consistency> parse_consistency(std::string_view text) {
  for (const auto one :
       {Consistency::kEventual, Consistency::kSnapshot, Consistency::kLinearizable}) {
    if (text == state::to_string(one)) return one;
  }
  return wrong(kConsistencyParameter, text, "eventual, snapshot or linearizable");
}

Result<base::Duration> parse_age(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0 ||
      number > kMaxAgeMillisecondsMax) {
    return wrong(
        kMaxAgeParameter, text,
        "a whole number of milliseconds from 0 to " + std::to_string(kMaxAgeMillisecondsMax));
  }
  return base::Duration(std::chrono::milliseconds(number));
}

}  // namespace

Result<state::ReadDemand> parse_read_demand(const http::Target& target,
                                            const state::ReadDemand& unasked) {
  const bool asks = std::ranges::any_of(target.query, [](const auto& parameter) {
    return std::ranges::find(kDemandParameters, parameter.first) != kDemandParameters.end();
  });
  if (!asks) return unasked;
  state::ReadDemand demand;
  if (const auto consistency = target.query_value(kConsistencyParameter)) {
    const auto parsed = parse_consistency(*consistency);
    if (!parsed) return parsed.error();
    demand.consistency = *parsed;
  }
  if (const auto age = target.query_value(kMaxAgeParameter)) {
    const auto parsed = parse_age(*age);
    if (!parsed) return parsed.error();
    demand.age_max = *parsed;
  }
  if (const auto revision = target.query_value(kMinRevisionParameter)) {
    const auto parsed = kube::parse_revision(*revision);
    if (!parsed) {
      return wrong(kMinRevisionParameter, *revision, "a resourceVersion, which is a whole number");
    }
    demand.revision_min = *parsed;
  }
  return demand;
}

void tell_freshness(http::Response& response, const state::Freshness& freshness,
                    Consistency consistency) {
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(freshness.age);
  response.headers.add("Podkeeper-Revision", to_string(freshness.revision));
  response.headers.add("Podkeeper-Age-Ms", std::to_string(age.count()));
  response.headers.add("Podkeeper-Consistency", std::string(state::to_string(consistency)));
}

}  // namespace podkeeper::kubeapi
