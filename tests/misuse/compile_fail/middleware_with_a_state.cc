// One handler answers all requests at once: a mutable capture would be everybody's.
#include "tests/misuse/prelude.h"

namespace podkeeper::middleware_with_a_state {

void use() {
#ifdef PK_MISUSE
  // misuse-error@+1 {{no viable conversion}}
  const http::Handler handler = [served = 0](http::Request) mutable -> base::Task<http::Response> {
    co_return http::Response::text(200, std::to_string(++served));
  };
#else
  const http::Handler handler = [](http::Request request) -> base::Task<http::Response> {
    co_return http::Response::text(200, request.method);
  };
#endif
  (void)handler;
}

}  // namespace podkeeper::middleware_with_a_state
