#pragma once

#include "pkg/kube/json_cursor.h"
#include "pkg/kube/object.h"

namespace podkeeper::kube {

/// Read NodeFields from a node's `spec` and `status`, whichever comes first. Views point into the
/// cursor's text.
void read_node_spec(JsonCursor& cursor, NodeFields& node);
void read_node_status(JsonCursor& cursor, NodeFields& node);

}  // namespace podkeeper::kube
