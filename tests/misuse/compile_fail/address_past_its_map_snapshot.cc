// A map's snapshot keeps the records that it shows.
#include "tests/misuse/prelude.h"

namespace podkeeper::address_past_its_map_snapshot {

std::uint64_t use(const cmap::CopyOnWriteMap& pods, const cmap::Key& key) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{will be destroyed at the end of the full-expression}}
  const cmap::Record* pod = pods.snapshot().find(key);
  return pod->hash();
#else
  const auto snapshot = pods.snapshot();
  const cmap::Record* pod = snapshot.find(key);
  return pod->hash();
#endif
}

}  // namespace podkeeper::address_past_its_map_snapshot
