#pragma once

#include "pkg/http/chunked.h"
#include "pkg/http/client.h"
#include "pkg/http/client_pool.h"
#include "pkg/http/framing.h"

#include <cstdint>
#include <memory>
#include <string>

namespace podkeeper::http {

/// The body of an answer while it is read. At its proper end the connection goes back to the pool;
/// dropped before, it closes it. Belongs to the task that reads.
class ResponseBody final : public ClientResponse::Body {
 public:
  ResponseBody(std::shared_ptr<ClientPool> pool, std::unique_ptr<ClientConnection> connection,
               const ResponseFraming& framing);

  base::Task<base::Result<bool>> read_some(std::string& into) override;
  void set_deadline(base::MonotonicTime when) override;

 private:
  /// Moves what the buffer holds of the body to `into`.
  base::Result<void> take(std::string& into);
  [[nodiscard]] bool complete() const noexcept;
  /// The body is whole: keeps the connection where that is allowed.
  void release();
  base::Error cut(std::string_view why) const;

  const std::shared_ptr<ClientPool> pool_;
  std::unique_ptr<ClientConnection> connection_;  ///< null once released or broken
  const ResponseFraming framing_;
  std::uint64_t remaining_;
  ChunkDecoder chunks_;
  bool ended_ = false;
  bool broken_ = false;
};

}  // namespace podkeeper::http
