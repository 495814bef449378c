#pragma once

#include "pkg/cmap/record.h"
#include "pkg/kube/object.h"
#include "pkg/state/partitioned_map.h"

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace podkeeper::state {

/// One object of the mirror: what kube decoded, with its key and seeded hash. Immutable, shared by
/// the map, the ordered indexes, the event log and the answers under way.
class Record final : public cmap::Record {
 public:
  explicit Record(std::unique_ptr<const kube::Object> object)
      : object_(std::move(object)), bytes_(sizeof(Record) + object_->bytes()) {
    set_key(cmap::make_key(object_->key_text));
    if (const kube::PodFields* pod = object_->pod()) node_ = pod->node_name;
  }
  [[nodiscard]] const kube::Object& object() const noexcept { return *object_; }
  [[nodiscard]] Placement placement() const noexcept {
    return {object_->namespace_(), object_->labels};
  }
  /// The node a pod is bound to; empty for an unscheduled pod and for what is no pod.
  [[nodiscard]] std::string_view node() const noexcept { return node_; }
  /// Approximate heap bytes, the object's included.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t byte_size() const noexcept override { return bytes_; }

 private:
  std::unique_ptr<const kube::Object> object_;
  std::string_view node_;
  std::size_t bytes_;
};
using RecordRef = base::Ref<const Record>;

}  // namespace podkeeper::state
