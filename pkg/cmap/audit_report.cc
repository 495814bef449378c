#include "pkg/cmap/audit_report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace podkeeper::cmap {
namespace {

constexpr std::size_t kOwnMax = 6;     ///< operations of the task, a map
constexpr std::size_t kOthersMax = 2;  ///< of anybody, a map

std::string hex(std::uint64_t hash) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%016llx", static_cast<unsigned long long>(hash));
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

/// True when the task has operations in this map's audit.
bool append_own(const NamedMap& named, std::uint64_t task_id, std::vector<std::string>& lines) {
  std::vector<AuditEntry> own = named.map->audit_tail(kAuditScanMax);
  std::erase_if(own, [&](const AuditEntry& e) { return e.task_id != task_id; });
  if (own.size() > kOwnMax) own.resize(kOwnMax);
  for (const AuditEntry& entry : own) lines.push_back(named.partition + ": " + to_text(entry));
  const auto keyed = std::ranges::find_if(
      own, [](const AuditEntry& e) { return e.operation != Operation::kIterate; });
  if (keyed != own.end()) {
    lines.push_back(named.partition + ": search for " + keyed->key + ": " +
                    to_text(named.map->describe(key_of(*keyed))));
  }
  return !own.empty();
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
