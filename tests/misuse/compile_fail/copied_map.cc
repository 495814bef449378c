// Two copies of a map would each claim to be the truth.
#include "tests/misuse/prelude.h"

namespace podkeeper::copied_map {

void use(cmap::Map<state::Record>& pods) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to implicitly-deleted copy constructor}}
  cmap::Map<state::Record> mine = pods;
  mine.erase(cmap::make_key("a"));
#else
  cmap::Map<state::Record>& mine = pods;
  mine.erase(cmap::make_key("a"));
#endif
}

}  // namespace podkeeper::copied_map
