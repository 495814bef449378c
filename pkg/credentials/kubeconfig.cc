#include "pkg/credentials/kubeconfig.h"

#include "pkg/credentials/kubeconfig_entry.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace podkeeper::credentials {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

constexpr std::string_view kExecGroup = "client.authentication.k8s.io/";
constexpr const char* kExecExtension = "client.authentication.k8s.io/exec";

/// What is refused where a context uses it, and the way out.
struct Unsupported {
  const char* key;
  const char* instead;
};
constexpr Unsupported kOfClusters[] = {
    {"proxy-url", "connect without a proxy, or run podkeeperd where the server can be reached"},
};
constexpr Unsupported kOfUsers[] = {
    {"auth-provider", "use an exec plugin (exec), a token or a client certificate"},
    {"username", "use a token, a client certificate or an exec plugin"},
    {"password", "use a token, a client certificate or an exec plugin"},
    {"as", "grant the rights to the user itself"},
    {"as-uid", "grant the rights to the user itself"},
    {"as-groups", "grant the rights to the user itself"},
    {"as-user-extra", "grant the rights to the user itself"},
};

void refuse_unsupported(const Entry& entry, std::span<const Unsupported> keys) {
  for (const Unsupported& unsupported : keys) {
    if (entry.has(unsupported.key)) {
      entry.fail(unsupported.key, std::string("is not supported; ") + unsupported.instead);
    }
  }
}

using Entries = std::map<std::string, Entry, std::less<>>;

/// Several files as one.
struct Merged {
  std::string current_context;
  Entries clusters;
  Entries users;
  Entries contexts;
};

/// Takes the entries of one list whose names are not taken yet.
void merge_list(const Entry& root, const char* list, const char* content, std::string_view kind,
                FirstFault& fault, Entries& into) {
  std::vector<std::string> names;  // of this file
  for (const Entry& item : root.children(list)) {
    const std::string name = item.text("name");
    if (fault.error()) return;
    if (name.empty()) return item.fail("", "has no name");
    if (std::ranges::find(names, name) != names.end()) {
      return item.fail("name", "\"" + name + "\" is given twice in this list; remove one");
    }
    names.push_back(name);
    into.try_emplace(name, item.child(content).named(std::string(kind) + " \"" + name + "\""));
  }
}

void merge_file(const KubeconfigFile& file, FirstFault& fault, Merged& into) {
  YAML::Node node;
  try {
    node = YAML::Load(file.text);
  } catch (const YAML::Exception& e) {
    const std::string line = e.mark.is_null() ? "" : ":" + std::to_string(e.mark.line + 1);
    return fault.set({ErrorCode::kInvalidArgument,
                      "kubeconfig " + file.path + line + ": is not valid YAML: " + e.msg});
  }
  const Entry root(node, file.path, "", fault);
  const std::string kind = root.text("kind");
  if (!kind.empty() && kind != "Config") root.fail("kind", "is \"" + kind + "\", not Config");
  const std::string version = root.text("apiVersion");
  if (!version.empty() && version != "v1") {
    root.fail("apiVersion", "is \"" + version + "\", not v1");
  }
  if (into.current_context.empty()) into.current_context = root.text("current-context");
  merge_list(root, "clusters", "cluster", "cluster", fault, into.clusters);
  merge_list(root, "users", "user", "user", fault, into.users);
  merge_list(root, "contexts", "context", "context", fault, into.contexts);
}

std::string names_of(const Entries& entries) {
  std::string names;
  for (const auto& [name, entry] : entries) {
    names.append(names.empty() ? "" : ", ").append("\"").append(name).append("\"");
  }
  return names.empty() ? "none" : names;
}

void read_cluster(const Entry& entry, ClusterAccess& access) {
  refuse_unsupported(entry, kOfClusters);
  access.authority = entry.material("certificate-authority");
  access.tls_server_name = entry.text("tls-server-name");
  access.insecure_skip_tls_verify = entry.flag("insecure-skip-tls-verify");
  access.disable_compression = entry.flag("disable-compression");
  if (access.insecure_skip_tls_verify && !access.authority.empty()) {
    entry.fail("insecure-skip-tls-verify",
               "contradicts the certificate-authority that is given; remove one of them");
  }
  const std::string server = entry.text("server");
  if (server.empty()) return entry.fail("server", "is missing; give the API server's URL");
  auto url = parse_server_url(server);
  if (!url) return entry.fail("", "has a wrong " + url.error().message);
  access.server = *std::move(url);
}

std::vector<std::pair<std::string, std::string>> read_environment(const Entry& exec) {
  std::vector<std::pair<std::string, std::string>> all;
  for (const Entry& item : exec.children("env")) {
    const std::string name = item.text("name");
    if (name.empty() || name.contains('=')) item.fail("name", "is not a variable's name");
    all.emplace_back(name, item.text("value"));
  }
  return all;
}

