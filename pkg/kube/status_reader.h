#pragma once

#include "pkg/base/result.h"
#include "pkg/kube/json_cursor.h"
#include "pkg/kube/status.h"

namespace podkeeper::kube {

/// Reads the Status that is next; its `code` is 0 where none was sent. Fails the cursor for what is
/// of another kind.
Status read_status(JsonCursor& cursor);
/// The Error that a Status means, by its reason and, where that is none of ours, by its code.
base::Error to_error(const Status& status);

}  // namespace podkeeper::kube
