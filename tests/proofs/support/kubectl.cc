#include "tests/proofs/support/kubectl.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "tests/proofs/support/process.h"
#include "tests/proofs/support/proof.h"

namespace podkeeper::proofs {
namespace {

/// kubectl itself gives a server 32 s to answer; a machine that is busy with other things more.
constexpr std::chrono::seconds kLimit{120};

std::filesystem::path new_folder() {
  std::string path = std::filesystem::temp_directory_path() / "kubectl-XXXXXX";
  require(::mkdtemp(path.data()) != nullptr, "cannot make the folder " + path);
  return path;
}

/// A line of its log: "I1121 14:33:39.160932 ...".
bool is_log(const std::string& line) {
  return line.size() > 5 && std::string("IWEF").find(line[0]) != std::string::npos &&
         std::all_of(line.begin() + 1, line.begin() + 5,
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

Kubectl::Kubectl(std::uint16_t port)
    : home_(new_folder()), server_("--server=http://127.0.0.1:" + std::to_string(port)) {
  (*this)({"version", "--client"});
}

Kubectl::~Kubectl() {
  std::error_code ignored;
  std::filesystem::remove_all(home_, ignored);
}

std::string Kubectl::operator()(std::vector<std::string> arguments) {
  const std::string command = "kubectl " + arguments.front();
  // -v=6 logs each request, so that one which hangs or fails says where.
  arguments.insert(arguments.begin(), {"/usr/bin/env", "HOME=" + home_.string(),
                                       "KUBECONFIG=", "kubectl", server_, "-v=6"});
  const auto began = std::chrono::steady_clock::now();
  Process process(std::move(arguments));
  int code = 0;
  try {
    code = process.wait(kLimit);
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(command + ": " + e.what());
  }
  slowest_ =
      std::max(slowest_, std::chrono::duration<double>(std::chrono::steady_clock::now() - began));
  std::string output;
  std::string all;
  for (const std::string& line : process.lines()) {
    all += "\n  " + line;
    if (!is_log(line)) output += line + "\n";
  }
  require(code != 127, "there is no kubectl; scripts/setup check installs one");
  require(code == 0, command + " ended with " + std::to_string(code) + ":" + all);
  return output;
}

std::string Kubectl::file(const std::string& name, const std::string& content) const {
  const std::filesystem::path path = home_ / name;
  std::ofstream(path) << content;
  return path;
}

}  // namespace podkeeper::proofs
