#pragma once

#include "pkg/cmap/record.h"

namespace podkeeper::cmap {

/// One change of one key. Erases where `record` is null.
struct Change {
  const Key& key;
  const Record* record = nullptr;
  bool conditional = false;  ///< only while the key holds exactly `expected` (null: is absent)
  const Record* expected = nullptr;

  /// Whether it is to be made where the key holds `before` (null: is absent).
  [[nodiscard]] bool applies_to(const Record* before) const noexcept {
    if (conditional && before != expected) return false;
    return record != nullptr || before != nullptr;
  }
};

}  // namespace podkeeper::cmap
