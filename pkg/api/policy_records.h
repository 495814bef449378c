#pragma once

#include "pkg/policy/board.h"

#include <string>

namespace podkeeper::api {

/// What the policies are and what became of them, {"kind":"PolicyList","synced":...,"items":[...]},
/// best rank first: name, rank, what is asked for, conditions, and for each store it concerns the
/// partition, its standing there (Governs, Shadowed with the winner, TooMany) and what runs.
std::string policy_list_json(const policy::Board& board);

}  // namespace podkeeper::api
