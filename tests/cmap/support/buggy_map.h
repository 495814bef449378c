#pragma once

#include "pkg/cmap/map.h"

#include <memory>

namespace podkeeper::cmap::testing {

/// Faults that a map could have, to prove that the checker sees them.
enum class Bug {
  kNone,
  kLostUpdate,      ///< a put returns without having put
  kLostErase,       ///< an erase returns true without having erased
  kStaleRead,       ///< a find gives the record before the last
  kMissedRead,      ///< a find misses a key that is there, as if it looked into a table half filled
  kWrongNeighbour,  ///< a find gives another key's record
  kResurrectedDelete,    ///< an erased record comes back later, as a copy phase that forgot a
                         ///< tombstone would do
  kLateWrite,            ///< a put becomes visible at the thread's next write
  kTornCompareAndPut,    ///< looks and puts, as two steps
  kTornCompareAndErase,  ///< looks and erases, as two steps
  kBlindCompareAndPut,   ///< puts whatever the key holds, and says it was as expected
  kDoubleErase,          ///< two erases both take the credit, since they look before they erase
  kWrongAnswerOfPut,     ///< "new" for a key that was there
  kRefusesFalsely,       ///< a compare_and_put puts and says it did not
  kWalkMissesOne,        ///< for_each leaves a key out that was there throughout
  kWalkShowsOneTwice,    ///< for_each shows a key twice
  kWalkShowsAnErased,    ///< for_each shows a record that was gone before it began
};
inline constexpr Bug kBugs[] = {
    Bug::kLostUpdate,         Bug::kLostErase,         Bug::kStaleRead,
    Bug::kMissedRead,         Bug::kWrongNeighbour,    Bug::kResurrectedDelete,
    Bug::kLateWrite,          Bug::kTornCompareAndPut, Bug::kTornCompareAndErase,
    Bug::kBlindCompareAndPut, Bug::kDoubleErase,       Bug::kWrongAnswerOfPut,
    Bug::kRefusesFalsely,     Bug::kWalkMissesOne,     Bug::kWalkShowsOneTwice,
    Bug::kWalkShowsAnErased};
const char* to_string(Bug bug);

/// A right map with one fault, shown once in a while. Holds Text records; any thread.
std::unique_ptr<detail::AnyMap> make_buggy_map(Bug bug);

}  // namespace podkeeper::cmap::testing
