// What is served where is constant once a server has it.
#include "tests/misuse/prelude.h"

namespace podkeeper::route_added_while_served {

void use(http::ServerCore& core, http::Handler handler) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{not marked const}}
  core.router.exact("/late", std::move(handler));
#else
  http::Router router;
  router.exact("/early", std::move(handler));
  (void)core;
#endif
}

}  // namespace podkeeper::route_added_while_served
