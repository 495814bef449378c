#include "tests/proofs/support/cluster.h"

#include <signal.h>

#include "tests/proofs/support/raw_http.h"

namespace podkeeper::proofs {
namespace {

constexpr std::chrono::seconds kStartLimit{60};

std::uint16_t listening(Process& process, const std::string& name) {
  return port_in(process.wait_for_line(
      [&](const std::string& line) {
        return line.find("listening") != std::string::npos &&
               line.find("name=" + name) != std::string::npos;
      },
      kStartLimit));
}

}  // namespace

Simkube::Simkube(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {program("simkube"), "--bind-address=127.0.0.1:0"});
  process = std::make_unique<Process>(std::move(arguments));
  port = port_in(process->wait_for_line(
      [](const std::string& line) { return line.starts_with("listening on "); }, kStartLimit));
}

Podkeeperd::Podkeeperd(std::vector<std::string> arguments, std::size_t open_files) {
  std::vector<std::string> shell;
  if (open_files > 0) {
    shell = {"/bin/sh", "-c", "ulimit -n " + std::to_string(open_files) + "; exec \"$0\" \"$@\""};
  }
  arguments.insert(arguments.begin(),
                   {program("podkeeperd"), "--auth-mode=None", "--api-bind-address=127.0.0.1:0",
                    "--metrics-bind-address=0", "--health-probe-bind-address=127.0.0.1:0"});
  arguments.insert(arguments.begin(), shell.begin(), shell.end());
  process = std::make_unique<Process>(std::move(arguments));
  api_port = listening(*process, "api");
  health_port = listening(*process, "health");
}

void Podkeeperd::wait_ready(std::chrono::seconds limit) const {
  eventually("podkeeperd ready", limit, [&] {
    require(process->alive(), "podkeeperd ended before it was ready");
    return raw_request(health_port, "/readyz").status == 200;
  });
}

void Podkeeperd::stop() const {
  process->signal(SIGTERM);
  const int code = process->wait(std::chrono::seconds(15));
  require(code == 0, "podkeeperd ended with " + std::to_string(code) + " after SIGTERM");
}

}  // namespace podkeeper::proofs
