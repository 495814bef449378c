// A connection kept for the next request and used by this one would mix two answers.
#include "tests/misuse/prelude.h"

namespace podkeeper::pooled_connection_in_two_hands {

void use(http::ClientPool& pool, std::unique_ptr<http::ClientConnection> connection) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to deleted constructor}}
  pool.keep(connection);
#else
  pool.keep(std::move(connection));
#endif
}

}  // namespace podkeeper::pooled_connection_in_two_hands
