#pragma once

#include "pkg/http/message.h"
#include "pkg/kube/object.h"
#include "pkg/state/event_log.h"
#include "pkg/state/record.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::kubeapi {

/// An answer put together from bytes that lie in records, in static text, or in a few strings of
/// its own. Nothing is copied or serialized until it goes to the socket. One task's.
class Gather {
 public:
  /// `text` must outlive the answer: a literal, or a part of what keep() holds.
  void add(std::string_view text) { body_.add(text); }
  void own(std::string text) {
    kept_->texts.push_back(std::move(text));
    body_.add(kept_->texts.back());
  }
  void keep(state::RecordRef record) { kept_->records.push_back(std::move(record)); }
  void keep(state::EventRef event) { kept_->events.push_back(std::move(event)); }

  /// The first `length` bytes of the object's body; with `revised`, as if it had that revision.
  void add_body(const kube::Object& object, std::size_t length,
                std::optional<kube::Revision> revised);

  /// The records' bodies, with `open` before the first, `between` two of them and `close` at the
  /// end, which is the answer's. Their pieces are made while it is written. The texts are literals.
  void end_with(std::vector<state::RecordRef> records, std::string_view open,
                std::string_view between, std::string_view close);

  [[nodiscard]] const std::vector<std::string_view>& pieces() const noexcept {
    return body_.pieces;
  }
  [[nodiscard]] std::size_t size() const noexcept { return body_.size; }
  [[nodiscard]] bool empty() const noexcept { return body_.pieces.empty(); }
  /// Forgets the pieces and what they lie in, keeping the memory for the next round.
  void clear();
  /// The body with everything it needs; the Gather is spent.
  [[nodiscard]] http::GatheredBody finish() &&;

 private:
  struct Kept {
    std::deque<std::string> texts;  // a deque: views into short strings must survive growth
    std::vector<state::RecordRef> records;
    std::vector<state::EventRef> events;
  };
  http::GatheredBody body_;
  std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
};

}  // namespace podkeeper::kubeapi
