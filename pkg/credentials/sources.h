#pragma once

#include "pkg/base/files.h"
#include "pkg/base/result.h"
#include "pkg/credentials/cluster_access.h"

#include <string>

namespace podkeeper::credentials {

/// Where access may come from: flags and the environment.
struct Sources {
  std::string kubeconfig = {};           ///< --kubeconfig: one file
  std::string context = {};              ///< --context
  std::string kubeconfig_variable = {};  ///< KUBECONFIG: files with ':' between them
  std::string home = {};                 ///< HOME
  std::string service_host = {};         ///< KUBERNETES_SERVICE_HOST
  std::string service_port = {};         ///< KUBERNETES_SERVICE_PORT
};

/// The access to use, in the order of client-go and controller-runtime: the file of the flag, else
/// the files of KUBECONFIG, else the service account of the pod we run in, else ~/.kube/config.
/// What is there but wrong is an error, never passed over. Reads files.
base::Result<ClusterAccess> find_access(const Sources& sources, base::Files& files);

/// The access of a pod's service account: kubelet mounts its token, the cluster's CA and the
/// namespace, and puts new ones there by swapping a symbolic link.
base::Result<ClusterAccess> in_cluster_access(const Sources& sources, base::Files& files);

inline constexpr const char* kServiceAccountFolder =
    "/var/run/secrets/kubernetes.io/serviceaccount";

}  // namespace podkeeper::credentials
