#pragma once

#include "pkg/base/result.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace podkeeper::kube {

/// The state that a watch with sendInitialEvents tells first (KEP-3157). It comes in the order of
/// keys, so its revisions are not ascending, and what changes meanwhile comes between; only the
/// bookmark that ends it says of which revision it is. Not thread-safe.
class InitialEvents {
 public:
  enum class Taken {
    kMore,
    kComplete,    ///< objects and revision are the state
    kFailed,      ///< an ERROR event, which is error()
    kNotOffered,  ///< a bookmark without the mark: the server knows no initial events
  };
  /// O(1) in the order of keys, O(log n) otherwise.
  Taken take(WatchEvent event);

  [[nodiscard]] Revision revision() const noexcept { return revision_; }
  [[nodiscard]] const base::Error& error() const noexcept { return error_; }
  /// In the order of LIST; once.
  std::vector<std::unique_ptr<Object>> take_objects();

 private:
  std::map<std::string, std::unique_ptr<Object>> objects_;  ///< by key_text, which is LIST's order
  Revision revision_;
  base::Error error_;
};

}  // namespace podkeeper::kube
