#pragma once

#include "pkg/base/result.h"

#include <string>

namespace podkeeper::base {

/// Files as a seam. Blocking; called at start and by reload tasks, never in a request. Thread-safe.
class Files {
 public:
  virtual ~Files() = default;
  /// The whole file. kNotFound or kIo with the path and the system's reason; kTooLarge above
  /// `max_bytes`.
  virtual Result<std::string> read(const std::string& path, std::size_t max_bytes) = 0;
};

}  // namespace podkeeper::base
