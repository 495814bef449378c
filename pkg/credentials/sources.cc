#include "pkg/credentials/sources.h"

#include "pkg/credentials/kubeconfig.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::credentials {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

Error refuse(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    const std::string part(text.substr(0, end));
    if (!part.empty() && std::ranges::find(parts, part) == parts.end()) parts.push_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Result<ClusterAccess> access_of_variable(const Sources& sources, base::Files& files) {
  std::vector<KubeconfigFile> found;
  std::vector<std::string> skipped;
  for (const std::string& path : split_list(sources.kubeconfig_variable)) {
    auto text = files.read(path, kCredentialFileBytesMax);
    if (text) {
      found.push_back({path, *std::move(text)});
    } else if (text.error().code == ErrorCode::kNotFound) {
      skipped.push_back(path);
    } else {
      return refuse("KUBECONFIG: " + text.error().message);
    }
  }
  if (found.empty()) {
    return refuse("KUBECONFIG=" + sources.kubeconfig_variable +
                  ": no such file; set it to a kubeconfig, or unset it");
  }
  auto access = read_kubeconfig(found, sources.context);
  if (access) access->skipped = std::move(skipped);
  return access;
}

}  // namespace

Result<ClusterAccess> in_cluster_access(const Sources& sources, base::Files& files) {
  const std::string folder = kServiceAccountFolder;
  ClusterAccess access;
  access.source = "the pod's service account";
  const bool v6 = sources.service_host.contains(':');
  auto url =
      parse_server_url("https://" + (v6 ? "[" + sources.service_host + "]" : sources.service_host) +
                       ":" + sources.service_port);
  if (!url) {
    return refuse("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT give a wrong " +
                  url.error().message);
  }
  access.server = *std::move(url);
  access.authority.file = folder + "/ca.crt";
  access.token_file = folder + "/token";
  for (const std::string* needed : {&access.authority.file, &access.token_file}) {
    if (auto text = files.read(*needed, kCredentialFileBytesMax); !text) {
      return refuse("in a pod, but " + text.error().message +
                    "; set automountServiceAccountToken: true, or give --kubeconfig");
    }
  }
  if (auto name = files.read(folder + "/namespace", kCredentialFileBytesMax)) {
    const std::size_t end = name->find_last_not_of(" \r\n\t");
    access.namespace_ = name->substr(0, end == std::string::npos ? 0 : end + 1);
  }
  return access;
}

Result<ClusterAccess> find_access(const Sources& sources, base::Files& files) {
  if (!sources.kubeconfig.empty()) {
    auto text = files.read(sources.kubeconfig, kCredentialFileBytesMax);
    if (!text) return refuse("--kubeconfig: " + text.error().message);
    const std::vector<KubeconfigFile> one{{sources.kubeconfig, *std::move(text)}};
    return read_kubeconfig(one, sources.context);
  }
  if (!sources.kubeconfig_variable.empty()) return access_of_variable(sources, files);
  if (!sources.service_host.empty() && !sources.service_port.empty()) {
    if (sources.context.empty()) return in_cluster_access(sources, files);
    return refuse("--context=" + sources.context +
                  " is given, but a pod's service account has no contexts; give --kubeconfig too");
  }
  const std::string path = sources.home.empty() ? "" : sources.home + "/.kube/config";
  auto text = path.empty() ? Result<std::string>(Error{ErrorCode::kNotFound, ""})
                           : files.read(path, kCredentialFileBytesMax);
  if (text) {
    const std::vector<KubeconfigFile> one{{path, *std::move(text)}};
    return read_kubeconfig(one, sources.context);
  }
  if (text.error().code != ErrorCode::kNotFound) return refuse(text.error().message);
  return refuse(
      "no API server is known; give --kubeconfig or --apiserver, set KUBECONFIG, run in a pod, or "
      "use --standalone for an embedded cluster");
}

}  // namespace podkeeper::credentials
