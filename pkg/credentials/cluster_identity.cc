#include "pkg/credentials/cluster_identity.h"

#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <utility>

namespace podkeeper::credentials {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t from = std::min(text.find_first_not_of(kBlanks), text.size());
  const std::size_t last = text.find_last_not_of(kBlanks);
  return last == std::string_view::npos ? std::string_view{} : text.substr(from, last + 1 - from);
}

Error refuse(const ClusterAccess& access, const Error& error) {
  return {ErrorCode::kInvalidArgument, access.source + ": " + error.message};
}

}  // namespace

ClusterIdentity::ClusterIdentity(base::World& world, base::Processes& processes,
                                 telemetry::Metrics& metrics, ClusterAccess access)
    : world_(world), processes_(processes), metrics_(metrics), access_(std::move(access)) {}

Result<std::shared_ptr<ClusterIdentity>> ClusterIdentity::make(base::World& world,
                                                               base::Processes& processes,
                                                               telemetry::Metrics& metrics,
                                                               ClusterAccess access) {
  std::shared_ptr<ClusterIdentity> identity(
      new ClusterIdentity(world, processes, metrics, std::move(access)));
  if (auto token = identity->read_token(); token) {
    identity->use_token(*token);
  } else {
    return refuse(identity->access_, token.error());
  }
  auto pems = identity->read_pems();
  auto used = pems ? identity->use(*std::move(pems)) : Result<void>(std::move(pems).error());
  if (!used) return refuse(identity->access_, used.error());
  if (identity->access_.insecure_skip_tls_verify) {
    telemetry::log_warn(
        "the API server's certificate is not verified (insecure-skip-tls-verify): anybody on the "
        "way can read the credentials and alter what is mirrored",
        {{"source", identity->access_.source}});
  }
  return identity;
}

Result<std::string> ClusterIdentity::read(const Material& material) const {
  if (material.file.empty()) return material.data;
  return world_.files().read(material.file, kCredentialFileBytesMax);
}

Result<ClusterIdentity::Pems> ClusterIdentity::read_pems() const {
  auto authority = read(access_.authority);
  if (!authority) return std::move(authority).error();
  auto certificate = read(access_.certificate);
  if (!certificate) return std::move(certificate).error();
  auto key = read(access_.key);
  if (!key) return std::move(key).error();
  return Pems{*std::move(authority), *std::move(certificate), *std::move(key)};
}

Result<std::string> ClusterIdentity::read_token() const {
  if (access_.token_file.empty()) return access_.token;
  auto text = world_.files().read(access_.token_file, kCredentialFileBytesMax);
  if (!text) {
    // The one that stands in the kubeconfig is for this.
    if (!access_.token.empty()) return access_.token;
    return std::move(text).error();
  }
  std::string token(trimmed(*text));
  if (token_like(token)) return token;
  return Error{ErrorCode::kInvalidArgument,
               access_.token_file + ": is empty, or has characters that no token has"};
}

bool ClusterIdentity::use_token(const std::string& token) {
  std::string authorization = token.empty() ? "" : "Bearer " + token;
  base::Lock lock(mutex_);
  const bool fresh = authorization_ != authorization;
  authorization_.swap(authorization);
  return fresh;
}

Result<void> ClusterIdentity::use(Pems pems) {
  if (!access_.server.tls) return {};
  auto context = tls::ClientContext::make({.authorities = pems.authority,
                                           .certificate = pems.certificate,
                                           .key = pems.key,
                                           .verify = !access_.insecure_skip_tls_verify});
  if (!context) return std::move(context).error();
  base::Lock lock(mutex_);
  pems_ = std::move(pems);
  tls_ = *std::move(context);
  ++generation_;
  return {};
}

Result<void> ClusterIdentity::reload_token() {
  if (access_.token_file.empty()) return {};
  auto token = read_token();
  if (!token) {
    metrics_.counter(telemetry::kTokenReloads, {"file", "error"}).Increment();
    return std::move(token).error();
  }
  if (!use_token(*token)) return {};
  metrics_.counter(telemetry::kTokenReloads, {"file", "success"}).Increment();
  telemetry::log_info("new token", {{"file", access_.token_file}});
  return {};
}

Result<void> ClusterIdentity::reload_pems() {
  auto pems = read_pems();
  if (pems) {
    base::Lock lock(mutex_);
    if (access_.exec) {  // whose certificate and key are in no file
      pems->certificate = pems_.certificate;
      pems->key = pems_.key;
    }
    if (*pems == pems_) return {};
  }
  auto used = pems ? use(*std::move(pems)) : Result<void>(std::move(pems).error());
  metrics_.counter(telemetry::kTlsReloads, {used ? "success" : "error"}).Increment();
  if (used) telemetry::log_info("new certificates", {{"source", access_.source}});
  return used;
}

void ClusterIdentity::reload() {
  for (const auto& reloaded : {reload_token(), reload_pems()}) {
    if (reloaded) continue;
    telemetry::log_warn("new credentials cannot be used, the last ones stay",
                        {{"source", access_.source}, {"err", reloaded.error()}});
  }
}

Task<void> ClusterIdentity::run() {
  while (true) {
    auto sleep = world_.clock().sleep_for(kReloadEvery);
    co_await std::move(sleep);
    reload();
  }
}

Task<Result<std::unique_ptr<base::Stream>>> ClusterIdentity::connect(base::Endpoint endpoint,
                                                                     base::MonotonicTime deadline) {
  std::shared_ptr<const tls::ClientContext> context;
  {
    base::Lock lock(mutex_);
    context = tls_;
  }
  std::string name = access_.tls_server_name.empty() ? endpoint.host : access_.tls_server_name;
  auto connecting = world_.network().connect(std::move(endpoint), deadline);
  auto transport = co_await std::move(connecting);
  if (!transport || !context) co_return transport;
  auto securing = tls::ClientContext::connect(std::move(context), *std::move(transport),
                                              std::move(name), world_.clock(), metrics_, deadline);
  co_return co_await std::move(securing);
}

Task<Result<std::string>> ClusterIdentity::authorization(base::MonotonicTime deadline) {
  if (access_.exec && !exec_holds(std::nullopt, 0)) {
    auto refreshing = refresh(std::nullopt, 0, deadline);
    const auto refreshed = co_await std::move(refreshing);
    if (!refreshed) co_return refreshed.error();
  }
  base::Lock lock(mutex_);
  co_return authorization_;
}

Task<Result<bool>> ClusterIdentity::renew(std::string authorization, std::uint64_t generation,
                                          base::MonotonicTime deadline) {
  if (access_.exec) {
    auto refreshing = refresh(std::move(authorization), generation, deadline);
    co_return co_await std::move(refreshing);
  }
  reload();
  base::Lock lock(mutex_);
  co_return authorization_ != authorization || generation_ != generation;
}

}  // namespace podkeeper::credentials
