// What a task was started with is read by others without a lock.
#include "tests/misuse/prelude.h"

namespace podkeeper::context_value_changed {

void use() {
#ifdef PK_MISUSE
  // misuse-error@+1 {{no viable overloaded '='}}
  base::current_task()->name = "mine";
#else
  base::current_task()->set_request({.method = "GET", .path = {}, .user = {}, .region = {}});
#endif
}

}  // namespace podkeeper::context_value_changed
