#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/http/client.h"

#include <zlib.h>

#include <cstddef>
#include <memory>
#include <string>

namespace podkeeper::http {

/// Unpacks a gzip body (RFC 1952, one member or several) while it is read: what one read gives is
/// bounded, however little was packed, so whoever counts what it gets is safe from a bomb. A stream
/// that ends early, is damaged (its checksum included) or is followed by anything else is
/// kProtocol. Holds 40 KiB of zlib's state. Belongs to the task that reads.
class GzipBody final : public ClientResponse::Body {
 public:
  /// Unpacked by one read at most.
  static constexpr std::size_t kPieceBytesMax = 256 * 1024;

  explicit GzipBody(std::unique_ptr<ClientResponse::Body> packed);
  ~GzipBody() override;
  GzipBody(const GzipBody&) = delete;
  GzipBody& operator=(const GzipBody&) = delete;

  base::Task<base::Result<bool>> read_some(std::string& into) override;
  void set_deadline(base::MonotonicTime when) override { packed_->set_deadline(when); }

 private:
  /// Appends a piece, which is empty where more input is needed first.
  base::Result<void> unpack(std::string& into);

  const std::unique_ptr<ClientResponse::Body> packed_;
  std::string input_;
  std::size_t used_ = 0;      ///< of input_
  bool input_ended_ = false;  ///< nothing comes after input_
  bool full_ = false;         ///< the last piece was, and zlib may hold more without any input
  bool between_ = false;      ///< a member has ended, and none began since
  z_stream inflater_{};
};

/// Makes the answer's body what its Content-Encoding packed. kProtocol where that is something that
/// was not asked for.
base::Result<void> undo_content_encoding(ClientResponse& response, bool gzip_asked_for);

}  // namespace podkeeper::http
