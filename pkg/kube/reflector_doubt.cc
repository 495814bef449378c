#include "pkg/kube/reflector_doubt.h"

#include <boost/asio/post.hpp>

#include <utility>

namespace podkeeper::kube {

void ReflectorDoubt::raise(std::string reason) {
  base::Executor executor;
  {
    base::Lock lock(state_->mutex);
    state_->reason.swap(reason);
    executor = state_->executor;
  }
  if (!executor) return;
  boost::asio::post(executor, [state = state_] {
    // The deadline wakes whoever waits for bytes; he then asks for the reason.
    if (state->followed != nullptr) state->followed->set_deadline(state->clock.now());
  });
}

std::string ReflectorDoubt::reason() const {
  base::Lock lock(state_->mutex);
  return state_->reason;
}

void ReflectorDoubt::settle() {
  base::Lock lock(state_->mutex);
  state_->reason.clear();
}

ReflectorDoubt::Following::Following(ReflectorDoubt& doubt, http::ClientResponse::Body& body,
                                     base::Executor executor)
    : state_(doubt.state_) {
  state_->followed = &body;
  base::Lock lock(state_->mutex);
  state_->executor = std::move(executor);
}

ReflectorDoubt::Following::~Following() {
  state_->followed = nullptr;
  base::Lock lock(state_->mutex);
  state_->executor = {};
}

}  // namespace podkeeper::kube
