#include "daemon/instance.h"

#include <array>
#include <unistd.h>

namespace podkeeper::daemon {

std::string instance_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name.front() == '\0') return "podkeeper";
  return name.data();
}

}  // namespace podkeeper::daemon
