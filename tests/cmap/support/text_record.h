#pragma once

#include "pkg/base/ref.h"
#include "pkg/cmap/record.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::cmap::testing {

/// The least record: a key and a number. Counts how many live.
class Text final : public Record {
 public:
  Text(std::string key, std::uint64_t value, std::uint64_t hash)
      : text_(std::move(key)), value_(value) {
    set_key({text_, hash}, sizeof(Text) + text_.size());
    ++alive;
  }
  ~Text() override { --alive; }

  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

  inline static std::atomic<int> alive{0};

 private:
  std::string text_;
  std::uint64_t value_;
};

inline base::Ref<const Text> text(std::string_view key, std::uint64_t value) {
  return base::make_ref<const Text>(std::string(key), value, hash_key(key));
}
/// A record whose hash is chosen, for keys that meet.
inline base::Ref<const Text> text_with_hash(std::string_view key, std::uint64_t value,
                                            std::uint64_t hash) {
  return base::make_ref<const Text>(std::string(key), value, hash);
}

}  // namespace podkeeper::cmap::testing
