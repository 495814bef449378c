#include "pkg/cmap/observed.h"

#include <cstring>
#include <exception>

namespace podkeeper::cmap {
namespace {

/// What this thread's last panicking operation was, and by which exception it ended.
struct Left {
  const void* exception = nullptr;
  PanickedOperation by;
};
constinit thread_local Left t_left;

/// Which exception is being handled, by the address of its object: the same wherever it is
/// rethrown.
const void* handled_exception() noexcept {
  const std::exception_ptr exception = std::current_exception();
  const void* object = nullptr;
  static_assert(sizeof exception == sizeof object);
  std::memcpy(&object, static_cast<const void*>(&exception), sizeof object);
  return object;
}

}  // namespace

void Observed::keep(Operation operation, const Key& key, bool answer) const noexcept {
  const auto outcome = answer ? OperationOutcome::kTrue : OperationOutcome::kFalse;
  const bool keyless = operation == Operation::kIterate;
  audit_.note(operation, key, outcome, keyless ? Position{} : position_of(key));
}

void Observed::panicked(Operation operation, std::uint64_t hash) const noexcept {
  const void* exception = handled_exception();
  // What a visitor did to a map has told already.
  if (operation == Operation::kIterate && t_left.exception == exception) return;
  t_left = {exception, {.map = this, .operation = operation, .hash = hash}};
  // Whatever the sampling: this one is worth its slot. The key's bytes may be gone by now.
  const Key key{.text = {}, .hash = hash};
  audit_.note(operation, key, OperationOutcome::kPanicked, position_of(key));
}

std::optional<PanickedOperation> take_panicked_operation() noexcept {
  const void* exception = handled_exception();
  if (exception == nullptr || t_left.exception != exception) return std::nullopt;
  t_left.exception = nullptr;
  return t_left.by;
}

}  // namespace podkeeper::cmap
