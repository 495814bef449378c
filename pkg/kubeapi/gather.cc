#include "pkg/kubeapi/gather.h"

#include <algorithm>

namespace podkeeper::kubeapi {
namespace {

constexpr std::size_t kRecordsAtOnce = 64;

}  // namespace

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

void Gather::end_with(std::vector<state::RecordRef> records, std::string_view open,
                      std::string_view between, std::string_view close) {
  if (!records.empty()) {
    add(open);
    body_.size += between.size() * (records.size() - 1);
  }
  for (const auto& record : records) body_.size += record->object().body.size();
  body_.size += close.size();
  body_.pieces_to_come = 2 * records.size() + 1;
  body_.more = [records = std::move(records), between, close, next = std::size_t{0},
                closed = false](std::vector<std::string_view>& pieces) mutable {
    if (closed) return;
    const std::size_t end = std::min(next + kRecordsAtOnce, records.size());
    for (; next < end; ++next) {
      if (next > 0) pieces.push_back(between);
      pieces.push_back(records[next]->object().body);
    }
    if (next < records.size()) return;
    pieces.push_back(close);
    closed = true;
  };
}

http::GatheredBody Gather::finish() && {
  body_.owner = std::move(kept_);
  return std::move(body_);
}

}  // namespace podkeeper::kubeapi
