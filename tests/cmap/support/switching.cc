#include "tests/cmap/support/switching.h"

#include <functional>
#include <utility>

namespace podkeeper::cmap::testing {
namespace {

using base::Epoch;
using detail::AnyMap;
using detail::Switchover;
using RecordRef = base::Ref<const Record>;

/// A table that gives the processor away before a write once in a while: a thread may be preempted
/// there at any time, and on few cores it seldom is.
class Yielding final : public ForwardingMap<> {
 public:
  explicit Yielding(std::unique_ptr<AnyMap> right)
      : ForwardingMap(*right), owned_(std::move(right)) {}

  bool put(RecordRef record) override {
    yield();
    return right_.put(std::move(record));
  }
  bool erase(const Key& key) override {
    yield();
    return right_.erase(key);
  }
  bool compare_and_put(const Epoch::Guard& guard, const Record* expected,
                       RecordRef record) override {
    yield();
    return right_.compare_and_put(guard, expected, std::move(record));
  }
  bool compare_and_erase(const Epoch::Guard& guard, const Key& key,
                         const Record* expected) override {
    yield();
    return right_.compare_and_erase(guard, key, expected);
  }
  void put_absent(const Epoch::Guard& guard, std::span<const Record* const> records) override {
    for (std::size_t i = 0; i < records.size(); ++i) {
      yield();
      right_.put_absent(guard, records.subspan(i, 1));
    }
  }
  void for_each(const Epoch::Guard& guard,
                const std::function<void(const Record&)>& visit) const override {
    for (std::optional<std::uint64_t> at = 0; at;) {
      at = right_.for_each_from(guard, *at, visit);
      std::this_thread::yield();
    }
  }

 private:
  static void yield() {
    thread_local unsigned calls = 0;
    if (++calls % 16 == 0) std::this_thread::yield();
  }
  const std::unique_ptr<AnyMap> owned_;
};

class Gated final : public ForwardingMap<> {
 public:
  Gated(std::unique_ptr<AnyMap> right, Gate& gate)
      : ForwardingMap(*right), owned_(std::move(right)), gate_(gate) {}

  bool put(RecordRef record) override {
    gate_.arrived = true;
    gate_.arrived.notify_all();
    gate_.open.wait(false);
    return right_.put(std::move(record));
  }

 private:
  const std::unique_ptr<AnyMap> owned_;
  Gate& gate_;
};

class Broken final : public Switchover {
 public:
  Broken(SwitchBug bug, std::atomic<AnyMap*>& current, std::unique_ptr<AnyMap> to,
         Counters& counters)
      : Switchover(current, std::make_unique<Yielding>(std::move(to)), counters), bug_(bug) {}

  bool put(const Epoch::Guard& guard, RecordRef record) override {
    const bool lie = bug_ == SwitchBug::kAnswersFromTheNewTable && route() == Route::kBoth &&
                     idle().find(guard, record->key()) == nullptr;
    return Switchover::put(guard, std::move(record)) || lie;
  }
  bool compare_and_put(const Epoch::Guard& guard, const Record* expected,
                       RecordRef record) override {
    if (bug_ == SwitchBug::kLostCompareAndPut && route() == Route::kBoth && now()) {
      return from_.compare_and_put(guard, expected, std::move(record));
    }
    const bool done = Switchover::compare_and_put(guard, expected, record);
    if (!done && bug_ == SwitchBug::kMirrorsARefusedPut && route() == Route::kBoth) {
      to_.put(std::move(record));
    }
    return done;
  }
  bool compare_and_erase(const Epoch::Guard& guard, const Key& key,
                         const Record* expected) override {
    if (bug_ == SwitchBug::kLostCompareAndErase && route() == Route::kBoth && now()) {
      return from_.compare_and_erase(guard, key, expected);
    }
    return Switchover::compare_and_erase(guard, key, expected);
  }

