#include "pkg/runtime/timer_heap.h"

#include "pkg/runtime/seeded_random.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace podkeeper::runtime {
namespace {

base::MonotonicTime at(std::uint64_t nanoseconds) {
  return base::MonotonicTime(base::Duration(static_cast<std::int64_t>(nanoseconds)));
}

TEST(TimerHeap, GivesWhatASortedMapGivesUnderRandomUse) {
  SeededRandom random(7);
  TimerHeap<int> heap;
  std::map<std::pair<base::MonotonicTime, int>, std::uint64_t> model;
  std::vector<std::pair<std::pair<base::MonotonicTime, int>, std::uint64_t>> known;
  for (int i = 0; i < 20'000; ++i) {
    const auto choice = random.below(10);
    if (choice < 5) {
      const auto when = at(random.below(100));
      const auto id = heap.add(when, i);
      EXPECT_NE(id, 0u);
      model[{when, i}] = id;
      known.push_back({{when, i}, id});
    } else if (choice < 8 && !model.empty()) {
      EXPECT_EQ(heap.next(), model.begin()->first.first);
      EXPECT_EQ(heap.pop(), model.begin()->first.second);
      model.erase(model.begin());
    } else if (!known.empty()) {  // also ids that are long gone
      const auto& [key, id] = known[random.below(known.size())];
      EXPECT_EQ(heap.take(id).has_value(), model.erase(key) == 1);
    }
    ASSERT_EQ(heap.size(), model.size());
  }
}

}  // namespace
}  // namespace podkeeper::runtime
