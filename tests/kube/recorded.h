#pragma once

#include <zlib.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace podkeeper::kube::testing {

inline std::filesystem::path data_path() {
  return std::filesystem::path(PK_SOURCE_DIR) / "tests" / "data";
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A gzip file of tests/data, inflated.
inline std::string read_gzip(const std::string& name) {
  const gzFile file = gzopen((data_path() / name).c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot read " + name);
  std::string text;
  while (true) {
    constexpr unsigned kStep = 1 << 20;
    const std::size_t size = text.size();
    text.resize(size + kStep);
    const int read = gzread(file, text.data() + size, kStep);
    if (read < 0) throw std::runtime_error("cannot inflate " + name);
    text.resize(size + static_cast<std::size_t>(read));
    if (read == 0) break;
  }
  gzclose(file);
  return text;
}

/// A recorded answer, taken apart without the http room, which is judged by the same files.
struct Recorded {
  int status = 0;
  std::string head;
  std::string body;
  bool complete = true;  ///< the last chunk, or all of Content-Length, is there

  /// The value of a header field, or nothing.
  [[nodiscard]] std::string header(const std::string& name) const {
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const std::size_t begin = at + 4 + name.size();
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

inline void unchunk(std::string_view wire, Recorded& into) {
  while (true) {
    const std::size_t line_end = wire.find("\r\n");
    if (line_end == std::string_view::npos) break;
    const std::size_t size = std::stoul(std::string(wire.substr(0, line_end)), nullptr, 16);
    wire.remove_prefix(line_end + 2);
    if (size == 0) return;
    into.body += wire.substr(0, size);
    if (wire.size() < size + 2) break;
    wire.remove_prefix(size + 2);
  }
  into.complete = false;
}

/// "025": the recording whose file begins with it.
inline Recorded read_recorded(const std::string& number) {
  for (const auto& entry : std::filesystem::directory_iterator(data_path() / "wire")) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(number + "-") || !name.ends_with(".resp")) continue;
    const std::string wire = read_file(entry.path());
    Recorded recorded;
    const std::size_t head_end = wire.find("\r\n\r\n");
    recorded.head = wire.substr(0, head_end + 2);
    recorded.status = std::stoi(recorded.head.substr(9, 3));
    const std::string_view rest = std::string_view(wire).substr(head_end + 4);
    if (recorded.header("Transfer-Encoding") == "chunked") {
      unchunk(rest, recorded);
    } else {
      recorded.body = rest;
      const std::string length = recorded.header("Content-Length");
      recorded.complete = length.empty() || std::stoul(length) == rest.size();
    }
    return recorded;
  }
  throw std::runtime_error("no recording " + number);
}

}  // namespace podkeeper::kube::testing
