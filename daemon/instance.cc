#include "daemon/instance.h"

#include <array>
#include <cstdlib>
#include <unistd.h>

namespace podkeeper::daemon {

std::string instance_name() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment.
  if (const char* pod = std::getenv("POD_NAME"); pod != nullptr && *pod != '\0') return pod;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name.front() == '\0') return "podkeeper";
  return name.data();
}

}  // namespace podkeeper::daemon
