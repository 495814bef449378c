#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace podkeeper::proofs {

/// The installed kubectl against an API server on 127.0.0.1, with an empty home of its own: neither
/// the user's configuration nor what another server once offered on that port has a say. One
/// thread at a time.
class Kubectl {
 public:
  /// Throws where there is no kubectl.
  explicit Kubectl(std::uint16_t port);
  ~Kubectl();
  Kubectl(const Kubectl&) = delete;
  Kubectl& operator=(const Kubectl&) = delete;

  /// Runs it; its output, standard error included. Throws unless it ends with 0, naming what it
  /// asked of the server.
  std::string operator()(std::vector<std::string> arguments);
  /// A file of this content that lives as long as the object, for `-f`.
  [[nodiscard]] std::string file(const std::string& name, const std::string& content) const;
  [[nodiscard]] std::chrono::duration<double> slowest() const { return slowest_; }

 private:
  const std::filesystem::path home_;
  const std::string server_;
  std::chrono::duration<double> slowest_{};
};

}  // namespace podkeeper::proofs
