// A function that takes a map by value would change a copy of it.
#include "tests/misuse/prelude.h"

namespace podkeeper::map_by_value {

void forget(cmap::Map<state::Record> pods);
void forget_there(cmap::Map<state::Record>& pods);

void use(cmap::Map<state::Record>& pods) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to implicitly-deleted copy constructor}}
  forget(pods);
#else
  forget_there(pods);
#endif
}

}  // namespace podkeeper::map_by_value
