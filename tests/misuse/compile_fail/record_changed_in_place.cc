// What readers hold without a lock never changes: a change is a new record.
#include "tests/misuse/prelude.h"

namespace podkeeper::record_changed_in_place {

void use(const state::RecordRef& record) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{no viable overloaded '='}}
  record->object().key_text = "a/b";
#else
  (void)record->object().key_text;
#endif
}

}  // namespace podkeeper::record_changed_in_place
