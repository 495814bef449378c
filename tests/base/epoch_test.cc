#include "pkg/base/epoch.h"

#include "pkg/base/ref.h"
#include "pkg/base/task_context.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

#include "tests/faults/record.h"

namespace podkeeper::base {
namespace {

/// A record that tells when it is freed, and holds a value that a freed one no longer has.
struct Record : RefCounted {
  explicit Record(std::atomic<int>& f) : freed(f) {}
  ~Record() {
    value = 0;
    ++freed;
  }
  std::atomic<int>& freed;
  std::atomic<std::uint64_t> value{42};
};

void retire_one(std::atomic<int>& freed) { Epoch::retire(make_ref<Record>(freed)); }

/// Frees what earlier tests left.
class EpochTest : public testing::Test {
 protected:
  EpochTest() { collect_all(); }
  static void collect_all() {
    while (Epoch::pending().records > 0 && Epoch::collect() > 0) {
    }
  }
  std::atomic<int> freed_{0};
};

TEST_F(EpochTest, FreesARetiredRecordOnceNoGuardIsHeld) {
  retire_one(freed_);
  EXPECT_EQ(Epoch::pending().records, 1u);
  EXPECT_EQ(Epoch::pending().bytes, sizeof(Record));
  EXPECT_EQ(Epoch::collect(), 1u);
  EXPECT_EQ(freed_, 1);
  EXPECT_EQ(Epoch::pending().records, 0u);
  EXPECT_EQ(Epoch::pending().bytes, 0u);
}

TEST_F(EpochTest, KeepsARecordWhileAGuardFromBeforeIsHeld) {
  {
    const Epoch::Guard guard;
    retire_one(freed_);
    EXPECT_EQ(Epoch::collect(), 0u);
    EXPECT_EQ(freed_, 0);
  }
  EXPECT_EQ(Epoch::collect(), 1u);
  EXPECT_EQ(freed_, 1);
}

TEST_F(EpochTest, AnInnerGuardDoesNotEndTheOuterOne) {
  {
    const Epoch::Guard outer;
    {
      const Epoch::Guard inner;
    }
    retire_one(freed_);
    Epoch::collect();
    EXPECT_EQ(freed_, 0);
  }
  Epoch::collect();
  EXPECT_EQ(freed_, 1);
}

TEST_F(EpochTest, AGuardEnteredAfterTheBatchWasSealedDoesNotHoldItBack) {
  retire_one(freed_);
  {
    const Epoch::Guard old;
    Epoch::collect();  // seals: the old guard could see the record
    EXPECT_EQ(freed_, 0);
  }
  const Epoch::Guard fresh;
  Epoch::collect();
  EXPECT_EQ(freed_, 1);
}

TEST_F(EpochTest, AGuardOfAnotherThreadHoldsBack) {
  std::atomic<int> stage{0};
  std::jthread other([&] {
    const Epoch::Guard guard;
    stage = 1;
    stage.notify_all();
    stage.wait(1);
  });
  stage.wait(0);
  retire_one(freed_);
  Epoch::collect();
  EXPECT_EQ(freed_, 0);
  stage = 2;
  stage.notify_all();
  other.join();
  Epoch::collect();
  EXPECT_EQ(freed_, 1);
}

TEST_F(EpochTest, FreesByItselfAFewRecordsAtATime) {
  constexpr auto kBatch = static_cast<int>(Epoch::kRetireBatch);
  int freed_at_most = 0;
  for (int i = 0; i < 20 * kBatch; ++i) {
    const int before = freed_;
    retire_one(freed_);
    freed_at_most = std::max(freed_at_most, freed_ - before);
    ASSERT_LE(i + 1 - freed_, 3 * kBatch) << "one batch is gathered, one sealed, one being freed";
  }
  EXPECT_EQ(freed_at_most, 1);
  collect_all();
  EXPECT_EQ(freed_, 20 * kBatch);
}

TEST_F(EpochTest, FreesFasterThanItRetiresWhatAGuardHeldBack) {
  constexpr auto kBatch = static_cast<int>(Epoch::kRetireBatch);
  {
    const Epoch::Guard guard;
    for (int i = 0; i < 10 * kBatch; ++i) retire_one(freed_);
  }
  EXPECT_EQ(freed_, 0);
  int freed_at_most = 0;
  for (int i = 0; i < 11 * kBatch; ++i) {
    const int before = freed_;
    retire_one(freed_);
    freed_at_most = std::max(freed_at_most, freed_ - before);
  }
  EXPECT_EQ(freed_at_most, static_cast<int>(Epoch::kFreesPerRetire));
  EXPECT_LE(Epoch::pending().records, 3 * Epoch::kRetireBatch);
  collect_all();
  EXPECT_EQ(freed_, 21 * kBatch);
}

TEST_F(EpochTest, CollectsABatchThatIsBeingFreed) {
  constexpr auto kBatch = static_cast<int>(Epoch::kRetireBatch);
  for (int i = 0; i < 2 * kBatch + 10; ++i) retire_one(freed_);
  EXPECT_GT(freed_, 0);
  EXPECT_LT(freed_, kBatch);
  const auto waiting = static_cast<std::size_t>(2 * kBatch + 10 - freed_);
  EXPECT_EQ(Epoch::pending().records, waiting);
  EXPECT_EQ(Epoch::pending().bytes, waiting * sizeof(Record));
  EXPECT_EQ(Epoch::collect(), waiting);
  EXPECT_EQ(freed_, 2 * kBatch + 10);
}

TEST_F(EpochTest, CollectsWhatAnotherThreadRetiredWhileThatThreadRests) {
  std::atomic<int> stage{0};
  std::jthread other([&] {
    retire_one(freed_);
    stage = 1;
    stage.notify_all();
    stage.wait(1);
  });
  stage.wait(0);
  EXPECT_EQ(Epoch::collect(), 1u);
  EXPECT_EQ(freed_, 1);
  EXPECT_EQ(Epoch::pending().records, 0u);
  stage = 2;
  stage.notify_all();
}

TEST_F(EpochTest, ARecordMayRetireAndCollectWhileItIsFreed) {
  struct Chain : RefCounted {
    Chain(std::atomic<int>& f, int depth) : freed(f), left(depth) {}
    ~Chain() {
      ++freed;
      if (left > 0) Epoch::retire(make_ref<Chain>(freed, left - 1));
      EXPECT_EQ(Epoch::collect(), 0u) << "one that frees must not wait for itself";
    }
    std::atomic<int>& freed;
    int left;
  };
  Epoch::retire(make_ref<Chain>(freed_, 3));
  collect_all();
  EXPECT_EQ(freed_, 4);
  EXPECT_EQ(Epoch::pending().bytes, 0u);
}

TEST_F(EpochTest, NamesTheTaskWhoseGuardIsOldest) {
  EXPECT_EQ(Epoch::oldest_holder(), std::nullopt);
  auto task =
      make_ref<TaskContext>(std::uint64_t{41}, std::uint64_t{0}, "list pods", Handler::kHttp,
                            MonotonicTime{}, std::source_location::current());
  std::atomic<int> stage{0};
  std::jthread other([&] {
    const TaskScope scope(task.get());
    const Epoch::Guard guard;
    stage = 1;
    stage.notify_all();
    stage.wait(1);
  });
  stage.wait(0);
  const auto first = Epoch::oldest_holder();
  (void)Epoch::mark();
  const Epoch::Guard younger;
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->task_id, 41u);
  EXPECT_EQ(Epoch::oldest_holder(), first);
  stage = 2;
  stage.notify_all();
  other.join();
  EXPECT_NE(Epoch::oldest_holder(), first) << "only the younger guard is left";
}

TEST_F(EpochTest, WhatWaitsStaysBoundedUnderASteadyWriterWithReadersComingAndGoing) {
  constexpr std::size_t kBytes = 16 << 10;
  constexpr int kRecords = 10'000;  // 160 MiB in all
  std::atomic<bool> stop{false};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        const Epoch::Guard guard;
        std::this_thread::yield();  // so that guards are preempted
      }
    });
  }
  std::size_t most = 0;
  for (int i = 0; i < kRecords; ++i) {
    Epoch::retire(make_ref<Record>(freed_), kBytes);
    most = std::max(most, Epoch::pending().bytes);
  }
  stop = true;
  readers.clear();
  EXPECT_LE(most, 2 * Epoch::kPendingBytesMax);
  collect_all();
  EXPECT_EQ(freed_, kRecords);
  EXPECT_EQ(Epoch::pending().bytes, 0u);
}