  [[nodiscard]] bool grace_over(Epoch::Mark mark) const override {
    const bool before_copy = idle_is_new_;
    if (bug_ == SwitchBug::kNoGraceBeforeCopy && before_copy) return true;
    if (bug_ == SwitchBug::kEarlyFree && !before_copy) return true;
    return Switchover::grace_over(mark);
  }
  std::optional<std::uint64_t> copy_stretches(std::uint64_t position, std::size_t budget,
                                              std::size_t* copied) override {
    ++stretches_;
    if (bug_ == SwitchBug::kFlipBeforeCopyEnds && stretches_ > 2) return std::nullopt;
    const bool skip = bug_ == SwitchBug::kSkippedStretch && stretches_ == 2;
    if (!skip) return Switchover::copy_stretches(position, budget, copied);
    const Epoch::Guard guard;
    return from_.for_each_from(guard, position, [](const Record&) {});
  }
  void flip() override {
    idle_is_new_ = false;
    if (bug_ == SwitchBug::kFlipAmongWriters) return change_tables();
    if (bug_ == SwitchBug::kEarlyLoneWriters) {
      set_route(Route::kOld);
      for (int i = 0; i < 8; ++i) std::this_thread::yield();
    }
    Switchover::flip();
  }
  std::optional<std::uint64_t> dismantle_stretch(std::uint64_t position,
                                                 std::size_t* erased) override {
    if (bug_ == SwitchBug::kLeak) leak(position);
    if (bug_ == SwitchBug::kDoubleRetire) drop_twice(position);
    return Switchover::dismantle_stretch(position, erased);
  }

 protected:
  [[nodiscard]] std::size_t stripe_of(const Key& key) const override {
    if (bug_ != SwitchBug::kStripeMismatch) return Switchover::stripe_of(key);
    return (Switchover::stripe_of(key) + std::hash<std::thread::id>()(std::this_thread::get_id())) %
           kStripes;
  }
  void copy(const Epoch::Guard& guard, std::span<const Record* const> seen) override {
    switch (bug_) {
      case SwitchBug::kLostUpdateInCopy:
      case SwitchBug::kResurrectedDelete:
        for (const Record* record : seen) copy_without_stripe(guard, *record);
        return;
      case SwitchBug::kCopyWithoutReread:
        to_.put_absent(guard, seen);
        return;
      default:
        Switchover::copy(guard, seen);
    }
  }
  void mirror_put(RecordRef record) noexcept override {
    yield();
    if (bug_ == SwitchBug::kMissedDoubleWrite && now()) return;
    Switchover::mirror_put(std::move(record));
  }
  void mirror_erase(const Key& key) noexcept override {
    yield();
    if (bug_ == SwitchBug::kSecondaryNotErased && now()) return;
    Switchover::mirror_erase(key);
  }

 private:
  bool now() { return calls_.fetch_add(1, std::memory_order_relaxed) % 16 == 0; }
  void yield() {
    if (yields_.fetch_add(1, std::memory_order_relaxed) % 8 == 0) std::this_thread::yield();
  }
  void copy_without_stripe(const Epoch::Guard& guard, const Record& seen) {
    RecordRef held(from_.find(guard, seen.key()));
    const bool filler = seen.key_text().starts_with("filler");
    for (int i = 0; i < 4 && !filler; ++i) std::this_thread::yield();
    if (!held) return;
    if (bug_ == SwitchBug::kLostUpdateInCopy) {
      to_.put(std::move(held));
    } else {
      to_.compare_and_put(guard, nullptr, std::move(held));
    }
  }
  void leak(std::uint64_t position) {
    const Epoch::Guard guard;
    idle().for_each_from(guard, position, [](const Record& record) { record.add_ref(); });
  }
  void drop_twice(std::uint64_t position) {
    const Epoch::Guard guard;
    idle().for_each_from(guard, position,
                         [](const Record& record) { Epoch::retire(RecordRef::adopt(&record)); });
  }

