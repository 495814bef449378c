// A copy would stop the other's listeners.
#include "tests/misuse/prelude.h"

namespace podkeeper::copied_server {

void use(const http::Server& server) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to deleted constructor}}
  const http::Server mine = server;
  (void)mine.connections();
#else
  (void)server.connections();
#endif
}

}  // namespace podkeeper::copied_server
