#include "pkg/cmap/write_flag.h"

#include "pkg/base/panic.h"
#include "pkg/base/ref.h"
#include "pkg/base/task_context.h"
#include "pkg/cmap/copy_on_write_map.h"
#include "pkg/cmap/flat_table.h"
#include "pkg/cmap/map.h"
#include "pkg/cmap/split_table.h"
#include "pkg/cmap/sync_map.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <thread>
#include <vector>

#include "tests/base/sanitized.h"
#include "tests/cmap/support/text_record.h"
#include "tests/faults/record.h"

namespace podkeeper::cmap {
namespace {

using base::TaskContext;

base::Ref<TaskContext> task(const std::string& name) {
  return base::make_ref<TaskContext>(1u, 0u, name, base::Handler::kThread, base::MonotonicTime{},
                                     std::source_location::current());
}

/// The misuse that `body` ends in, run as a task of its own on a thread of its own.
std::optional<base::Misuse> misuse_of(const std::function<void()>& body) {
  std::optional<base::Misuse> caught;
  std::thread([&] {
    const auto late = task("late");
    const base::TaskScope scope(late.get());
    try {
      body();
    } catch (const base::Misuse& misuse) {
      caught = misuse;
    }
  }).join();
  return caught;
}

/// Says who did what, by whom started, and where.
void expect_both_named(const std::optional<base::Misuse>& misuse, const std::string& doing) {
  ASSERT_TRUE(misuse.has_value());
  EXPECT_EQ(misuse->kind(), base::PanicKind::kMisuse);
  ASSERT_EQ(misuse->parties().size(), 2U);
  EXPECT_EQ(misuse->parties()[0].doing, doing);
  EXPECT_EQ(misuse->parties()[0].task_name, "late");
  EXPECT_EQ(misuse->parties()[1].doing, "write");
  EXPECT_EQ(misuse->parties()[1].task_name, "early");
  for (const base::MisuseParty& party : misuse->parties()) {
    EXPECT_TRUE(party.created_by.starts_with(std::string(__FILE__) + ":")) << party.created_by;
    EXPECT_TRUE(party.call_site.starts_with(std::string(__FILE__) + ":")) << party.call_site;
    EXPECT_NE(party.call_site, party.created_by);
  }
}

/// A write by a task "early" that goes on while `meanwhile` runs.
void write_while(WriteFlag& flag, const std::function<void()>& meanwhile) {
  const auto early = task("early");
  const base::TaskScope scope(early.get());
  Caller::mine().at(std::source_location::current());
  flag.write([&] {
    meanwhile();
    return true;
  });
}

TEST(WriteFlag, RefusesASecondWriterAndNamesBoth) {
  WriteFlag flag;
  write_while(flag, [&] {
    expect_both_named(misuse_of([&] {
                        Caller::mine().at(std::source_location::current());
                        flag.write([] { return true; });
                      }),
                      "write");
  });
  EXPECT_TRUE(flag.write([] { return true; })) << "the first goes on undisturbed";
  faults::record({.row = 38,
                  .outcome = "the second writer panics and both are named; the first goes on",
                  .evidence = "podkeeper_map_misuse_total; panic_recovered",
                  .recovery = {}});
}

TEST(WriteFlag, RefusesToIterateWhileAnotherWrites) {
  WriteFlag flag;
  write_while(flag, [&] {
    expect_both_named(misuse_of([&] {
                        Caller::mine().at(std::source_location::current());
                        flag.read([] { return true; });
                      }),
                      "iteration");
  });
}

TEST(WriteFlag, RefusesAnIterationThatAWriterBrokeInto) {
  WriteFlag flag;
  std::atomic<int> step{0};
  std::thread writer;
  const auto misuse = misuse_of([&] {
    Caller::mine().at(std::source_location::current());
    flag.read([&] {
      writer = std::thread([&] {
        write_while(flag, [&] {
          step = 1;
          while (step != 2) std::this_thread::yield();
        });
      });
      while (step != 1) std::this_thread::yield();
      return true;
    });
  });
  step = 2;
  writer.join();
  expect_both_named(misuse, "iteration");
}

TEST(WriteFlag, NamesAThreadOutsideAnyTask) {
  WriteFlag flag;
  flag.write([&] {
    const auto misuse = misuse_of([&] { flag.write([] { return true; }); });
    EXPECT_EQ(misuse->parties().at(1).task_id, 0U);
    EXPECT_NE(std::string(misuse->what()).find("met write outside any task"), std::string::npos)
        << misuse->what();
    return true;
  });
}

TEST(WriteFlag, IsAlwaysOnInAFlatTable) {
  FlatTable table;
  write_while(table.flag(), [&] {
    const auto record = testing::text("a", 1);
    FlatTable::Spare spare;
    expect_both_named(misuse_of([&] {
                        Caller::mine().at(std::source_location::current());
                        (void)table.apply({.key = record->key(), .record = record.get()}, spare);
                      }),
                      "write");
    EXPECT_EQ(table.find(record->key()), nullptr) << "nothing was changed";
    std::vector<const Record*> out;
    expect_both_named(misuse_of([&] {
                        Caller::mine().at(std::source_location::current());
                        std::optional<std::uint64_t> position = 0;
                        (void)table.collect(&position, &out);
                      }),
                      "iteration");
  });
}

TEST(WriteFlag, IsAlwaysOnInEachSegment) {
  SplitTable table({.depth = 1});
  const auto record = testing::text_with_hash("a", 1, 0);
  Segment& segment = table.segment_for(0);
  write_while(segment.flag, [&] {
    Spare spare;
    const auto write = [&](std::uint64_t hash) {
      Caller::mine().at(std::source_location::current());
      const Key key{"b", hash};
      (void)table.apply({.key = key}, hash, table.segment_for(hash), spare);
    };
    expect_both_named(misuse_of([&] { write(0); }), "write");
    EXPECT_FALSE(misuse_of([&] { write(~std::uint64_t{0}); }).has_value()) << "another segment";
    std::vector<const Record*> out;
    expect_both_named(misuse_of([&] {
                        Caller::mine().at(std::source_location::current());
                        std::optional<std::uint64_t> position = 0;
                        (void)table.collect(segment, &position, &out);
                      }),
                      "iteration");
  });
}

/// That what needs the lock of `map` panics while a lock that did not guard it lets another write.
template <class M>
void expect_guarded(M& map, WriteFlag& flag) {
  const auto late = [&](auto&& act) {
    return misuse_of([&] {
      Caller::mine().at(std::source_location::current());
      act();
    });
  };
  const Key known = make_key("known");
  map.put(testing::text("known", 1));
  map.find(base::Epoch::Guard(), known);  // so that no later find wants to promote it
  write_while(flag, [&] {
    expect_both_named(late([&] { map.put(testing::text("new", 1)); }), "write");
    const base::Epoch::Guard guard;
    const auto look = [](const Record&) {};
    expect_both_named(late([&] { map.for_each_from(guard, known.hash, look); }), "iteration");
    EXPECT_NE(map.find(guard, known), nullptr) << "readers need no lock";
  });
  EXPECT_TRUE(map.put(testing::text("new", 1))) << "nothing was changed, and no lock is left held";
}

/// "new" and "known" in one part.
class OnePart {
 public:
  const Record* find(const base::Epoch::Guard& guard, const Key& key) const {
    return map_.find(guard, placed(key));
  }
  bool put(base::Ref<const testing::Text> record) {
    return map_.put(testing::text_with_hash(record->key_text(), 1, placed(record->key()).hash));
  }
  void for_each_from(const base::Epoch::Guard& guard, std::uint64_t,
                     const std::function<void(const Record&)>& visit) const {
    map_.for_each_from(guard, 0, visit);
  }
  WriteFlag& flag() { return map_.flag({{}, 0}); }

