// A block given back and kept would hold two answers at once.
#include "tests/misuse/prelude.h"

namespace podkeeper::pooled_block_in_two_hands {

void use(http::BlockPool& pool, http::BlockPool::Block block) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to implicitly-deleted copy constructor}}
  pool.give_back(block);
#else
  pool.give_back(std::move(block));
#endif
}

}  // namespace podkeeper::pooled_block_in_two_hands