TEST_F(EpochTest, AWriterIsNotStoppedByAGuardThatStays) {
  std::atomic<int> stage{0};
  std::jthread other([&] {
    const Epoch::Guard guard;
    stage = 1;
    stage.notify_all();
    stage.wait(1);
  });
  stage.wait(0);
  // Says more bytes than there are, to be above the limit soon.
  constexpr std::size_t kBytes = 1 << 20;
  const std::size_t count = 2 * Epoch::kPendingBytesMax / kBytes;
  for (std::size_t i = 0; i < count; ++i) Epoch::retire(make_ref<Record>(freed_), kBytes);
  EXPECT_EQ(freed_, 0);
  EXPECT_EQ(Epoch::pending().bytes, count * kBytes);
  stage = 2;
  stage.notify_all();
  other.join();
  collect_all();
  EXPECT_EQ(freed_, static_cast<int>(count));
  faults::record(
      {.row = 34,
       .outcome = "what is retired waits, counted, and all of it is freed once the reader leaves",
       .evidence = "podkeeper_map_reclaim_pending_bytes",
       .recovery = {}});
}

TEST_F(EpochTest, WhatAThreadRetiredIsFreedAfterItsEnd) {
  std::jthread([&] { retire_one(freed_); }).join();
  Epoch::collect();
  EXPECT_EQ(freed_, 1);
}

