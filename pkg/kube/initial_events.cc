#include "pkg/kube/initial_events.h"

#include "pkg/kube/object.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::kube {

InitialEvents::Taken InitialEvents::take(WatchEvent event) {
  switch (event.type) {
    case EventType::kAdded:
    case EventType::kModified: {
      std::string key = event.object->key_text;
      objects_.insert_or_assign(objects_.end(), std::move(key), std::move(event.object));
      return Taken::kMore;
    }
    case EventType::kDeleted:
      objects_.erase(event.object->key_text);
      return Taken::kMore;
    case EventType::kBookmark:
      revision_ = event.revision;
      return event.initial_events_end ? Taken::kComplete : Taken::kNotOffered;
    case EventType::kError:
      error_ = std::move(event.error);
      return Taken::kFailed;
  }
  return Taken::kMore;
}

std::vector<std::unique_ptr<Object>> InitialEvents::take_objects() {
  std::vector<std::unique_ptr<Object>> objects;
  objects.reserve(objects_.size());
  for (auto& [key, object] : objects_) objects.push_back(std::move(object));
  objects_.clear();
  return objects;
}

}  // namespace podkeeper::kube
