#pragma once

#include "pkg/base/result.h"
#include "pkg/telemetry/metrics.h"

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::health {

/// A named condition of the process. The Error's message goes to the log only: the door is public,
/// so a client reads "reason withheld". It must not block; a check that throws has failed. Const,
/// for several may ask at once: a `mutable` lambda is none.
using Check = std::move_only_function<base::Result<void>() const>;

/// What an endpoint answers, in Kubernetes' text format byte for byte. Content type "text/plain;
/// charset=utf-8", X-Content-Type-Options "nosniff".
struct Report {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> failures;  ///< check, reason; for the log
};

/// The checks of one endpoint (healthz, livez or readyz; without a slash). Filled at start, then
/// constant; a check may be called from any thread, several at a time.
class Checks {
 public:
  static constexpr std::size_t kChecksMax = 64;  ///< one more is a failed PK_CHECK

  /// With metrics, every run sets kubernetes_healthcheck{name,type} and counts in
  /// kubernetes_healthchecks_total{name,type,status}; they outlive the Checks.
  explicit Checks(std::string endpoint, telemetry::Metrics* metrics = nullptr)
      : endpoint_(std::move(endpoint)), metrics_(metrics) {}
  Checks(Checks&&) = default;
  /// Names are unique; they stand in paths and in metrics.
  void add(std::string name, Check check);
  /// All checks but the excluded ones: "ok" alone, or one line a check when `verbose` or when one
  /// failed (500 then).
  [[nodiscard]] Report run(bool verbose, std::span<const std::string_view> exclude) const;
  /// One check by name (`/readyz/ping`); status 404 when there is none of that name.
  [[nodiscard]] Report run_one(std::string_view name) const;
  [[nodiscard]] const std::string& endpoint() const noexcept { return endpoint_; }
  /// Name and present state of every check; runs them.
  [[nodiscard]] std::vector<std::pair<std::string, bool>> states() const;

 private:
  struct Entry {
    std::string name;
    Check check;
    telemetry::Gauge* state = nullptr;  ///< the three are null without metrics
    telemetry::Counter* successes = nullptr;
    telemetry::Counter* errors = nullptr;
  };
  static base::Result<void> run_entry(const Entry& entry);

  std::string endpoint_;
  telemetry::Metrics* metrics_;
  std::vector<Entry> checks_;
};

}  // namespace podkeeper::health
