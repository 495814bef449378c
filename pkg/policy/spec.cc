#include "pkg/policy/spec.h"

#include "pkg/kube/json_text.h"

#include <algorithm>

namespace podkeeper::policy {
namespace {

constexpr std::size_t kViolationsTold = 8;
constexpr std::size_t kFieldBytesMax = 160;

}  // namespace

std::string_view to_string(Strategy strategy) noexcept {
  switch (strategy) {
    case Strategy::kAuto:
      return "Auto";
    case Strategy::kMutex:
      return "Mutex";
    case Strategy::kRWMutex:
      return "RWMutex";
    case Strategy::kSharded:
      return "Sharded";
    case Strategy::kSyncMap:
      return "SyncMap";
    case Strategy::kCopyOnWrite:
      return "CopyOnWrite";
    case Strategy::kLockFree:
      return "LockFree";
  }
  return "";
}

std::string shortened(std::string_view text) {
  const std::size_t size = text.size();
  text = text.substr(0, Violation::kValueBytesMax);
  std::string out;
  while (!text.empty()) {
    const std::size_t length = kube::utf8_length(text);
    // The last character may be the one that was cut in two.
    if (length == 0 && text.size() < 4 && size > Violation::kValueBytesMax) break;
    const auto first = static_cast<unsigned char>(text.front());
    const bool printable = length > 1 || (length == 1 && first >= 0x20 && first != 0x7F);
    if (printable) {
      out.append(text.substr(0, length));
    } else {
      out.push_back('?');
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  if (size > Violation::kValueBytesMax)
    out.append("... (").append(std::to_string(size)) += " bytes)";
  return out;
}

std::string to_string(const Violation& violation) {
  std::string out = violation.field.substr(0, kFieldBytesMax);
  out.append(": ");
  if (!violation.value.empty()) out.append(violation.value).append(": ");
  return out.append(violation.problem);
}

std::string to_string(const std::vector<Violation>& violations) {
  std::string out;
  for (std::size_t i = 0; i < violations.size() && i < kViolationsTold; ++i) {
    if (!out.empty()) out.append("; ");
    out.append(to_string(violations[i]));
  }
  if (violations.size() > kViolationsTold) {
    out.append("; and ").append(std::to_string(violations.size() - kViolationsTold)) += " more";
  }
  return out;
}

}  // namespace podkeeper::policy