 private:
  static Key placed(const Key& key) { return {key.text, key.hash >> SyncTable::kSkippedBits}; }
  SyncMap map_;
};

TEST(WriteFlag, IsAlwaysOnInEachPartOfSyncMap) {
  OnePart map;
  expect_guarded(map, map.flag());
  SyncMap other;
  other.flag({{}, 0}).write([&] {
    EXPECT_TRUE(other.put(testing::text_with_hash("a", 1, ~std::uint64_t{0}))) << "another part";
    return true;
  });
}

TEST(WriteFlag, RefusesAPromotionWhileAnotherWrites) {
  SyncMap map;
  map.put(testing::text_with_hash("a", 1, 0));
  write_while(map.flag({{}, 0}), [&] {
    const auto misuse = misuse_of([&] { map.find(base::Epoch::Guard(), {"a", 0}); });
    ASSERT_TRUE(misuse.has_value()) << "the first miss promotes";
    EXPECT_EQ(misuse->parties().at(1).task_name, "early");
  });
  EXPECT_NE(map.find(base::Epoch::Guard(), {"a", 0}), nullptr);
  EXPECT_EQ(map.levels().promotions, 1u) << "the mutex was given back";
}

TEST(WriteFlag, IsAlwaysOnInCopyOnWrite) {
  CopyOnWriteMap map;
  expect_guarded(map, map.flag());
  map.flag().write([&] {
    const auto misuse = misuse_of([&] { (void)map.snapshot(); });
    EXPECT_TRUE(misuse.has_value()) << "a snapshot amid a write";
    return true;
  });
}

// Using what is no map is undefined, and UndefinedBehaviorSanitizer ends the program at it: the
// flag is for the builds without one.
#if !PK_ADDRESS_SANITIZER

using Handle = Map<testing::Text>;
/// Memory for a map, all zero as of a static one before its constructor runs.
struct Memory {
  Handle& as_map() { return *reinterpret_cast<Handle*>(bytes.data()); }
  alignas(Handle) std::array<std::byte, sizeof(Handle)> bytes{};
};

std::string what_of_use(Handle& map) {
  std::string all;
  const auto attempt = [&](auto&& use) {
    try {
      use();
    } catch (const base::Misuse& misuse) {
      EXPECT_EQ(misuse.parties().size(), 1U) << "there is no second";
      const std::string why = misuse.what();
      all += why.substr(0, why.find(':')) + ";";
    }
  };
  attempt([&]() { map.put(testing::text("a", 1)); });
  attempt([&]() { map.find(base::Epoch::Guard(), make_key("a")); });
  attempt([&]() { map.for_each(base::Epoch::Guard(), [](const auto&) {}); });
  return all;
}

TEST(WriteFlag, RefusesAMapThatIsNotMadeYet) {
  Memory memory;
  EXPECT_EQ(what_of_use(memory.as_map()),
            "a map is used that is not made yet;a map is used that is not made yet;"
            "a map is used that is not made yet;");
}

TEST(WriteFlag, RefusesAMapThatIsGone) {
  Memory memory;
  std::destroy_at(std::construct_at(&memory.as_map()));
  EXPECT_EQ(what_of_use(memory.as_map()),
            "a map is used that is gone;a map is used that is gone;a map is used that is gone;");
}

#endif

}  // namespace
}  // namespace podkeeper::cmap
