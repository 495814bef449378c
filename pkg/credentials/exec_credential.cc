#include "pkg/credentials/exec_credential.h"

#include "pkg/credentials/base64.h"
#include "pkg/kube/object.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace podkeeper::credentials {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using Json = nlohmann::ordered_json;

Error refuse(const ExecPlugin& plugin, const std::string& why) {
  return {ErrorCode::kUnauthorized, "exec plugin " + plugin.command + ": " + why};
}

/// The first line of what it complained, without what would break a line of the log.
std::string first_line(std::string_view text) {
  std::string line(text.substr(0, std::min(text.find('\n'), kExecComplaintShownMax)));
  std::ranges::replace_if(line, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; }, ' ');
  return line;
}

/// A text of an object; empty where there is none. Anything else fails.
bool read_text(const Json& object, const char* key, std::string& into) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return true;
  if (!found->is_string()) return false;
  into = found->get<std::string>();
  return true;
}

Result<ExecCredential> read_status(const ExecPlugin& plugin, const Json& status) {
  ExecCredential credential;
  std::string expires;
  if (!read_text(status, "token", credential.token) ||
      !read_text(status, "clientCertificateData", credential.certificate) ||
      !read_text(status, "clientKeyData", credential.key) ||
      !read_text(status, "expirationTimestamp", expires)) {
    return refuse(plugin, "a field of its ExecCredential's status is not a text");
  }
  if (credential.certificate.empty() != credential.key.empty()) {
    return refuse(plugin, "it gave a client certificate without its key, or a key alone");
  }
  if (credential.token.empty() && credential.certificate.empty()) {
    return refuse(plugin, "it gave neither a token nor a client certificate");
  }
  if (!credential.token.empty() && !token_like(credential.token)) {
    return refuse(plugin, "its token has characters that no token has");
  }
  if (expires.empty()) return credential;
  const auto when = kube::parse_time(expires);
  if (!when) return refuse(plugin, "its expirationTimestamp is no time");
  credential.expires = base::WallTime(std::chrono::seconds(*when));
  return credential;
}

Result<ExecCredential> read_output(const ExecPlugin& plugin, const std::string& output) {
  const Json json = Json::parse(output, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return refuse(plugin,
                  "its output is not JSON; it must print an ExecCredential and nothing else");
  }
  std::string kind;
  std::string version;
  if (!read_text(json, "kind", kind) || !read_text(json, "apiVersion", version) ||
      kind != "ExecCredential") {
    return refuse(plugin, "its output is not an ExecCredential");
  }
  if (version != plugin.api_version) {
    return refuse(plugin, "its ExecCredential is not of " + plugin.api_version +
                              "; set apiVersion to what the plugin gives");
  }
  const auto status = json.find("status");
  if (status == json.end() || !status->is_object()) {
    return refuse(plugin, "its ExecCredential has no status");
  }
  return read_status(plugin, *status);
}

}  // namespace

base::Program exec_program(const ExecPlugin& plugin, const ClusterAccess& access,
                           std::string_view authority) {
  Json info = {{"kind", "ExecCredential"},
               {"apiVersion", plugin.api_version},
               {"spec", {{"interactive", false}}}};
  if (plugin.provide_cluster_info) {
    Json cluster = {{"server", to_string(access.server)}};
    if (!access.tls_server_name.empty()) cluster["tls-server-name"] = access.tls_server_name;
    if (access.disable_compression) cluster["disable-compression"] = true;
    if (access.insecure_skip_tls_verify) cluster["insecure-skip-tls-verify"] = true;
    if (!authority.empty()) cluster["certificate-authority-data"] = base64_encoded(authority);
    cluster["config"] = plugin.cluster_config.empty() ? Json() : Json::parse(plugin.cluster_config);
    info["spec"]["cluster"] = std::move(cluster);
  }
  base::Program program{.command = plugin.command,
                        .arguments = plugin.arguments,
                        .environment = plugin.environment,
                        .output_bytes_max = kExecOutputBytesMax};
  program.environment.emplace_back("KUBERNETES_EXEC_INFO",
                                   info.dump(-1, ' ', false, Json::error_handler_t::replace));
  return program;
}

Result<ExecCredential> read_exec_end(const ExecPlugin& plugin,
                                     const Result<base::ProgramEnd>& end) {
  if (!end) {
    std::string why = end.error().message;
    if (end.error().code == ErrorCode::kNotFound && !plugin.install_hint.empty()) {
      why += " (" + first_line(plugin.install_hint) + ")";
    }
    return Error{end.error().code, "exec plugin: " + why};
  }
  if (end->status != 0) {
    const std::string complaint = first_line(end->complaint);
    return refuse(plugin, "it ended with exit code " + std::to_string(end->status) +
                              (complaint.empty() ? "" : ": " + complaint));
  }
  return read_output(plugin, end->output);
}

}  // namespace podkeeper::credentials