TEST_F(EpochTest, ACountTakenUnderAGuardOutlivesTheGracePeriod) {
  Ref<Record> kept;
  {
    const Epoch::Guard guard;
    auto record = make_ref<Record>(freed_);
    Record* found = record.get();
    Epoch::retire(std::move(record));
    kept = Ref<Record>(found);
  }
  Epoch::collect();
  EXPECT_EQ(freed_, 0);
  EXPECT_EQ(kept->value, 42u);
  kept = {};
  EXPECT_EQ(freed_, 1);
}

TEST_F(EpochTest, ReadersOnThreadsNeverSeeAFreedRecord) {
  constexpr int kReplacements = 50'000;
  std::atomic<Record*> current{make_ref<Record>(freed_).release()};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> reads{0};
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        while (!stop.load(std::memory_order_relaxed)) {
          const Epoch::Guard guard;
          const Record* found = current.load(std::memory_order_acquire);
          if (found->value.load(std::memory_order_relaxed) != 42) ++wrong;
          ++reads;
        }
      });
    }
    std::vector<std::jthread> writers;
    for (int i = 0; i < 2; ++i) {
      writers.emplace_back([&] {
        for (int n = 0; n < kReplacements / 2; ++n) {
          auto next = make_ref<Record>(freed_);
          Epoch::retire(
              Ref<Record>::adopt(current.exchange(next.release(), std::memory_order_acq_rel)));
        }
      });
    }
    writers.clear();
    stop = true;
  }
  Epoch::retire(Ref<Record>::adopt(current.load()));
  collect_all();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(reads, 0u);
  EXPECT_EQ(freed_, kReplacements + 1);
}

TEST_F(EpochTest, AMarkHasPassedOnceTheGuardsOfItsTimeAreLeft) {
  std::optional<Epoch::Guard> before(std::in_place);
  const Epoch::Mark mark = Epoch::mark();
  EXPECT_FALSE(Epoch::passed(mark));
  std::binary_semaphore entered{0};
  std::binary_semaphore leave{0};
  std::thread later([&] {
    const Epoch::Guard guard;
    entered.release();
    leave.acquire();
  });
  entered.acquire();
  before.reset();
  EXPECT_TRUE(Epoch::passed(mark)) << "a guard that came later does not matter";
  leave.release();
  later.join();
}

}  // namespace
}  // namespace podkeeper::base
