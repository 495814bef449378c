#pragma once

#include "pkg/base/result.h"
#include "pkg/kube/json_cursor.h"
#include "pkg/kube/json_index.h"

#include <string_view>

namespace podkeeper::kube {

/// A JSON text being read on this thread: its tokens, a cursor on them and the strings its list
/// level unescapes. While one lives no other may be made on the thread, because the indexer is the
/// thread's.
class JsonReading {
 public:
  explicit JsonReading(std::string_view text);
  ~JsonReading();
  JsonReading(const JsonReading&) = delete;
  JsonReading& operator=(const JsonReading&) = delete;

  /// Not there where the text is no JSON object; error() then says why.
  [[nodiscard]] bool ok() const noexcept { return tokens_.has_value(); }
  [[nodiscard]] const base::Error& error() const noexcept { return tokens_.error(); }
  [[nodiscard]] JsonCursor& cursor() noexcept { return cursor_; }
  [[nodiscard]] UnescapedStrings& unescaped() noexcept { return unescaped_; }

 private:
  UnescapedStrings unescaped_;
  base::Result<JsonTokens> tokens_;
  JsonCursor cursor_;
};

}  // namespace podkeeper::kube
