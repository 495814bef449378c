// says: bugprone-use-after-move
#include <memory>
#include <utility>

namespace podkeeper {

void give_back(std::unique_ptr<char[]> block);

char use(std::unique_ptr<char[]> block) {
#ifdef PK_MISUSE
  give_back(std::move(block));
  return block[0];
#else
  const char first = block[0];
  give_back(std::move(block));
  return first;
#endif
}

}  // namespace podkeeper
