// An event's text is a constant: what differs is a field, and no line keeps another's text.
#include "tests/misuse/prelude.h"

namespace podkeeper::label_from_a_request {

void use(const std::string& text) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{not a constant expression}}
  telemetry::log_info(text.c_str());
#else
  telemetry::log_info("asked", {{"text", text}});
#endif
}

}  // namespace podkeeper::label_from_a_request
