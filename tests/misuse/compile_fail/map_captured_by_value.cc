// A lambda that captures a map by value would work on a copy of it.
#include "tests/misuse/prelude.h"

namespace podkeeper::map_captured_by_value {

void use(const cmap::Map<state::Record>& pods) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to implicitly-deleted copy constructor}}
  const auto count = [pods] { return pods.size(); };
#else
  const auto count = [&pods] { return pods.size(); };
#endif
  (void)count;
}

}  // namespace podkeeper::map_captured_by_value
