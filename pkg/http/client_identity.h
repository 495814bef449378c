#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/net.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"

#include <cstdint>
#include <memory>
#include <string>

namespace podkeeper::http {

/// Who a client is and whom it trusts, asked for each connection and each request, since both may
/// change while the client runs. Thread-safe.
class ClientIdentity {
 public:
  virtual ~ClientIdentity() = default;
  /// A connection to the endpoint, secured as it needs to be.
  virtual base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(
      base::Endpoint endpoint, base::MonotonicTime deadline) = 0;
  /// The value of the Authorization field; empty: none. A secret.
  virtual base::Task<base::Result<std::string>> authorization(base::MonotonicTime deadline) = 0;
  /// A request with this authorization, over a connection of this generation, was answered 401.
  /// True: there is another now, worth one more try.
  virtual base::Task<base::Result<bool>> renew(std::string authorization, std::uint64_t generation,
                                               base::MonotonicTime deadline) = 0;
  /// Grows when connections made before prove another identity, and take no further request.
  [[nodiscard]] virtual std::uint64_t generation() const noexcept = 0;
};

}  // namespace podkeeper::http