ExecPlugin read_exec(const Entry& exec, const std::optional<Entry>& cluster) {
  ExecPlugin plugin;
  plugin.api_version = exec.text("apiVersion");
  if (plugin.api_version != std::string(kExecGroup) + "v1" &&
      plugin.api_version != std::string(kExecGroup) + "v1beta1") {
    exec.fail("apiVersion", "is \"" + plugin.api_version +
                                "\"; supported are client.authentication.k8s.io/v1 and v1beta1");
  }
  plugin.command = exec.text("command");
  if (plugin.command.empty()) exec.fail("command", "is missing");
  if (plugin.command.contains('/')) plugin.command = exec.beside(plugin.command);
  plugin.arguments = exec.texts("args");
  plugin.environment = read_environment(exec);
  plugin.install_hint = exec.text("installHint");
  plugin.provide_cluster_info = exec.flag("provideClusterInfo");
  const std::string mode = exec.text("interactiveMode");
  if (mode == "Always") {
    exec.fail("interactiveMode",
              "is Always, but podkeeperd has no terminal; use a plugin that asks"
              " nothing");
  } else if (!mode.empty() && mode != "Never" && mode != "IfAvailable") {
    exec.fail("interactiveMode", "is \"" + mode + "\", not Never, IfAvailable or Always");
  }
  if (!plugin.provide_cluster_info || !cluster) return plugin;
  for (const Entry& extension : cluster->children("extensions")) {
    if (extension.text("name") == kExecExtension)
      plugin.cluster_config = extension.json("extension");
  }
  return plugin;
}

void read_user(const Entry& entry, const std::optional<Entry>& cluster, ClusterAccess& access) {
  refuse_unsupported(entry, kOfUsers);
  access.certificate = entry.material("client-certificate");
  access.key = entry.material("client-key");
  if (access.certificate.empty() != access.key.empty()) {
    entry.fail(access.key.empty() ? "client-certificate" : "client-key",
               "is given alone; a client certificate needs its key, and a key its certificate");
  }
  access.token = entry.text("token");
  if (!access.token.empty() && !token_like(access.token)) {
    entry.fail("token", "has characters that no token has");
  }
  access.token_file = entry.path("tokenFile");
  if (!entry.has("exec")) return;
  if (!access.token.empty() || !access.token_file.empty() || !access.certificate.empty()) {
    entry.fail("exec", "is given beside a token or a client certificate; remove one of them");
  }
  access.exec = read_exec(entry.child("exec"), cluster);
}

const Entry* find(const Entries& entries, const std::string& name, const Entry& context,
                  const char* key) {
  if (name.empty()) {
    context.fail(key, "is missing");
    return nullptr;
  }
  const auto found = entries.find(name);
  if (found != entries.end()) return &found->second;
  context.fail(key, "\"" + name + "\" is not in the list; there are: " + names_of(entries));
  return nullptr;
}

/// A user who proves nothing may speak to a server that asks nothing; a secret goes to no server
/// that does not prove itself.
void check_together(const Entry& cluster, const ClusterAccess& access) {
  const bool secret = !access.token.empty() || !access.token_file.empty() ||
                      !access.certificate.empty() || access.exec.has_value();
  if (!access.server.tls && secret) {
    cluster.fail("server",
                 "begins with http://, but the user has credentials, which would be sent"
                 " for everybody to read; use https://");
  }
}

Result<ClusterAccess> read_context(const Merged& merged, const std::string& name,
                                   const std::string& paths, FirstFault& fault) {
  const auto context = merged.contexts.find(name);
  if (context == merged.contexts.end()) {
    return Error{ErrorCode::kInvalidArgument,
                 "kubeconfig " + paths +
                     (name.empty() ? ": current-context is not set; give --context"
                                   : ": there is no context \"" + name + "\"") +
                     "; there are: " + names_of(merged.contexts)};
  }
  ClusterAccess access;
  const Entry& chosen = context->second;
  access.source = "kubeconfig " + chosen.file() + ", context \"" + name + "\"";
  access.namespace_ = chosen.text("namespace");
  const auto in_context = [&](const Entry& entry) {
    return entry.named(entry.name() + " (context \"" + name + "\")");
  };
  const Entry* cluster = find(merged.clusters, chosen.text("cluster"), chosen, "cluster");
  if (cluster != nullptr) read_cluster(in_context(*cluster), access);
  // A context may name no user: then nothing is proved to the server.
  if (const std::string user = chosen.text("user"); cluster != nullptr && !user.empty()) {
    const Entry* found = find(merged.users, user, chosen, "user");
    if (found != nullptr) read_user(in_context(*found), *cluster, access);
  }
  if (cluster != nullptr) check_together(in_context(*cluster), access);
  if (fault.error()) return *fault.error();
  return access;
}

}  // namespace

Result<ClusterAccess> read_kubeconfig(std::span<const KubeconfigFile> files,
                                      std::string_view context) {
  Merged merged;
  FirstFault fault;
  std::string paths;
  for (const KubeconfigFile& file : files) {
    paths += (paths.empty() ? "" : ":") + file.path;
    merge_file(file, fault, merged);
    if (fault.error()) return *fault.error();
  }
  const std::string name = context.empty() ? merged.current_context : std::string(context);
  return read_context(merged, name, paths, fault);
}

}  // namespace podkeeper::credentials
