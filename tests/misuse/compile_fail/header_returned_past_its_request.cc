// A header's text lives in its request.
#include "tests/misuse/prelude.h"

namespace podkeeper::header_returned_past_its_request {

auto use(http::Request request) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{address of stack memory}}
  return request.headers.get("host");
#else
  const auto host = request.headers.get("host");
  return host ? std::optional<std::string>(*host) : std::nullopt;
#endif
}

}  // namespace podkeeper::header_returned_past_its_request
