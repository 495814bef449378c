// What was read from a snapshot lives while it is held.
#include "tests/misuse/prelude.h"

namespace podkeeper::address_past_its_published_value {

std::size_t use(const base::Snapshot<std::string>& names) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{will be destroyed at the end of the full-expression}}
  const std::string& name = *names.read();
  return name.size();
#else
  const auto name = names.read();
  return name->size();
#endif
}

}  // namespace podkeeper::address_past_its_published_value
