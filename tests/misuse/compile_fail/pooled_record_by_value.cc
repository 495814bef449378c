// A record copied out of its block would be counted nowhere.
#include "tests/misuse/prelude.h"

namespace podkeeper::pooled_record_by_value {

void use(const state::RecordRef& record) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{implicitly-deleted copy constructor}}
  const state::Record mine = *record;
  (void)mine.node();
#else
  const state::RecordRef mine = record;
  (void)mine->node();
#endif
}

}  // namespace podkeeper::pooled_record_by_value
