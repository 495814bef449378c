#include "pkg/cmap/scratch_misuse.h"

#include "pkg/base/panic.h"
#include "pkg/cmap/flat_table.h"
#include "pkg/cmap/write_flag.h"

#include <cstdint>
#include <optional>
#include <source_location>
#include <vector>

namespace podkeeper::cmap {
namespace {

/// As the task `me` on a thread of its own.
void iterate(const FlatTable& table, base::TaskContext* me) {
  const base::TaskScope scope(me);
  const Caller::Stranger stranger;
  Caller::mine().at(std::source_location::current());
  std::vector<const Record*> out;
  std::optional<std::uint64_t> position = 0;
  (void)table.collect(&position, &out);
}

}  // namespace

void iterate_while_written_by(const base::Ref<base::TaskContext>& writer) {
  base::TaskContext* me = base::current_task();
  FlatTable scratch;
  const base::TaskScope scope(writer.get());
  Caller::mine().at(std::source_location::current());
  // Unlike a real write this one ends by what is thrown through it; the table goes with it.
  scratch.flag().write([&] {
    iterate(scratch, me);
    return true;
  });
  throw base::Panic(base::PanicKind::kInvariant, "an iteration got past a writer");
}

}  // namespace podkeeper::cmap
