#include "pkg/base/epoch.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/map.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using testing::Text;
using testing::text;

std::string name(std::uint64_t i) { return "ns/" + std::to_string(i); }

/// The contract of ConcurrentMap under many threads; also what the sanitizers look at.
class MapUnderThreads : public ::testing::TestWithParam<Strategy> {
 protected:
  static void run(std::uint64_t threads, const std::function<void(std::uint64_t)>& body) {
    std::barrier start(static_cast<std::ptrdiff_t>(threads));
    std::vector<std::jthread> all;
    for (std::uint64_t t = 0; t < threads; ++t) {
      all.emplace_back([&body, &start, t] {
        start.arrive_and_wait();
        body(t);
      });
    }
  }

  Map<Text> map_{MapOptions{.strategy = GetParam(), .shards = 2}};
};

INSTANTIATE_TEST_SUITE_P(Strategies, MapUnderThreads, ::testing::ValuesIn(kStrategies),
                         [](const auto& each) { return to_string(each.param); });

TEST_P(MapUnderThreads, NeverTakesAReaderBackInTime) {
  constexpr std::uint64_t kKeys = 8;
  constexpr std::uint64_t kRounds = 4'000;
  std::atomic<bool> done{false};
  run(4, [&](std::uint64_t thread) {
    if (thread == 0) {
      for (std::uint64_t round = 1; round <= kRounds; ++round) {
        for (std::uint64_t k = 0; k < kKeys; ++k) map_.put(text(name(k), round));
      }
      done = true;
      return;
    }
    std::vector<std::uint64_t> last(kKeys, 0);
    while (!done) {
      const Epoch::Guard guard;
      for (std::uint64_t k = 0; k < kKeys; ++k) {
        const Text* found = map_.find(guard, make_key(name(k)));
        if (found == nullptr) continue;
        ASSERT_EQ(found->key_text(), name(k));
        ASSERT_GE(found->value(), last[k]);
        last[k] = found->value();
      }
    }
  });
}

