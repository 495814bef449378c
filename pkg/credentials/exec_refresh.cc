// The part of ClusterIdentity that runs an exec plugin.

#include "pkg/credentials/cluster_identity.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <utility>

namespace podkeeper::credentials {

using base::Error;
using base::Result;
using base::Task;

/// The right to run the plugin, for one task; also where it is stopped half-way, the next one gets
/// it.
class ClusterIdentity::ExecTurn {
 public:
  explicit ExecTurn(ClusterIdentity& identity) : identity_(identity) {
    base::Lock lock(identity_.mutex_);
    mine_ = !std::exchange(identity_.exec_runs_, true);
  }
  ~ExecTurn() {
    if (!mine_) return;
    {
      base::Lock lock(identity_.mutex_);
      identity_.exec_runs_ = false;
    }
    identity_.exec_ended_.notify_all();
  }
  ExecTurn(const ExecTurn&) = delete;
  ExecTurn& operator=(const ExecTurn&) = delete;
  [[nodiscard]] bool mine() const noexcept { return mine_; }

 private:
  ClusterIdentity& identity_;
  bool mine_ = false;
};

bool ClusterIdentity::exec_holds(const std::optional<std::string>& refused,
                                 std::uint64_t generation) const {
  const auto now = world_.clock().wall_now();
  base::Lock lock(mutex_);
  if (!exec_known_ || (exec_expires_ && now >= *exec_expires_)) return false;
  return !refused || *refused != authorization_ || generation != generation_;
}

Task<Result<bool>> ClusterIdentity::refresh(std::optional<std::string> refused,
                                            std::uint64_t generation,
                                            base::MonotonicTime deadline) {
  runtime::Wakeup ended(world_.clock());
  const auto subscription = exec_ended_.subscribe(ended);
  while (!exec_holds(refused, generation)) {
    const auto now = world_.clock().now();
    {
      base::Lock lock(mutex_);
      if (exec_failure_ && now < exec_retry_at_) co_return *exec_failure_;
    }
    const ExecTurn turn(*this);
    if (!turn.mine()) {
      auto waiting = ended.wait_until(deadline);
      if (co_await std::move(waiting)) continue;
      co_return Error{base::ErrorCode::kTimeout,
                      "exec plugin " + access_.exec->command + ": it has not ended in time"};
    }
    std::string authority;
    {
      base::Lock lock(mutex_);
      authority = pems_.authority;
    }
    auto running = processes_.run(exec_program(*access_.exec, access_, authority),
                                  std::min(deadline, now + kExecTimeout));
    const auto end = co_await std::move(running);
    auto credential = read_exec_end(*access_.exec, end);
    auto used = credential ? use(*std::move(credential)) : Result<void>(credential.error());
    metrics_.counter(telemetry::kTokenReloads, {"exec", used ? "success" : "error"}).Increment();
    base::Lock lock(mutex_);
    exec_failure_.reset();
    exec_retry_at_ = world_.clock().now() + kExecRetryAfter;
    if (!used) exec_failure_ = used.error();
    if (!used) co_return used.error();
    // What it gave is what there is, be it refused before or expired already.
    co_return !refused || *refused != authorization_ || generation != generation_;
  }
  co_return true;
}

Result<void> ClusterIdentity::use(ExecCredential credential) {
  Pems pems;
  {
    base::Lock lock(mutex_);
    pems = pems_;
  }
  if (pems.certificate != credential.certificate || pems.key != credential.key) {
    pems.certificate = std::move(credential.certificate);
    pems.key = std::move(credential.key);
    if (auto used = use(std::move(pems)); !used) {
      return Error{base::ErrorCode::kUnauthorized,
                   "exec plugin " + access_.exec->command + ": " + used.error().message};
    }
  }
  use_token(credential.token);
  base::Lock lock(mutex_);
  exec_known_ = true;
  exec_expires_ = credential.expires;
  return {};
}

}  // namespace podkeeper::credentials
