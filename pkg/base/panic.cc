#include "pkg/base/panic.h"

namespace podkeeper::base {

const char* to_string(PanicKind kind) noexcept {
  switch (kind) {
    case PanicKind::kException:
      return "exception";
    case PanicKind::kInvariant:
      return "invariant";
    case PanicKind::kMisuse:
      return "misuse";
  }
  return "exception";
}

namespace detail {

void check_failed(const char* expression, const std::string& why, std::source_location where) {
  throw Panic(PanicKind::kInvariant, "check failed: " + std::string(expression) + ": " + why,
              where);
}

}  // namespace detail

}  // namespace podkeeper::base