TEST_P(MapUnderThreads, FindsAKeyThatStaysWhileTheTableGrowsAndShrinks) {
  map_.put(text("stays", 1));
  std::atomic<bool> done{false};
  run(3, [&](std::uint64_t thread) {
    if (thread == 0) {
      for (int wave = 0; wave < 6; ++wave) {
        for (std::uint64_t i = 0; i < 3'000; ++i) map_.put(text(name(i), 1));
        for (std::uint64_t i = 0; i < 3'000; ++i) map_.erase(make_key(name(i)));
      }
      done = true;
      return;
    }
    const Key key = make_key("stays");
    while (!done) {
      const Epoch::Guard guard;
      const Text* found = map_.find(guard, key);
      ASSERT_NE(found, nullptr);
      ASSERT_EQ(found->value(), 1u);
    }
  });
}

TEST_P(MapUnderThreads, LosesNoConditionalUpdate) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kAdditions = 3'000;
  const Key key = make_key("counter");
  map_.put(text("counter", 0));
  run(kThreads, [&](std::uint64_t) {
    for (std::uint64_t i = 0; i < kAdditions; ++i) {
      for (bool added = false; !added;) {
        const Epoch::Guard guard;
        const Text* found = map_.find(guard, key);
        added = map_.compare_and_put(guard, found, text("counter", found->value() + 1));
      }
    }
  });
  const Epoch::Guard guard;
  EXPECT_EQ(map_.find(guard, key)->value(), kThreads * kAdditions);
}

TEST_P(MapUnderThreads, CreditsEachPutAndEraseToOneThread) {
  std::atomic<std::int64_t> balance{0};
  run(4, [&](std::uint64_t thread) {
    std::int64_t mine = 0;
    for (std::uint64_t i = 0; i < 8'000; ++i) {
      const std::uint64_t k = i * (thread + 3) % 7;
      if ((i + thread) % 2 == 0) {
        mine += map_.put(text(name(k), i)) ? 1 : 0;
      } else {
        mine -= map_.erase(make_key(name(k))) ? 1 : 0;
      }
    }
    balance += mine;
  });
  EXPECT_EQ(static_cast<std::int64_t>(map_.size()), balance);
}

TEST_P(MapUnderThreads, ShowsAWalkEveryKeyThatStaysOnce) {
  constexpr std::uint64_t kStaying = 500;
  for (std::uint64_t i = 0; i < kStaying; ++i) map_.put(text(name(i), 0));
  std::atomic<bool> done{false};
  run(3, [&](std::uint64_t thread) {
    if (thread != 0) {
      for (std::uint64_t i = 0; !done; i = (i + 1) % 4'000) {
        const std::uint64_t k = kStaying * 10 * thread + i % 2'000;
        if (i < 2'000) {
          map_.put(text(name(k), 0));
        } else {
          map_.erase(make_key(name(k)));
        }
        map_.put(text(name(i % kStaying), i));
      }
      return;
    }
    for (int walk = 0; walk < 40; ++walk) {
      std::vector<int> seen(kStaying, 0);
      map_.for_each(Epoch::Guard(), [&](const Text& record) {
        const std::uint64_t k = std::stoull(std::string(record.key_text().substr(3)));
        if (k < kStaying) ++seen[k];
      });
      EXPECT_EQ(seen, std::vector<int>(kStaying, 1));
    }
    done = true;
  });
}

TEST_P(MapUnderThreads, LetsAWriterThroughEndlessReadersAndWalks) {
  for (std::uint64_t i = 0; i < 200; ++i) map_.put(text(name(i), 0));
  std::atomic<bool> done{false};
  std::atomic<int> rounds{0};
  run(5, [&](std::uint64_t thread) {
    if (thread == 0) {
      while (rounds < 20) std::this_thread::yield();
      // The readers go on until the writer is through: a writer that starves never ends this test.
      for (std::uint64_t i = 0; i < 2'000; ++i) map_.put(text(name(i % 200), i));
      done = true;
      return;
    }
    while (!done) {
      const Epoch::Guard guard;
      if (thread == 1) {
        map_.for_each(guard, [](const Text&) {});
      } else {
        for (std::uint64_t i = 0; i < 200; ++i) map_.find(guard, make_key(name(i)));
      }
      ++rounds;
    }
  });
}

TEST_P(MapUnderThreads, FreesEveryRecordOnce) {
  Epoch::collect();
  ASSERT_EQ(Text::alive, 0);
  {
    Map<Text> map(MapOptions{.strategy = GetParam(), .shards = 2});
    run(4, [&](std::uint64_t thread) {
      for (std::uint64_t i = 0; i < 5'000; ++i) {
        const Epoch::Guard guard;
        const Key key = make_key("shared");
        const Text* found = map.find(guard, key);
        if (i % 3 == 0) {
          map.put(text("shared", thread));
        } else if (i % 3 == 1) {
          map.compare_and_erase(guard, key, found);
        } else {
          map.compare_and_put(guard, found, text("shared", thread));
        }
        if (found != nullptr) {
          ASSERT_LT(found->value(), 4u);
        }
      }
    });
  }
  Epoch::collect();
  EXPECT_EQ(Text::alive, 0);
}

TEST(Counters, AreExactOverMoreThreadsThanLines) {
  Counters counters;
  {
    std::atomic<std::size_t> running{0};
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < Counters::kStripes + 8; ++t) {
      threads.emplace_back([&] {
        counters.add(Counters::kFinds);
        // All hold their line at once, so that some must share.
        ++running;
        while (running < Counters::kStripes + 8) std::this_thread::yield();
        for (int i = 0; i < 1'000; ++i) counters.add(Counters::kFinds);
      });
    }
  }
  MapStats stats;
  counters.report(stats);
  EXPECT_EQ(stats.finds, (Counters::kStripes + 8) * 1'001);
}

}  // namespace
}  // namespace podkeeper::cmap
