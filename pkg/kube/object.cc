#include "pkg/kube/object.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::kube {
namespace {

/// What a string allocated; a short one lies in itself.
std::size_t heap_bytes(const std::string& text) noexcept {
  return text.capacity() == std::string().capacity() ? 0 : text.capacity() + 1;
}

}  // namespace

const char* to_string(EventType type) noexcept {
  switch (type) {
    case EventType::kAdded:
      return "ADDED";
    case EventType::kModified:
      return "MODIFIED";
    case EventType::kDeleted:
      return "DELETED";
    case EventType::kBookmark:
      return "BOOKMARK";
    case EventType::kError:
      return "ERROR";
  }
  return "ERROR";
}

std::optional<std::string_view> Object::label(std::string_view key) const noexcept {
  const auto at = std::ranges::lower_bound(labels, key, {}, &LabelSpan::value_type::first);
  if (at == labels.end() || at->first != key) return std::nullopt;
  return at->second;
}

std::size_t Object::bytes() const noexcept {
  std::size_t bytes = base::Slabs::block_bytes(sizeof(Object)) + heap_bytes(body) +
                      heap_bytes(key_text) + labels.capacity() * sizeof(LabelSpan::value_type) +
                      unescaped.capacity() * sizeof(unescaped.front());
  for (const auto& text : unescaped) bytes += sizeof(*text) + heap_bytes(*text);
  if (const PodFields* fields_of_pod = pod(); fields_of_pod != nullptr) {
    bytes += heap_bytes(fields_of_pod->display_status);
  }
  return bytes;
}

}  // namespace podkeeper::kube
