#include "pkg/recovery/deliberate_crash.h"

#include <cstdlib>
#include <stdexcept>

namespace podkeeper::recovery {
namespace {

/// As a member of an object that is not there.
void write_to_nowhere() {
  volatile std::uintptr_t nowhere = 0x40;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  *reinterpret_cast<volatile int*>(nowhere) = 1;
}

/// What is volatile keeps every call from becoming a loop.
// NOLINTNEXTLINE(misc-no-recursion)
int recurse(int depth) {
  volatile char frame[1024];
  frame[0] = static_cast<char>(depth);
  if (depth < 0) return frame[0];
  const int deeper = recurse(depth + 1);
  return deeper + frame[0];
}

struct ThrowsAtItsEnd {
  // NOLINTNEXTLINE(bugprone-exception-escape)
  ~ThrowsAtItsEnd() noexcept(false) { throw std::runtime_error("deliberate, while unwinding"); }
};

void throw_twice() {
  const ThrowsAtItsEnd at_its_end;
  throw std::runtime_error("deliberate");
}

}  // namespace

const char* to_string(CrashKind kind) noexcept {
  switch (kind) {
    case CrashKind::kSegv:
      return "segv";
    case CrashKind::kOverflow:
      return "overflow";
    case CrashKind::kTerminate:
      return "terminate";
  }
  return "segv";
}

void crash(CrashKind kind) {
  switch (kind) {
    case CrashKind::kSegv:
      write_to_nowhere();
      break;
    case CrashKind::kOverflow:
      (void)recurse(0);
      break;
    case CrashKind::kTerminate:
      throw_twice();
  }
  std::abort();  // none of them returns
}

}  // namespace podkeeper::recovery
