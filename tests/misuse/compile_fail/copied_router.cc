// A route added to a copy would not be served.
#include "tests/misuse/prelude.h"

namespace podkeeper::copied_router {

void use(http::Router router) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{deleted}}
  http::Router mine = router;
  mine.exact("/late", {});
#else
  http::Router mine = std::move(router);
  mine.exact("/early", {});
#endif
}

}  // namespace podkeeper::copied_router
