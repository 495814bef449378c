#include "tests/cmap/support/buggy_map.h"

#include "pkg/base/epoch.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "tests/cmap/support/forwarding_map.h"

namespace podkeeper::cmap::testing {
namespace {

using base::Epoch;
using RecordRef = base::Ref<const Record>;

class BuggyMap final : public ForwardingMap<> {
 public:
  BuggyMap(Bug bug, std::unique_ptr<detail::AnyMap> right)
      : ForwardingMap(*right), bug_(bug), owned_(std::move(right)) {}

  const Record* find_elsewhere(const Epoch::Guard& guard, const Key& key) const override {
    if (now(Bug::kMissedRead)) return nullptr;
    if (now(Bug::kStaleRead)) return keep(remembered(key));
    if (now(Bug::kWrongNeighbour)) {
      const std::string other = key.text == "1" ? "2" : "1";
      return right_.find(guard, make_key(other));
    }
    return right_.find(guard, key);
  }

  bool put(RecordRef record) override {
    flush_late();
    const Epoch::Guard guard;
    if (now(Bug::kLostUpdate)) return right_.find(guard, record->key()) == nullptr;
    if (now(Bug::kLateWrite)) {
      late_ = record;
      return right_.find(guard, record->key()) == nullptr;
    }
    remember(guard, record->key());
    const bool lie = now(Bug::kWrongAnswerOfPut);
    const bool is_new = right_.put(std::move(record));
    resurrect();
    return is_new || lie;
  }

  bool erase(const Key& key) override {
    flush_late();
    const Epoch::Guard guard;
    const Record* before = right_.find(guard, key);
    if (now(Bug::kLostErase)) return before != nullptr;
    remember(guard, key);
    if (bug_ == Bug::kDoubleErase) std::this_thread::yield();
    const bool erased = right_.erase(key);
    return bug_ == Bug::kDoubleErase ? before != nullptr : erased;
  }

  bool compare_and_put(const Epoch::Guard& guard, const Record* expected,
                       RecordRef record) override {
    if (bug_ == Bug::kTornCompareAndPut) {
      if (right_.find(guard, record->key()) != expected) return false;
      std::this_thread::yield();
      right_.put(std::move(record));
      return true;
    }
    if (now(Bug::kBlindCompareAndPut)) {
      std::this_thread::yield();
      right_.put(std::move(record));
      return true;
    }
    const bool lie = now(Bug::kRefusesFalsely);
    return right_.compare_and_put(guard, expected, std::move(record)) && !lie;
  }

  bool compare_and_erase(const Epoch::Guard& guard, const Key& key,
                         const Record* expected) override {
    if (bug_ == Bug::kTornCompareAndErase) {
      if (right_.find(guard, key) != expected || expected == nullptr) return false;
      std::this_thread::yield();
      right_.erase(key);
      return true;
    }
    return right_.compare_and_erase(guard, key, expected);
  }

  void for_each(const Epoch::Guard& guard,
                const std::function<void(const Record&)>& visit) const override {
    const bool miss = now(Bug::kWalkMissesOne);
    const bool twice = now(Bug::kWalkShowsOneTwice);
    bool first = true;
    if (now(Bug::kWalkShowsAnErased)) show_an_erased(visit);
    right_.for_each(guard, [&](const Record& record) {
      const bool mine = first && !record.key_text().starts_with("filler");
      if (mine) first = false;
      if (mine && miss) return;
      visit(record);
      if (mine && twice) visit(record);
    });
  }

 private:
  /// Whether the fault shows in this call.
  bool now(Bug bug) const {
    if (bug_ != bug) return false;
    const bool rare = bug != Bug::kWalkMissesOne && bug != Bug::kWalkShowsOneTwice &&
                      bug != Bug::kWalkShowsAnErased;
    return calls_.fetch_add(1, std::memory_order_relaxed) % (rare ? 64 : 4) == 0;
  }

  /// Notes what `key` holds before it changes.
  void remember(const Epoch::Guard& guard, const Key& key) {
    RecordRef now_there(right_.find(guard, key));
    if (!now_there || key.text.starts_with("filler")) return;
    base::Lock lock(mutex_);
    std::swap(before_[std::string(key.text)], now_there);
  }
  RecordRef remembered(const Key& key) const {
    base::Lock lock(mutex_);
    const auto at = before_.find(key.text);
    return at == before_.end() ? RecordRef() : at->second;
  }
  /// The caller may use it under its guard although we hold no count any more.
  static const Record* keep(RecordRef record) {
    const Record* plain = record.get();
    Epoch::retire(std::move(record));
    return plain;
  }

  void resurrect() {
    if (!now(Bug::kResurrectedDelete)) return;
    const Epoch::Guard guard;
    RecordRef old = remembered(make_key("3"));
    if (old) right_.compare_and_put(guard, nullptr, std::move(old));
  }
  void flush_late() {
    if (late_) right_.put(std::exchange(late_, {}));
  }
  void show_an_erased(const std::function<void(const Record&)>& visit) const {
    std::map<std::string, RecordRef, std::less<>> copy;
    {
      base::Lock lock(mutex_);
      copy = before_;
    }
    const Epoch::Guard guard;
    for (const auto& [key, record] : copy) {
      if (right_.find(guard, make_key(key)) == nullptr) visit(*record);
    }
  }

  const Bug bug_;
  const std::unique_ptr<detail::AnyMap> owned_;
  mutable std::atomic<std::uint64_t> calls_{0};
  mutable base::Mutex mutex_;
  std::map<std::string, RecordRef, std::less<>> before_ PK_GUARDED_BY(mutex_);
  static thread_local RecordRef late_;
};
thread_local RecordRef BuggyMap::late_;

}  // namespace

const char* to_string(Bug bug) {
  constexpr const char* kNames[] = {"None",
                                    "LostUpdate",
                                    "LostErase",
                                    "StaleRead",
                                    "MissedRead",
                                    "WrongNeighbour",
                                    "ResurrectedDelete",
                                    "LateWrite",
                                    "TornCompareAndPut",
                                    "TornCompareAndErase",
                                    "BlindCompareAndPut",
                                    "DoubleErase",
                                    "WrongAnswerOfPut",
                                    "RefusesFalsely",
                                    "WalkMissesOne",
                                    "WalkShowsOneTwice",
                                    "WalkShowsAnErased"};
  return kNames[static_cast<std::size_t>(bug)];
}

std::unique_ptr<detail::AnyMap> make_buggy_map(Bug bug) {
  return std::make_unique<BuggyMap>(bug, detail::make_map({.strategy = Strategy::kMutex}));
}

}  // namespace podkeeper::cmap::testing
