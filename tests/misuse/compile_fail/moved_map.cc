// Who holds a reference to a map would be left with an empty one.
#include "tests/misuse/prelude.h"

namespace podkeeper::moved_map {

std::unique_ptr<cmap::Map<state::Record>> use(cmap::Map<state::Record>& pods) {
#ifdef PK_MISUSE
  return std::make_unique<cmap::Map<state::Record>>(
      std::move(pods));  // misuse-error@*:* {{call to implicitly-deleted copy constructor}}
#else
  (void)pods;
  return std::make_unique<cmap::Map<state::Record>>();
#endif
}

}  // namespace podkeeper::moved_map
