#pragma once

#include "pkg/base/net.h"
#include "pkg/base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::credentials {

/// Bytes that were given in place, or the file they are in, which is read again from time to time.
struct Material {
  std::string data = {};
  std::string file = {};
  [[nodiscard]] bool empty() const noexcept { return data.empty() && file.empty(); }
};

/// Where an API server is.
struct ServerUrl {
  bool tls = true;
  base::Endpoint endpoint = {};
  std::string path = {};  ///< before every target: "/k8s/clusters/c-1", without a slash at its end
};
/// Reads "https://HOST[:PORT][/PATH]", or http. kInvalidArgument says what is wrong with it.
base::Result<ServerUrl> parse_server_url(std::string_view text);
std::string to_string(const ServerUrl& url);

/// A program that gives credentials when it is run (client.authentication.k8s.io).
struct ExecPlugin {
  std::string api_version = {};  ///< "client.authentication.k8s.io/v1", or v1beta1
  std::string command = {};      ///< a path, or a name to be found by PATH
  std::vector<std::string> arguments = {};
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::string install_hint = {};
  bool provide_cluster_info = false;
  std::string cluster_config = {};  ///< JSON, for KUBERNETES_EXEC_INFO; empty: none
};

/// Everything needed to speak to one API server, as it was configured: what is in files is not read
/// yet. Holds secrets: it is never logged. A plain value.
struct ClusterAccess {
  std::string source = {};  ///< for people: "kubeconfig /home/me/.kube/config, context \"prod\""
  std::vector<std::string> skipped = {};  ///< files of KUBECONFIG that do not exist
  ServerUrl server = {};
  Material authority = {};  ///< CA certificates, PEM; empty: the system's
  std::string tls_server_name = {};
  bool insecure_skip_tls_verify = false;
  bool disable_compression = false;  ///< answers are not asked for in gzip
  Material certificate = {};         ///< the client's, PEM; empty: none
  Material key = {};
  std::string token = {};
  std::string token_file = {};  ///< goes before `token` once it was read
  std::optional<ExecPlugin> exec = {};
  std::string namespace_ = {};
};

/// Whether a token can stand in a header: visible ASCII only, so no NUL, CR or LF.
bool token_like(std::string_view token) noexcept;

inline constexpr std::size_t kCredentialFileBytesMax = 1 << 20;

}  // namespace podkeeper::credentials
