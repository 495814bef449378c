#include "tests/cmap/support/linearizability.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

namespace podkeeper::cmap::testing {
namespace {

using Kind = Operation::Kind;

/// What an operation makes of a key that holds `value`; nothing when its answer does not fit.
std::optional<std::uint64_t> step(const Operation& op, std::uint64_t value) {
  const auto when = [](bool fits, std::uint64_t next) {
    return fits ? std::optional(next) : std::nullopt;
  };
  switch (op.kind) {
    case Kind::kFind:
      return when(op.value == value, value);
    case Kind::kPut:
      return when(op.answer == (value == 0), op.value);
    case Kind::kErase:
      return when(op.answer == (value != 0), 0);
    case Kind::kCompareAndPut:
      return when(op.answer == (value == op.expected), op.answer ? op.value : value);
    case Kind::kCompareAndErase:
      return when(op.answer == (value == op.expected && value != 0), op.answer ? 0 : value);
  }
  return std::nullopt;
}

/// How many of each thread's operations are in the order so far, and what the key holds then.
struct Configuration {
  std::array<std::uint32_t, kThreadsMax> done{};
  std::uint64_t value = 0;
  bool operator==(const Configuration&) const = default;
};

struct Hash {
  std::size_t operator()(const Configuration& c) const noexcept {
    std::uint64_t h = c.value * 0x9e3779b97f4a7c15;
    for (const std::uint32_t d : c.done) h = (h ^ (h >> 29) ^ d) * 0xbf58476d1ce4e5b9;
    return static_cast<std::size_t>(h ^ (h >> 32));
  }
};

/// The search over one key.
class KeySearch {
 public:
  explicit KeySearch(const std::vector<Operation>& history) {
    for (const Operation& op : history) threads_[op.thread].push_back(op);
    for (auto& ops : threads_) std::ranges::sort(ops, {}, &Operation::invoked);
    total_ = history.size();
  }

  Verdict run() {
    std::vector<Configuration> open{{}};
    while (!open.empty()) {
      Configuration c = open.back();
      open.pop_back();
      take_what_changes_nothing(c);
      if (!visited_.insert(c).second) continue;
      if (visited_.size() > kConfigurationsMax) return verdict(Verdict::Kind::kUndecided);
      if (count(c) > count(furthest_)) furthest_ = c;
      if (count(c) == total_) return verdict(Verdict::Kind::kLinearizable);
      push_writes(c, open);
    }
    return verdict(Verdict::Kind::kViolated);
  }

 private:
  [[nodiscard]] const Operation* next(const Configuration& c, std::size_t thread) const {
    const auto& ops = threads_[thread];
    return c.done[thread] < ops.size() ? &ops[c.done[thread]] : nullptr;
  }
  /// Nothing invoked after this may come next: somebody had returned before.
  [[nodiscard]] std::uint64_t horizon(const Configuration& c) const {
    std::uint64_t earliest = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t t = 0; t < kThreadsMax; ++t) {
      if (const Operation* op = next(c, t)) earliest = std::min(earliest, op->returned);
    }
    return earliest;
  }

  void take_what_changes_nothing(Configuration& c) const {
    for (bool again = true; again;) {
      again = false;
      for (std::size_t t = 0; t < kThreadsMax; ++t) {
        const Operation* op = next(c, t);
        if (op == nullptr || op->invoked > horizon(c) || step(*op, c.value) != c.value) continue;
        ++c.done[t];
        again = true;
      }
    }
  }

  /// Pushes what may come next, that which returned first on top.
  void push_writes(const Configuration& c, std::vector<Configuration>& open) const {
    std::vector<std::pair<std::uint64_t, Configuration>> found;
    const std::uint64_t end = horizon(c);
    for (std::size_t t = 0; t < kThreadsMax; ++t) {
      const Operation* op = next(c, t);
      if (op == nullptr || op->invoked > end) continue;
      const auto value = step(*op, c.value);
      if (!value) continue;
      Configuration after = c;
      after.value = *value;
      ++after.done[t];
      found.emplace_back(op->returned, after);
    }
    std::ranges::sort(found, std::greater<>(), [](const auto& f) { return f.first; });
    for (auto& [returned, after] : found) open.push_back(after);
  }

  static std::size_t count(const Configuration& c) {
    std::size_t sum = 0;
    for (const std::uint32_t d : c.done) sum += d;
    return sum;
  }

  [[nodiscard]] Verdict verdict(Verdict::Kind kind) const {
    Verdict v{.kind = kind, .why = {}, .configurations = visited_.size()};
    if (kind == Verdict::Kind::kLinearizable) return v;
    v.why = "after " + std::to_string(count(furthest_)) + " of " + std::to_string(total_) +
            " calls the key holds " + std::to_string(furthest_.value) + ", and next come";
    for (std::size_t t = 0; t < kThreadsMax; ++t) {
      if (const Operation* op = next(furthest_, t)) v.why += "\n  " + to_string(*op);
    }
    return v;
  }

  std::array<std::vector<Operation>, kThreadsMax> threads_;
  std::size_t total_ = 0;
  std::unordered_set<Configuration, Hash> visited_;
  Configuration furthest_;
};

}  // namespace

std::string to_string(const Operation& op) {
  constexpr const char* kNames[] = {"find", "put", "erase", "compare_and_put", "compare_and_erase"};
  std::string s = "thread " + std::to_string(op.thread) + " [" + std::to_string(op.invoked) + "," +
                  std::to_string(op.returned) + "] " + kNames[static_cast<std::size_t>(op.kind)];
  if (op.kind == Kind::kFind) return s + " = " + std::to_string(op.value);
  s += " expected " + std::to_string(op.expected) + " value " + std::to_string(op.value);
  return s + (op.answer ? " = true" : " = false");
}

Verdict check_linearizable(std::vector<Operation> history) {
  std::map<std::uint32_t, std::vector<Operation>> by_key;
  for (Operation& op : history) by_key[op.key].push_back(op);
  Verdict all;
  for (const auto& [key, operations] : by_key) {
    Verdict one = KeySearch(operations).run();
    all.configurations += one.configurations;
    if (one.kind == Verdict::Kind::kLinearizable) continue;
    all.kind = one.kind;
    all.why = "key " + std::to_string(key) + ": " + one.why;
    break;
  }
  return all;
}

}  // namespace podkeeper::cmap::testing
