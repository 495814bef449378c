#include "pkg/base/panic.h"
#include "pkg/kube/object.h"
#include "pkg/simkube/cluster.h"
#include "pkg/simkube/cluster_state.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::simkube {

void Cluster::back_up() {
  base::Lock lock(state_->mutex);
  State::Backup backup{.revision = state_->revision, .content = {}};
  for (const auto& slot : state_->slots) {
    auto list = slot->reader.list(slot->allowed, {});
    PK_CHECK(list.has_value(), "the present cannot be listed: " + list.error().message);
    backup.content.emplace(slot.get(), std::move(list->records));
  }
  state_->backup = std::move(backup);
}

void Cluster::restore() {
  base::Lock lock(state_->mutex);
  PK_CHECK(state_->backup.has_value(), "a cluster is restored of which there is no backup");
  const auto& backup = *state_->backup;
  state_->revision = state_->told = backup.revision;
  for (const auto& slot : state_->slots) {
    std::vector<std::unique_ptr<kube::Object>> objects;
    const auto found = backup.content.find(slot.get());
    if (found != backup.content.end()) {
      for (const auto& record : found->second) {
        auto object = kube::decode_object(slot->reader.resource(), "{" + record->object().body);
        PK_CHECK(object.has_value(), "what was stored does not decode: " + object.error().message);
        objects.push_back(*std::move(object));
      }
    }
    slot->store.replace(std::move(objects), backup.revision);
  }
}

}  // namespace podkeeper::simkube
