// Assigned through its base, a strategy would lose what it holds.
#include "tests/misuse/prelude.h"

namespace podkeeper::assigned_strategy {

void use(cmap::detail::AnyMap& one, const cmap::detail::AnyMap& other) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{deleted}}
  one = other;
#else
  (void)one.erase(cmap::make_key("a"));
  (void)other.size();
#endif
}

}  // namespace podkeeper::assigned_strategy
