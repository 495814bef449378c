#pragma once

#include "pkg/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace podkeeper::kubeapi {

/// Where the next page of a LIST starts: kube-apiserver's own token, so that a client may go on at
/// either server.
struct ContinueToken {
  std::int64_t revision = 0;  ///< of the first page; -1: go on with whatever is there now
  std::string start_after;    ///< key of the last item sent, relative to the listed namespace,
                              ///< without a leading '/'
};

/// base64url of {"v":"meta.k8s.io/v1","rv":N,"start":"/KEY\u0000"}.
std::string encode_continue(const ContinueToken& token);
/// kInvalidArgument in upstream's words.
base::Result<ContinueToken> decode_continue(std::string_view text);
inline constexpr std::size_t kContinueBytesMax = 2048;

}  // namespace podkeeper::kubeapi
