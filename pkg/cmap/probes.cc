#include "pkg/cmap/probes.h"

// What makes sdt.h refer to the semaphores.
#define _SDT_HAS_SEMAPHORES 1  // NOLINT(bugprone-reserved-identifier): sdt.h's own name
// Arguments come in registers, or as numbers: what else a compiler may choose (thread-local memory)
// not every tracer can read.
#define STAP_SDT_ARG_CONSTRAINT nr
#include <sys/sdt.h>

// Tracers look for them in this section.
#define PK_SEMAPHORE(name) \
  __attribute__((section(".probes"))) volatile std::uint16_t podkeeper_##name##_semaphore = 0

extern "C" {
PK_SEMAPHORE(find);
PK_SEMAPHORE(put);
PK_SEMAPHORE(erase);
PK_SEMAPHORE(iterate_begin);
PK_SEMAPHORE(iterate_end);
PK_SEMAPHORE(grow);
PK_SEMAPHORE(migrate);
}

namespace podkeeper::cmap::probes {
namespace {

constinit thread_local const char* t_partition = "";

}  // namespace

Scope::Scope(const char* partition) noexcept : before_(t_partition) { t_partition = partition; }
Scope::~Scope() { t_partition = before_; }

void ended(Operation operation, const Owner& owner, const Key& key, Position position,
           OperationOutcome outcome) noexcept {
  const char* const how = to_string(operation, outcome);
  const char* const text = key.text.data();
  const std::uint64_t bytes = key.text.size();
  const std::uint64_t place = std::uint64_t{position.shard} << 32 | position.bucket;
  switch (operation) {
    case Operation::kFind:
      STAP_PROBE6(podkeeper, find, owner.partition, owner.strategy, text, bytes, place, how);
      return;
    case Operation::kPut:
    case Operation::kCompareAndPut:
      STAP_PROBE6(podkeeper, put, owner.partition, owner.strategy, text, bytes, place, how);
      return;
    case Operation::kErase:
    case Operation::kCompareAndErase:
      STAP_PROBE6(podkeeper, erase, owner.partition, owner.strategy, text, bytes, place, how);
      return;
    case Operation::kIterate:
      STAP_PROBE3(podkeeper, iterate_end, owner.partition, owner.strategy, how);
      return;
  }
}

void iterate_begins(const Owner& owner, std::size_t entries) noexcept {
  STAP_PROBE3(podkeeper, iterate_begin, owner.partition, owner.strategy, entries);
}

void detail::grown(const char* table, std::size_t from, std::size_t to,
                   std::size_t entries) noexcept {
  STAP_PROBE5(podkeeper, grow, t_partition, table, from, to, entries);
}

void migrates(const MigrationState& state) noexcept {
  const auto flipped = static_cast<std::uint8_t>(state.flipped ? 1 : 0);
  STAP_PROBE6(podkeeper, migrate, state.partition, state.from, state.to, state.phase, state.copied,
              flipped);
}

}  // namespace podkeeper::cmap::probes