  const SwitchBug bug_;
  bool idle_is_new_ = true;
  std::size_t stretches_ = 0;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> yields_{0};
};

}  // namespace

const char* to_string(SwitchBug bug) {
  constexpr const char* kNames[] = {"None",
                                    "MissedDoubleWrite",
                                    "SecondaryNotErased",
                                    "LostCompareAndPut",
                                    "LostCompareAndErase",
                                    "MirrorsARefusedPut",
                                    "AnswersFromTheNewTable",
                                    "LostUpdateInCopy",
                                    "ResurrectedDelete",
                                    "CopyWithoutReread",
                                    "StripeMismatch",
                                    "NoGraceBeforeCopy",
                                    "FlipBeforeCopyEnds",
                                    "SkippedStretch",
                                    "FlipAmongWriters",
                                    "EarlyLoneWriters",
                                    "EarlyFree",
                                    "DoubleRetire",
                                    "Leak",
                                    "WalkShowsBothTables"};
  return kNames[static_cast<std::size_t>(bug)];
}

SwitchedMap::MakeSwitchover make_switchover(SwitchBug bug) {
  return [bug](std::atomic<AnyMap*>& current, std::unique_ptr<AnyMap> to, Counters& counters) {
    return std::make_unique<Broken>(bug, current, std::move(to), counters);
  };
}

SwitchedMap::MakeSwitchover make_gated(Gate& gate) {
  return [&gate](std::atomic<AnyMap*>& current, std::unique_ptr<AnyMap> to, Counters& counters) {
    return std::make_unique<Switchover>(current, std::make_unique<Gated>(std::move(to), gate),
                                        counters);
  };
}

void Switching::for_each(const Epoch::Guard& guard,
                         const std::function<void(const Record&)>& visit) const {
  map_.for_each(guard, visit);
  const bool copying = map_.stats().migration == MigrationPhase::kCopying;
  if (bug_ == SwitchBug::kWalkShowsBothTables && copying) map_.for_each(guard, visit);
}

bool run_to_end(SwitchedMap& map, const MapOptions& to, std::size_t budget,
                const SwitchedMap::MakeSwitchover& make) {
  auto migration = map.migrate(to, make);
  if (!migration) return false;
  for (;;) {
    switch (migration->step(budget)) {
      case Migration::Step::kDone:
        return true;
      case Migration::Step::kWaiting:
      case Migration::Step::kMore:
        std::this_thread::yield();
    }
  }
}

Swapper::Swapper(SwitchedMap& map, Options options)
    : thread_([this, &map, options = std::move(options)](const std::stop_token& stop) {
        for (std::size_t i = 0; !stop.stop_requested(); ++i) {
          const MapOptions& to = options.route[i % options.route.size()];
          if (!run_to_end(map, to, options.budget, options.make)) return;
          ++swaps_;
          options.pause();
        }
      }) {}

std::vector<Change> every_change() {
  std::vector<Change> all;
  for (const Strategy from : kStrategies) {
    for (const Strategy to : kStrategies) {
      all.push_back({{.strategy = from, .shards = 4}, {.strategy = to, .shards = 4}});
    }
  }
  all.push_back({{.shards = 2}, {.shards = 32}});
  all.push_back({{.shards = 32}, {.shards = 1}});
  all.push_back({{.shards = 4}, {.shards = 4, .hash = Hash::kFNV1a}});
  all.push_back({{.strategy = Strategy::kMutex, .hash = Hash::kFNV1a}, {.shards = 4}});
  all.push_back({{.strategy = Strategy::kSyncMap, .hash = Hash::kFNV1a},
                 {.strategy = Strategy::kCopyOnWrite, .hash = Hash::kFNV1a}});
  all.push_back({{.strategy = Strategy::kCopyOnWrite, .hash = Hash::kFNV1a},
                 {.strategy = Strategy::kSyncMap}});
  return all;
}

std::string to_string(const Change& change) {
  const auto name = [](const MapOptions& options) {
    return std::string(cmap::to_string(options.strategy)) + std::to_string(options.shards) +
           cmap::to_string(options.hash);
  };
  return name(change.from) + "To" + name(change.to);
}

}  // namespace podkeeper::cmap::testing
