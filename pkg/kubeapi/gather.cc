#include "pkg/kubeapi/gather.h"

namespace podkeeper::kubeapi {

void Gather::add_body(const kube::Object& object, std::size_t length,
                      std::optional<kube::Revision> revised) {
  const auto body = std::string_view(object.body).substr(0, length);
  if (!revised || object.revision_length == 0) return add(body);
  add(body.substr(0, object.revision_offset));
  own(to_string(*revised));
  add(body.substr(object.revision_offset + object.revision_length));
}

void Gather::clear() {
  body_.pieces.clear();
  body_.size = 0;
  kept_->texts.clear();
  kept_->records.clear();
  kept_->events.clear();
}

http::GatheredBody Gather::finish() && {
  body_.owner = std::move(kept_);
  return std::move(body_);
}

}  // namespace podkeeper::kubeapi
