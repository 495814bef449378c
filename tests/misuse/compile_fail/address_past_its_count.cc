// A counted record lives as long as its last count.
#include "tests/misuse/prelude.h"

namespace podkeeper::address_past_its_count {

std::uint64_t use(const state::Reader& reader, const access::AuthorizedRead& allowed,
                  const kube::ObjectKey& key) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{will be destroyed at the end of the full-expression}}
  const state::Record& pod = *reader.get(allowed, key);
  return pod.hash();
#else
  const state::RecordRef pod = reader.get(allowed, key);
  return pod->hash();
#endif
}

}  // namespace podkeeper::address_past_its_count
