#pragma once

#include "pkg/base/mutex.h"
#include "pkg/base/processes.h"
#include "pkg/base/world.h"
#include "pkg/credentials/cluster_access.h"
#include "pkg/credentials/exec_credential.h"
#include "pkg/http/client_identity.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/telemetry/metrics.h"
#include "pkg/tls/client_context.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace podkeeper::credentials {

/// Who we are to one API server, as a ClusterAccess says. Files (token, CA, certificate, key) are
/// read again every kReloadEvery, and the token at once after a 401; what is new is used from then
/// on, certificates by a new TLS context and new connections. What cannot be read or used is told,
/// and the last that could be stays. An exec plugin runs when the first request needs it, after its
/// credentials have expired, and after a 401; one at a time, all requests wait for that one.
///
/// Logs neither tokens nor keys. Thread-safe; the world, the processes and the
/// metrics outlive it.
class ClusterIdentity final : public http::ClientIdentity {
 public:
  /// Below kubelet's and client-go's minute: a new file is in use 60 s after the swap at the
  /// latest.
  static constexpr base::Duration kReloadEvery = std::chrono::seconds(30);
  static constexpr base::Duration kExecTimeout = std::chrono::seconds(30);
  /// A plugin that failed is not run again before; until then its failure is the answer.
  static constexpr base::Duration kExecRetryAfter = std::chrono::seconds(5);

  /// Reads the files. kInvalidArgument names the one that is missing or wrong.
  static base::Result<std::shared_ptr<ClusterIdentity>> make(base::World& world,
                                                             base::Processes& processes,
                                                             telemetry::Metrics& metrics,
                                                             ClusterAccess access);
  /// Reads the files again from time to time, until its task is stopped.
  base::Task<void> run();

  base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(
      base::Endpoint endpoint, base::MonotonicTime deadline) override;
  base::Task<base::Result<std::string>> authorization(base::MonotonicTime deadline) override;
  base::Task<base::Result<bool>> renew(std::string authorization, std::uint64_t generation,
                                       base::MonotonicTime deadline) override;
  [[nodiscard]] std::uint64_t generation() const noexcept override { return generation_.load(); }

  [[nodiscard]] const ClusterAccess& access() const noexcept { return access_; }

 private:
  /// The certificates and the key, as PEM.
  struct Pems {
    std::string authority;
    std::string certificate;
    std::string key;
    friend bool operator==(const Pems&, const Pems&) = default;
  };
  class ExecTurn;
  ClusterIdentity(base::World& world, base::Processes& processes, telemetry::Metrics& metrics,
                  ClusterAccess access);

  [[nodiscard]] base::Result<std::string> read(const Material& material) const;
  [[nodiscard]] base::Result<Pems> read_pems() const;
  [[nodiscard]] base::Result<std::string> read_token() const;
  /// Takes what is new; an error leaves all as it was.
  base::Result<void> reload_token();
  base::Result<void> reload_pems();
  base::Result<void> use(Pems pems);
  void reload();
  /// True when it was not the one in use.
  bool use_token(const std::string& token);

  /// Runs the plugin unless the credentials are not `refused` and still hold.
  base::Task<base::Result<bool>> refresh(std::optional<std::string> refused,
                                         std::uint64_t generation, base::MonotonicTime deadline);
  base::Result<void> use(ExecCredential credential);
  /// Whether the plugin's credentials are there, hold, and are not those that were refused.
  [[nodiscard]] bool exec_holds(const std::optional<std::string>& refused,
                                std::uint64_t generation) const;

  base::World& world_;
  base::Processes& processes_;
  telemetry::Metrics& metrics_;
  const ClusterAccess access_;
  std::atomic<std::uint64_t> generation_{1};
  runtime::WakeupList exec_ended_;
  mutable base::Mutex mutex_;
  std::string authorization_ PK_GUARDED_BY(mutex_);
  Pems pems_ PK_GUARDED_BY(mutex_);
  std::shared_ptr<const tls::ClientContext> tls_ PK_GUARDED_BY(mutex_);
  bool exec_known_ PK_GUARDED_BY(mutex_) = false;
  bool exec_runs_ PK_GUARDED_BY(mutex_) = false;
  std::optional<base::WallTime> exec_expires_ PK_GUARDED_BY(mutex_);
  std::optional<base::Error> exec_failure_ PK_GUARDED_BY(mutex_);
  base::MonotonicTime exec_retry_at_ PK_GUARDED_BY(mutex_){};
};

}  // namespace podkeeper::credentials
