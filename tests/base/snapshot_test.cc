#include "pkg/base/snapshot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace podkeeper::base {
namespace {

TEST(Snapshot, BeginsWithADefaultValueOrWithTheGivenOne) {
  EXPECT_EQ(*Snapshot<std::string>().read(), "");
  EXPECT_EQ(*Snapshot<std::string>(std::make_shared<const std::string>("first")).read(), "first");
}

TEST(Snapshot, AHeldValueStaysWhileANewOneIsPublished) {
  Snapshot<std::string> snapshot(std::make_shared<const std::string>("old"));
  const auto held = snapshot.read();
  snapshot.publish(std::make_shared<const std::string>("new"));
  EXPECT_EQ(*held, "old");
  EXPECT_EQ(*snapshot.read(), "new");
}

TEST(Snapshot, DestroysTheOldValueOutsideItsLock) {
  struct Value {
    Snapshot<Value>* asks = nullptr;
    explicit Value(Snapshot<Value>* s = nullptr) : asks(s) {}
    ~Value() {
      if (asks != nullptr) (void)asks->read();  // would wait for ever under the lock
    }
  };
  Snapshot<Value> snapshot;
  snapshot.publish(std::make_shared<const Value>(&snapshot));
  snapshot.publish(std::make_shared<const Value>());
}

TEST(Snapshot, ReadersOnThreadsSeeWholeValuesInTheOrderOfPublication) {
  using Pair = std::pair<int, int>;
  Snapshot<Pair> snapshot;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 2; ++i) {
      readers.emplace_back([&] {
        int last = 0;
        while (!stop) {
          const auto value = snapshot.read();
          if (value->first != value->second || value->first < last) ++wrong;
          last = value->first;
        }
      });
    }
    for (int i = 1; i <= 10'000; ++i) snapshot.publish(std::make_shared<const Pair>(i, i));
    stop = true;
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace podkeeper::base
