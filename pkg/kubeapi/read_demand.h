#pragma once

#include "pkg/base/result.h"
#include "pkg/http/message.h"
#include "pkg/state/currency.h"

#include <array>
#include <string_view>

namespace podkeeper::kubeapi {

/// The parameters of a read that say how current its answer has to be. Kubernetes has none of them.
inline constexpr std::string_view kConsistencyParameter = "consistency";
inline constexpr std::string_view kMaxAgeParameter = "maxAgeMs";
inline constexpr std::string_view kMinRevisionParameter = "minRevision";
inline constexpr std::array kDemandParameters = {kConsistencyParameter, kMaxAgeParameter,
                                                 kMinRevisionParameter};

/// A week: beyond, an age says nothing.
inline constexpr std::int64_t kMaxAgeMillisecondsMax = 7LL * 24 * 3600 * 1000;

/// Reads them; where there is none of them, it is `unasked`. kInvalidArgument names the parameter,
/// its value and what it may be; a parameter that comes twice is refused.
base::Result<state::ReadDemand> parse_read_demand(const http::Target& target,
                                                  const state::ReadDemand& unasked = {});

/// Says in an answer's headers of which revision it is, since when nothing is known of a newer one,
/// and what was promised.
void tell_freshness(http::Response& response, const state::Freshness& freshness,
                    state::Consistency consistency);

}  // namespace podkeeper::kubeapi
