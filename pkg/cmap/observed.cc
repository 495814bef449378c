#include "pkg/cmap/observed.h"

#include "pkg/cmap/strategy.h"

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

void Observed::begins(Operation operation) const noexcept {
  if (operation != Operation::kIterate || podkeeper_iterate_begin_semaphore == 0) return;
  probes::iterate_begins({partition_.c_str(), to_string(strategy())}, stats().entries);
}

void Observed::ended(Operation operation, const Key& key, bool answer) const noexcept {
  const auto outcome = answer ? OperationOutcome::kTrue : OperationOutcome::kFalse;
  const bool keyless = operation == Operation::kIterate;
  probes::ended(operation, {partition_.c_str(), to_string(strategy())}, key,
                keyless ? Position{} : position_of(key), outcome);
}

void Observed::panicked(Operation operation, std::uint64_t hash) const noexcept {
  // The key's bytes may be gone by now.
  const Key key{.text = {}, .hash = hash};
  const Position position = operation == Operation::kIterate ? Position{} : position_of(key);
  if (probes::watched(operation)) {
    probes::ended(operation, {partition_.c_str(), to_string(strategy())}, key, position,
                  OperationOutcome::kPanicked);
  }
  const void* exception = handled_exception();
  // What a visitor did to a map has told already.
  if (operation == Operation::kIterate && t_left.exception == exception) return;
  t_left = {exception, {.map = this, .operation = operation, .hash = hash}};
  // Whatever the sampling: this one is worth its slot.
  audit_.note(operation, key, OperationOutcome::kPanicked, position);
}

std::optional<PanickedOperation> take_panicked_operation() noexcept {
  const void* exception = handled_exception();
  if (exception == nullptr || t_left.exception != exception) return std::nullopt;
  t_left.exception = nullptr;
  return t_left.by;
}

}  // namespace podkeeper::cmap
