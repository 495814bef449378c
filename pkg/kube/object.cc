#include "pkg/kube/object.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

namespace podkeeper::kube {

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
  std::size_t bytes = sizeof(Object) + body.capacity() + key_text.capacity() +
                      labels.capacity() * sizeof(LabelSpan::value_type) +
                      unescaped.capacity() * sizeof(unescaped.front());
  for (const auto& text : unescaped) bytes += sizeof(*text) + text->capacity();
  if (const PodFields* fields_of_pod = pod(); fields_of_pod != nullptr) {
    bytes += fields_of_pod->display_status.capacity();
  }
  return bytes;
}

}  // namespace podkeeper::kube
