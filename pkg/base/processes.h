#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::base {

/// A program to run to its end.
struct Program {
  std::string command = {};  ///< a path, or a name that is looked for in PATH
  std::vector<std::string> arguments = {};
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< beside our own, before it
  std::size_t output_bytes_max = 1 << 20;
};

struct ProgramEnd {
  int status = 0;              ///< its exit code, or 128 + the signal that ended it
  std::string output = {};     ///< all of stdout
  std::string complaint = {};  ///< the beginning of stderr, kComplaintBytesMax at most
};

/// Other programs as a seam. Thread-safe.
class Processes {
 public:
  static constexpr std::size_t kComplaintBytesMax = 2'048;

  virtual ~Processes() = default;
  /// Runs a program without input and with no descriptor of ours but its outputs, and waits until
  /// it has closed stdout and ended. At the deadline (kTimeout), beyond output_bytes_max
  /// (kTooLarge), or when the waiting task is stopped, it is killed with all it has started.
  /// kNotFound: there is no such program; kIo: it cannot be started.
  virtual Task<Result<ProgramEnd>> run(Program program, MonotonicTime deadline) = 0;
};

}  // namespace podkeeper::base
