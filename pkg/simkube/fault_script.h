#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace podkeeper::simkube {

/// Which requests a fault befalls: those that everything here fits.
struct FaultWhen {
  std::string verb;        ///< list, watch, get, create, update, patch, delete; empty: any
  std::string resource;    ///< "pods", "deployments.apps"; empty: any
  std::uint64_t nth = 0;   ///< the nth alone of those that the rest fits, from 1; 0: each
  base::Duration after{};  ///< not before this long after the start
  base::Duration lasts{};  ///< `for`: no longer than this from then on; 0: for ever
};

/// Said in the place of the server's answer, which is not asked.
struct FaultAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};
/// The request reaches the server this much later.
struct FaultDelay {
  base::Duration by{};
};
/// The connection ends after so many bytes of the answer, head included.
struct FaultCut {
  std::uint64_t after_bytes = 0;
};
/// After so many bytes of the answer nothing more arrives, and nobody is told.
struct FaultHalfOpen {
  std::uint64_t after_bytes = 0;
};
/// The nth event of a watch does not arrive, or arrives twice.
struct FaultDrop {
  std::uint64_t event = 1;
};
struct FaultRepeat {
  std::uint64_t event = 1;
};
/// A chunk of bytes in a watch after its nth event (0: before the first), as they are.
struct FaultInsert {
  std::uint64_t after_event = 0;
  std::string bytes;
};
/// A watch's first chunk comes with an extension of so many bytes.
struct FaultChunkExtension {
  std::uint64_t bytes = 0;
};
/// A watch ends at once with a trailer field of so many bytes.
struct FaultTrailer {
  std::uint64_t bytes = 0;
};
/// The cluster is as it was when it began to serve, revisions too, and every connection ends: as
/// after a restore from a backup.
struct FaultRestore {};

using FaultDo =
    std::variant<FaultAnswer, FaultDelay, FaultCut, FaultHalfOpen, FaultDrop, FaultRepeat,
                 FaultInsert, FaultChunkExtension, FaultTrailer, FaultRestore>;
/// Its name in a script, and the value of podkeeper_simkube_faults_total's label: "halfOpen".
const char* name_of(const FaultDo& what) noexcept;

struct FaultRule {
  FaultWhen when;
  FaultDo what;
};

/// Reads a fault script, a JSON list of {"when": {...}, "do": {...}}, where "do" has one member:
///
///     [{"when": {"verb": "list", "resource": "pods", "nth": 2},
///       "do": {"answer": {"status": 429, "headers": {"Retry-After": "5"}}}},
///      {"when": {"verb": "watch", "after": "10s", "for": "1m"}, "do": {"cut": 300}}]
///
/// answer {status, headers, body: a Status by default}, delay "500ms", cut N, halfOpen N, drop N,
/// repeat N, insert {after: N, one of line: "...", error: CODE, bytes: N without a line's end},
/// chunkExtension N, trailer N, restore true. kInvalidArgument names the rule, the field and the
/// value. Pure; memory is bounded by the text's size and kInsertBytesMax for each rule.
base::Result<std::vector<FaultRule>> parse_fault_script(std::string_view text);

inline constexpr std::size_t kFaultScriptBytesMax = 1 << 20;
inline constexpr std::size_t kFaultRulesMax = 256;
inline constexpr std::uint64_t kFaultBytesMax = std::uint64_t{1}
                                                << 40;  ///< of a place in an answer
inline constexpr std::uint64_t kInsertBytesMax = 32
                                                 << 20;  ///< of what is made up, all rules together

}  // namespace podkeeper::simkube
