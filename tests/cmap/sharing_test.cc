#include "pkg/base/epoch.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/map.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstddef>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/base/sanitized.h"
#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using testing::Text;
using testing::text;

/// Ways to share a map or a value of it by accident that only show when the program runs; those
/// that do not compile are in tests/misuse.
class SharedByAccident : public ::testing::TestWithParam<Strategy> {
 protected:
  Map<Text> map_{MapOptions{.strategy = GetParam(), .shards = 2}};
};

INSTANTIATE_TEST_SUITE_P(Strategies, SharedByAccident, ::testing::ValuesIn(kStrategies),
                         [](const auto& each) { return to_string(each.param); });

TEST_P(SharedByAccident, ARegistryFilledAtStartByManyThreadsHasEveryEntryOnce) {
  constexpr int kThreads = 4;
  constexpr int kNames = 500;
  std::barrier start(kThreads);
  std::atomic<int> added{0};
  {
    std::vector<std::jthread> rooms;
    for (int t = 0; t < kThreads; ++t) {
      rooms.emplace_back([&] {
        start.arrive_and_wait();
        for (int i = 0; i < kNames; ++i) {
          if (map_.put(text("room/" + std::to_string(i), 1))) ++added;
        }
      });
    }
  }
  EXPECT_EQ(added, kNames);
  EXPECT_EQ(map_.size(), static_cast<std::size_t>(kNames));
  std::set<std::string> names;
  map_.for_each(Epoch::Guard(), [&](const Text& room) { names.emplace(room.key_text()); });
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kNames));
}

TEST_P(SharedByAccident, ARecordInReusedMemoryShowsNothingOfTheOneBefore) {
  std::set<const void*> places;
  bool reused = PK_ADDRESS_SANITIZER != 0;  // there each block is fresh for a while
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::string key = i % 2 == 0 ? std::string(40, 'a') : "b";
    map_.put(text(key, i));
    {
      const Epoch::Guard guard;
      const Text* found = map_.find(guard, make_key(key));
      ASSERT_NE(found, nullptr);
      EXPECT_EQ(found->value(), i);
      EXPECT_EQ(found->key_text(), key);
      EXPECT_EQ(found->byte_size(), sizeof(Text) + key.size());
      reused = !places.insert(found).second || reused;
    }
    map_.erase(make_key(key));
    Epoch::collect();
  }
  EXPECT_TRUE(reused);
}

#if PK_ADDRESS_SANITIZER
TEST_P(SharedByAccident, AnAddressCarriedPastItsGuardIsFoundByAddressSanitizer) {
  const auto use = [this] {
    map_.put(text("default/web", 7));
    const Text* kept = nullptr;
    map_.for_each(Epoch::Guard(), [&](const Text& each) { kept = &each; });
    map_.erase(make_key("default/web"));
    Epoch::collect();
    return kept->value();
  };
  // UndefinedBehaviorSanitizer, which that build has too, sees it first: by the freed object's
  // type.
  EXPECT_DEATH(static_cast<void>(use() == 7), "heap-use-after-free|invalid vptr");
}
#endif

}  // namespace
}  // namespace podkeeper::cmap
