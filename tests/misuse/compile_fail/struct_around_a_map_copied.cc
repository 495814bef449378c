// A struct with a map in it is no value either.
#include "tests/misuse/prelude.h"

namespace podkeeper::struct_around_a_map_copied {

struct Mirror {
  std::string name;
  cmap::Map<state::Record> pods;
};

void use(const Mirror& mirror) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{implicitly-deleted copy constructor}}
  const Mirror mine = mirror;
#else
  const Mirror& mine = mirror;
#endif
  (void)mine;
}

}  // namespace podkeeper::struct_around_a_map_copied
