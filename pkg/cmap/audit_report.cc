#include "pkg/cmap/audit_report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace podkeeper::cmap {
namespace {

constexpr std::size_t kOwnMax = 6;     ///< operations of the task, a map
constexpr std::size_t kRivalsMax = 4;  ///< of other tasks on the key that the task had last, a map
constexpr std::size_t kOthersMax = 2;  ///< of anybody, a map

std::string hex(std::uint64_t hash) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%016llx", static_cast<unsigned long long>(hash));
  return text.data();
}

/// To the nanosecond, of the clock that /debug/maps/{partition}/audit tells times by.
std::string seconds(base::MonotonicTime time) {
  constexpr long long kSecond = 1'000'000'000;
  const auto ns = static_cast<long long>(time.time_since_epoch().count());
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%lld.%09lld", ns / kSecond, ns % kSecond);
  return text.data();
}

/// The key that an entry tells of, as far as it does: what was shortened goes by its hash alone.
Key key_of(const AuditEntry& entry) {
  const bool whole = entry.key.size() < AuditEntry::kKeyBytes;
  return {.text = whole ? std::string_view(entry.key) : std::string_view{}, .hash = entry.hash};
}

void append_left(const NamedMap& named, const PanickedOperation& left,
                 std::vector<std::string>& lines) {
  const std::string what = named.partition + ": " + to_string(left.operation);
  if (left.operation == Operation::kIterate) {
    lines.push_back(what + " panicked");
    return;
  }
  lines.push_back(what + " of key hash " + hex(left.hash) + " panicked; " +
                  to_text(named.map->describe({.text = {}, .hash = left.hash})));
}

/// The first entries that `wanted` is true of, a line each; how many.
template <class Wanted>
std::size_t append(const NamedMap& named, const std::vector<AuditEntry>& entries, std::size_t most,
                   const Wanted& wanted, std::vector<std::string>& lines) {
  std::size_t found = 0;
  for (const AuditEntry& entry : entries) {
    if (found == most) break;
    if (!wanted(entry)) continue;
    lines.push_back(named.partition + ": " + to_text(entry));
    ++found;
  }
  return found;
}

/// True when the task has operations in this map's audit.
bool append_own(const NamedMap& named, std::uint64_t task_id, std::vector<std::string>& lines) {
  const std::vector<AuditEntry> all = named.map->audit_tail(kAuditScanMax);
  const auto own = [task_id](const AuditEntry& e) { return e.task_id == task_id; };
  if (append(named, all, kOwnMax, own, lines) == 0) return false;
  const auto keyed = std::ranges::find_if(
      all, [&](const AuditEntry& e) { return own(e) && e.operation != Operation::kIterate; });
  if (keyed == all.end()) return true;
  lines.push_back(named.partition + ": search for " + keyed->key + ": " +
                  to_text(named.map->describe(key_of(*keyed))));
  const auto rival = [&](const AuditEntry& e) {
    return !own(e) && e.operation != Operation::kIterate && e.hash == keyed->hash;
  };
  append(named, all, kRivalsMax, rival, lines);
  return true;
}

}  // namespace

std::string to_text(const AuditEntry& entry) {
  std::string text =
      std::string(to_string(entry.operation)) + " " + to_string(entry.operation, entry.outcome);
  if (entry.operation != Operation::kIterate) {
    text += " " + (entry.key.empty() ? "of key hash " + hex(entry.hash) : entry.key) + ", shard " +
            std::to_string(entry.position.shard) + " bucket " +
            std::to_string(entry.position.bucket);
  }
  if (entry.task_id != 0) {
    text += ", task " + entry.task_name + "#" + std::to_string(entry.task_id);
  }
  if (entry.when != base::MonotonicTime{}) text += ", at " + seconds(entry.when) + " s";
  return text + ", operation " + std::to_string(entry.sequence);
}

std::vector<std::string> audit_lines(std::span<const NamedMap> maps, std::uint64_t task_id,
                                     const std::optional<PanickedOperation>& left) {
  std::vector<std::string> lines;
  bool touched = false;
  for (const NamedMap& named : maps) {
    if (left && left->map == named.map.get()) {
      append_left(named, *left, lines);
      touched = true;
    }
  }
  for (const NamedMap& named : maps) {
    if (append_own(named, task_id, lines)) touched = true;
  }
  if (!touched) {
    for (const NamedMap& named : maps) {
      for (const AuditEntry& entry : named.map->audit_tail(kOthersMax)) {
        lines.push_back(named.partition + ": " + to_text(entry));
      }
    }
  }
  if (lines.size() > kAuditLinesMax) lines.resize(kAuditLinesMax);
  return lines;
}

}  // namespace podkeeper::cmap
