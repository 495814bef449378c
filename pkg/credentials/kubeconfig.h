#pragma once

#include "pkg/base/result.h"
#include "pkg/credentials/cluster_access.h"

#include <span>
#include <string>
#include <string_view>

namespace podkeeper::credentials {

struct KubeconfigFile {
  std::string path;
  std::string text;
};

/// The access that a context of a kubeconfig describes: of `context`, or of current-context where
/// it is empty. Several files are merged as client-go merges them: the first that sets a value, or
/// has an entry of a name, wins, and nothing of a later entry of that name is used. Paths are
/// relative to the file they stand in.
///
/// kInvalidArgument names the file, the line, the entry and what to do, for what is malformed,
/// contradicts itself, or is not supported where the context uses it: auth-provider, username and
/// password, impersonation, proxy-url, exec plugins that need a terminal. Other keys that are not
/// known are passed over, as client-go does.
base::Result<ClusterAccess> read_kubeconfig(std::span<const KubeconfigFile> files,
                                            std::string_view context);

}  // namespace podkeeper::credentials
