#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/http/message.h"
#include "pkg/telemetry/metrics.h"

#include <atomic>
#include <chrono>
#include <cstddef>

namespace podkeeper::kubeapi {

struct ForwarderOptions {
  std::size_t inflight_max = 10;  ///< beyond, a read is refused at once
  base::Duration timeout = std::chrono::seconds(5);
  std::size_t body_bytes_max = 64 << 20;
};

/// Asks upstream a single read that the mirror could not answer in time. It goes with podkeeper's
/// own credentials, so only for who has been allowed exactly this read: the caller asks the
/// Authorizer first. Nothing of the client goes along but path, query and Accept; the answer is
/// upstream's own (with managedFields, whatever --drop-fields says).
///
/// Bounded, since what makes one mirror late makes it late for all its readers at once, and an
/// upstream in trouble must not get all of them (kubernetes#138494).
///
/// Any task may call it; the world, the client and the metrics outlive it.
class Forwarder {
 public:
  Forwarder(base::World& world, http::Client& client, telemetry::Metrics& metrics,
            ForwarderOptions options = {});
  /// kTooManyRequests at the limit; other errors are upstream's, or of the way there.
  base::Task<base::Result<http::Response>> forward(http::Request request);

 private:
  base::Task<base::Result<http::Response>> ask(http::ClientRequest request);

  base::World& world_;
  http::Client& client_;
  const ForwarderOptions options_;
  std::atomic<std::size_t> inflight_{0};
  telemetry::Counter& answered_;
  telemetry::Counter& failed_;
  telemetry::Counter& refused_;
};

}  // namespace podkeeper::kubeapi
