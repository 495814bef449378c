#include "tests/cmap/support/recorder.h"

#include "pkg/base/epoch.h"
#include "pkg/runtime/seeded_random.h"

#include <atomic>
#include <barrier>
#include <thread>
#include <utility>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap::testing {
namespace {

using base::Epoch;
using Kind = Operation::Kind;

struct Shared {
  detail::AnyMap& map;
  const RecordOptions& options;
  std::vector<std::string> names;
  std::atomic<std::uint64_t> clock{1};
};

/// One thread's part.
class Worker {
 public:
  Worker(Shared& shared, std::uint32_t thread)
      : shared_(shared), thread_(thread), random_(shared.options.seed * 1000 + thread) {
    history_.reserve(shared.options.operations);
  }

  void run() {
    const RecordOptions& options = shared_.options;
    const auto wanted = [&](std::size_t i) {
      return i < options.operations || (i < 100 * options.operations && !options.enough());
    };
    for (std::size_t i = 0; wanted(i); ++i) {
      const Epoch::Guard guard;
      const std::uint64_t dice = random_.below(1000);
      if (dice < 2) {
        scan(guard);
      } else {
        call(guard, dice);
      }
      fill(i);
    }
  }

  std::vector<Operation> history_;
  std::string broken_;

 private:
  void call(const Epoch::Guard& guard, std::uint64_t dice) {
    const auto key_index = static_cast<std::uint32_t>(random_.below(shared_.options.keys));
    const Key key = make_key(shared_.names[key_index]);
    Operation op{.key = key_index, .thread = thread_};
    base::Ref<const Record> record;
    const Record* expected = nullptr;
    if (dice < 400) {
      op.kind = Kind::kFind;
    } else if (dice < 600) {
      op.kind = Kind::kPut;
    } else if (dice < 700) {
      op.kind = Kind::kErase;
    } else {
      op.kind = dice < 900 ? Kind::kCompareAndPut : Kind::kCompareAndErase;
      expected = look(guard, key, key_index);
      op.expected = value(expected);
    }
    if (op.kind == Kind::kPut || op.kind == Kind::kCompareAndPut) {
      op.value = (std::uint64_t{thread_} << 48) | ++values_;
      record = text(key.text, op.value);
    }
    op.invoked = stamp();
    switch (op.kind) {
      case Kind::kFind:
        op.value = value(shared_.map.find(guard, key));
        break;
      case Kind::kPut:
        op.answer = shared_.map.put(std::move(record));
        break;
      case Kind::kErase:
        op.answer = shared_.map.erase(key);
        break;
      case Kind::kCompareAndPut:
        op.answer = shared_.map.compare_and_put(guard, expected, std::move(record));
        break;
      case Kind::kCompareAndErase:
        op.answer = shared_.map.compare_and_erase(guard, key, expected);
        break;
    }
    op.returned = stamp();
    history_.push_back(op);
  }

  /// A recorded find, to know what to expect.
  const Record* look(const Epoch::Guard& guard, const Key& key, std::uint32_t key_index) {
    Operation op{.kind = Kind::kFind, .key = key_index, .thread = thread_};
    op.invoked = stamp();
    const Record* found = shared_.map.find(guard, key);
    op.returned = stamp();
    op.value = value(found);
    history_.push_back(op);
    return found;
  }

  void scan(const Epoch::Guard& guard) {
    std::vector<std::uint64_t> seen(shared_.options.keys, 0);
    const std::uint64_t invoked = stamp();
    shared_.map.for_each(guard, [&](const Record& record) {
      if (record.key_text().starts_with("filler")) return;
      const auto index = static_cast<std::size_t>(std::stoul(std::string(record.key_text())));
      if (seen[index] != 0) broken_ = "a walk showed key " + std::to_string(index) + " twice";
      seen[index] = value(&record);
    });
    const std::uint64_t returned = stamp();
    for (std::uint32_t k = 0; k < shared_.options.keys; ++k) {
      history_.push_back({.kind = Kind::kFind,
                          .key = k,
                          .thread = thread_,
                          .value = seen[k],
                          .invoked = invoked,
                          .returned = returned});
    }
  }

  /// Puts fillers in one wave and erases them in the next.
  void fill(std::size_t i) {
    const std::uint32_t fillers = shared_.options.fillers;
    if (fillers == 0) return;
    const std::string name =
        "filler/" + std::to_string(i % fillers) + "/" + std::to_string(thread_);
    if (i / fillers % 2 == 0) {
      shared_.map.put(text(name, 1));
    } else {
      shared_.map.erase(make_key(name));
    }
  }

  std::uint64_t stamp() { return shared_.clock.fetch_add(1); }
  static std::uint64_t value(const Record* record) {
    return record == nullptr ? 0 : static_cast<const Text*>(record)->value();
  }

  Shared& shared_;
  std::uint32_t thread_;
  runtime::SeededRandom random_;
  std::uint64_t values_ = 0;
};

}  // namespace

Recorded record(detail::AnyMap& map, const RecordOptions& options) {
  Shared shared{.map = map, .options = options, .names = {}};
  for (std::uint32_t k = 0; k < options.keys; ++k) shared.names.push_back(std::to_string(k));
  std::vector<Worker> workers;
  for (std::uint32_t t = 0; t < options.threads; ++t) workers.emplace_back(shared, t);
  {
    std::barrier start(static_cast<std::ptrdiff_t>(options.threads));
    std::vector<std::jthread> threads;
    for (Worker& worker : workers) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        worker.run();
      });
    }
  }
  Recorded recorded;
  for (Worker& worker : workers) {
    recorded.history.insert(recorded.history.end(), worker.history_.begin(), worker.history_.end());
    if (!worker.broken_.empty()) recorded.broken = worker.broken_;
  }
  return recorded;
}

}  // namespace podkeeper::cmap::testing
