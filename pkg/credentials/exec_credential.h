#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/processes.h"
#include "pkg/base/result.h"
#include "pkg/credentials/cluster_access.h"

#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::credentials {

/// What an exec plugin gave. Holds secrets.
struct ExecCredential {
  std::string token = {};
  std::string certificate = {};  ///< PEM; both or none
  std::string key = {};
  std::optional<base::WallTime> expires = {};
};

/// The plugin as a program to run, with KUBERNETES_EXEC_INFO. `authority` is the cluster's CA as
/// PEM, for plugins that are told of the cluster.
base::Program exec_program(const ExecPlugin& plugin, const ClusterAccess& access,
                           std::string_view authority);

/// Reads how a plugin ended. Every Error names the command and says what to do, and holds nothing
/// of its output, which may be a secret; of its stderr the first line.
base::Result<ExecCredential> read_exec_end(const ExecPlugin& plugin,
                                           const base::Result<base::ProgramEnd>& end);

/// An ExecCredential is small; what is larger is something else.
inline constexpr std::size_t kExecOutputBytesMax = 1 << 20;
inline constexpr std::size_t kExecComplaintShownMax = 300;

}  // namespace podkeeper::credentials
