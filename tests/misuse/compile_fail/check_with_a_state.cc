// Health checks are run by several at a time.
#include "tests/misuse/prelude.h"

namespace podkeeper::check_with_a_state {

void use(health::Checks& checks) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{no viable conversion}}
  checks.add("once", [runs = 0]() mutable -> base::Result<void> {
    if (++runs > 1) return base::Error{base::ErrorCode::kConflict, "runs once"};
    return {};
  });
#else
  checks.add("ping", []() -> base::Result<void> { return {}; });
#endif
}

}  // namespace podkeeper::check_with_a_state
