// Who may only read has no way to write.
#include "tests/misuse/prelude.h"

namespace podkeeper::written_through_a_reader {

void use(const state::Reader& reader, const state::RecordRef& record) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{no member named 'put'}}
  reader.put(record);
#else
  (void)reader.freshness();
  (void)record;
#endif
}

}  // namespace podkeeper::written_through_a_reader
