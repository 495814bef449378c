// A query's text lives in its target.
#include "tests/misuse/prelude.h"

namespace podkeeper::query_past_its_target {

http::Target receive();

bool use() {
#ifdef PK_MISUSE
  // misuse-error@+1 {{will be destroyed at the end of the full-expression}}
  const auto limit = receive().query_value("limit");
  return limit.has_value();
#else
  const http::Target target = receive();
  const auto limit = target.query_value("limit");
  return limit.has_value();
#endif
}

}  // namespace podkeeper::query_past_its_target
