#include "pkg/cmap/writer_first.h"

#include "pkg/base/mutex.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/map.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

namespace podkeeper::cmap {
namespace {

template <class M>
class WriterFirstTest : public ::testing::Test {
 protected:
  Counters counters_;
  WriterFirst<M> mutex_;
};
using Locks = ::testing::Types<base::Mutex, base::SharedMutex>;
TYPED_TEST_SUITE(WriterFirstTest, Locks);

TYPED_TEST(WriterFirstTest, LetsAWriterThatWaitsPassBeforeAReaderThatComesLater) {
  std::string order;  // written under the lock, or by the only reader after the only writer
  std::atomic<bool> reader_is_here{false};
  std::jthread writer;
  std::jthread reader;
  {
    ReadLock<TypeParam> first(this->mutex_, this->counters_);
    writer = std::jthread([&] {
      WriteLock<TypeParam> lock(this->mutex_, this->counters_);
      order += 'w';
    });
    while (this->mutex_.writers_waiting() == 0) std::this_thread::yield();
    reader = std::jthread([&] {
      reader_is_here = true;
      ReadLock<TypeParam> lock(this->mutex_, this->counters_);
      order += 'r';
    });
    while (!reader_is_here) std::this_thread::yield();
    // A reader that does not let the writer pass would get in here, beside the first.
    for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
  }
  writer.join();
  reader.join();
  EXPECT_EQ(order, "wr");
  MapStats stats;
  this->counters_.report(stats);
  EXPECT_GE(stats.contended, 1u);
}

TYPED_TEST(WriterFirstTest, LetsAReaderThroughEndlessWriters) {
  std::atomic<bool> done{false};
  const auto write_until_done = [&] {
    while (!done) {
      const WriteLock<TypeParam> lock(this->mutex_, this->counters_);
    }
  };
  std::jthread one(write_until_done);
  std::jthread two(write_until_done);
  for (int i = 0; i < 100; ++i) {
    const ReadLock<TypeParam> lock(this->mutex_, this->counters_);
  }
  done = true;
}

TEST(WriterFirst, LetsReadersShareASharedMutex) {
  Counters counters;
  WriterFirst<base::SharedMutex> mutex;
  ReadLock<base::SharedMutex> mine(mutex, counters);
  std::jthread([&] { ReadLock<base::SharedMutex> other(mutex, counters); }).join();
  MapStats stats;
  counters.report(stats);
  EXPECT_EQ(stats.contended, 0u);
}

}  // namespace
}  // namespace podkeeper::cmap
