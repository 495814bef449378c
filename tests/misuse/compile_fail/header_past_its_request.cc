// A header's text lives in its request.
#include "tests/misuse/prelude.h"

namespace podkeeper::header_past_its_request {

http::Request receive();

bool use() {
#ifdef PK_MISUSE
  // misuse-error@+1 {{will be destroyed at the end of the full-expression}}
  const auto host = receive().headers.get("host");
  return host.has_value();
#else
  const http::Request request = receive();
  const auto host = request.headers.get("host");
  return host.has_value();
#endif
}

}  // namespace podkeeper::header_past_its_request
