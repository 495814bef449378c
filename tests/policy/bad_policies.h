#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::policy::testing {

/// One of tests/data/policies/bad: what stands in the file, what the refusal must name, and who
/// refuses it first (see bad.json).
struct BadPolicy {
  std::string file, field, value, refused_by, text;
};

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("no file " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// What ${...} stands for: "A*3" for AAA, "bytes:ff,80" for these two bytes.
inline std::string expansion(std::string_view code) {
  std::string out;
  if (code.starts_with("bytes:")) {
    for (std::size_t at = 6; at < code.size(); at += 3) {
      out.push_back(static_cast<char>(std::stoi(std::string(code.substr(at, 2)), nullptr, 16)));
    }
    return out;
  }
  const std::size_t star = code.find('*');
  const std::string_view what = code.substr(0, star);
  const char c = what == "open" ? '[' : what == "close" ? ']' : what.front();
  return std::string(std::stoul(std::string(code.substr(star + 1))), c);
}

inline std::string expanded(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t at = text.find("${");
    out.append(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 2);
    const std::size_t end = text.find('}');
    out.append(expansion(text.substr(0, end)));
    text.remove_prefix(end + 1);
  }
}

inline std::vector<BadPolicy> bad_policies() {
  const std::string folder = std::string(PK_SOURCE_DIR) + "/tests/data/policies/";
  const auto index = nlohmann::json::parse(read_text(folder + "bad.json"));
  std::vector<BadPolicy> all;
  for (const auto& entry : index.at("policies")) {
    const std::string file = entry.at("file");
    all.push_back({file, entry.at("field"), entry.at("value"), entry.at("refusedBy"),
                   expanded(read_text(folder + "bad/" + file))});
  }
  return all;
}

inline std::string test_name(const ::testing::TestParamInfo<BadPolicy>& info) {
  std::string name = info.param.file.substr(0, info.param.file.find('.'));
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

}  // namespace podkeeper::policy::testing
