// Who may read is said by an authorizer alone.
#include "tests/misuse/prelude.h"

namespace podkeeper::read_without_a_proof {

state::RecordRef use(const state::Reader& reader, const access::AuthorizedRead& allowed,
                     const kube::ObjectKey& key) {
#ifdef PK_MISUSE
  (void)allowed;
  // misuse-error@+1 {{calling a private constructor}}
  return reader.get(access::AuthorizedRead({"pods", ""}), key);
#else
  return reader.get(allowed, key);
#endif
}

}  // namespace podkeeper::read_without_a_proof
