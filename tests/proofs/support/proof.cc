#include "tests/proofs/support/proof.h"

#include <zlib.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <thread>

namespace podkeeper::proofs {

std::string program(const std::string& name) { return PK_BINARY_DIR "/daemon/" + name; }
std::string data_file(const std::string& name) { return PK_SOURCE_DIR "/tests/data/" + name; }

Options parse_options(int argc, char** argv, Slices slices) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--small") {
      options.small = true;
    } else if (argument == "--seed" && has_value) {
      options.seed = std::stoull(argv[++i]);
    } else if (argument == "--seeds" && has_value && slices == Slices::kYes) {
      options.seeds = std::stoull(argv[++i]);
    } else {
      std::cerr << argv[0] << ": unknown argument " << argument << "; use --small or --seed N"
                << (slices == Slices::kYes ? ", --seeds COUNT" : "") << "\n";
      std::exit(2);
    }
  }
  return options;
}

int run_proof(int argc, char** argv, nlohmann::ordered_json (*proof)(const Options&),
              Slices slices) {
  const Options options = parse_options(argc, argv, slices);
  nlohmann::ordered_json figures;
  bool passed = false;
  try {
    figures = proof(options);
    passed = true;
  } catch (const std::exception& e) {
    figures["error"] = e.what();
    std::cerr << "FAILED: " << e.what() << "\n";
  }
  nlohmann::ordered_json line = {{"result", passed ? "pass" : "fail"}};
  line.update(figures);
  std::cout << line.dump() << std::endl;
  return passed ? 0 : 1;
}

void require(bool holds, const std::string& message) {
  if (!holds) throw std::runtime_error(message);
}

std::string read_gzip(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  require(file != nullptr, "cannot open " + path);
  std::string content;
  std::string buffer(1 << 20, '\0');
  int n = 0;
  while ((n = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0) {
    content.append(buffer.data(), static_cast<std::size_t>(n));
  }
  gzclose(file);
  require(n == 0, "cannot inflate " + path);
  return content;
}

void pause(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

}  // namespace podkeeper::proofs
