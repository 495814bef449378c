#pragma once

#include "pkg/simkube/fault_script.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::simkube {

/// One answer on its way, with what befalls it: takes what the server writes and gives what
/// arrives. It expects the server's own framing: a head as a whole, then a chunk or more a write.
/// Plain state, of one connection.
class FaultyAnswer {
 public:
  explicit FaultyAnswer(const std::vector<FaultDo>& faults);

  /// What comes of a write.
  struct Passed {
    std::string bytes;
    bool cut = false;        ///< after them the connection ends
    bool half_open = false;  ///< after them nothing arrives any more
  };
  [[nodiscard]] Passed pass(std::string written);
  /// False where every write passes as it is.
  [[nodiscard]] bool does_anything() const noexcept;

 private:
  /// A watch's chunks, with events dropped, repeated and put in.
  [[nodiscard]] std::string rewrite(std::string_view written);
  [[nodiscard]] std::string rewrite_lines(std::string_view lines);
  /// What is put in after so many events.
  void insert_after(std::uint64_t event, std::string& into) const;
  [[nodiscard]] std::string at_first() const;

  std::optional<std::uint64_t> cut_;
  std::optional<std::uint64_t> half_open_;
  std::vector<std::uint64_t> drops_, repeats_;
  std::vector<FaultInsert> inserts_;
  std::uint64_t extension_ = 0, trailer_ = 0;
  bool rewrites_ = false;
  bool in_body_ = false;
  bool ended_ = false;        ///< a trailer was sent: what follows is nobody's
  std::uint64_t events_ = 0;  ///< seen
  std::uint64_t passed_ = 0;  ///< bytes
};

}  // namespace podkeeper::simkube
