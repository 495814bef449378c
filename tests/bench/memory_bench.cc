// What memory costs the maps: a record's block from a slab and from malloc, many keys found at once
// and one by one, and what 10,000 pods weigh beside their JSON.

#include "pkg/base/epoch.h"
#include "pkg/base/slab.h"
#include "pkg/cmap/map.h"
#include "pkg/kube/object.h"
#include "pkg/runtime/seeded_random.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/state/store.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <functional>
#include <malloc.h>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/bench/harness.h"
#include "tests/bench/http_load.h"
#include "tests/bench/maps_workload.h"

namespace podkeeper::bench {
namespace {

/// Replaces blocks of 80 to 144 bytes at random places of a working set, in batches of 4096 frees
/// after 4096 allocations, as the reclaimer makes them.
template <class Allocate, class Free>
Cost churn(std::size_t blocks, std::size_t replacements, Allocate&& allocate, Free&& free) {
  runtime::SeededRandom random(3);
  const auto bytes = [&] { return 80 + random.below(5) * 16; };
  std::vector<void*> held;
  for (std::size_t i = 0; i < blocks; ++i) held.push_back(allocate(bytes()));
  std::vector<void*> retired;
  const Cost cost = run_threads(1, [&](std::size_t) {
    for (std::size_t i = 0; i < replacements; ++i) {
      void* const fresh = allocate(bytes());
      static_cast<char*>(fresh)[0] = 1;
      retired.push_back(std::exchange(held[random.below(blocks)], fresh));
      if (retired.size() < 4096) continue;
      for (void* const block : retired) free(block);
      retired.clear();
    }
  });
  for (void* const block : retired) free(block);
  for (void* const block : held) free(block);
  return cost;
}

void measure_blocks(const Flags& flags, Report& report) {
  const std::size_t replacements = flags.small ? 200'000 : 2'000'000;
  const auto outcomes = interleave(
      flags.small ? 3 : 7,
      {[&] {
         return churn(
             100'000, replacements, [](std::size_t n) { return ::operator new(n); },
             [](void* block) { ::operator delete(block); });
       },
       [&] { return churn(100'000, replacements, &base::Slabs::allocate, &base::Slabs::free); }});
  const double ns = outcomes[1].cost.cpu_seconds / static_cast<double>(replacements) * 1e9;
  std::printf("replace a block: malloc %.1f ns, slab %.1f ns, %.2fx\n",
              outcomes[0].cost.cpu_seconds / static_cast<double>(replacements) * 1e9, ns,
              outcomes[1].cpu_ratio);
  report.add("memory.replace_a_block", ns, "ns", "malloc", outcomes[1].cpu_ratio);
}

/// A record of the store's shape: a head of one cache line, the key right behind it.
class Entry final : public cmap::Record {
 public:
  static base::Tail tail_for(std::string_view text) { return {text.size()}; }
  Entry(base::Tail tail, std::string_view text) {
    char* const behind = reinterpret_cast<char*>(this + 1);
    text.copy(behind, tail.bytes);
    set_key(cmap::make_key({behind, tail.bytes}),
            base::Slabs::block_bytes(sizeof(Entry) + tail.bytes));
  }

 private:
  [[maybe_unused]] void* room_[3] = {};  ///< as large as the store's
};

void measure_finds(const Flags& flags, std::size_t count, Report& report) {
  constexpr std::size_t kAtOnce = 16;
  const Keys texts(count);
  cmap::Map<Entry> map;
  for (std::size_t i = 0; i < count; ++i) map.put(base::make_ref<const Entry>(texts[i]));
  runtime::SeededRandom random(5);
  std::vector<cmap::Key> keys;
  const std::size_t finds = flags.small ? 100'000 : 1'000'000;
  for (std::size_t i = 0; i < finds; ++i)
    keys.push_back(cmap::make_key(texts[random.below(count)]));
  const auto one_by_one = [&] {
    return run_threads(1, [&](std::size_t) {
      for (std::size_t i = 0; i + kAtOnce <= finds; i += kAtOnce) {
        const base::Epoch::Guard guard;
        for (std::size_t k = 0; k < kAtOnce; ++k) keep(map.find(guard, keys[i + k])->byte_size());
      }
    });
  };
  const auto at_once = [&] {
    return run_threads(1, [&](std::size_t) {
      std::vector<const cmap::Record*> found(kAtOnce);
      for (std::size_t i = 0; i + kAtOnce <= finds; i += kAtOnce) {
        const base::Epoch::Guard guard;
        map.find_many(guard, std::span(keys).subspan(i, kAtOnce), found);
        for (const cmap::Record* record : found) keep(record->byte_size());
      }
    });
  };
  const auto outcomes = interleave(flags.small ? 3 : 7, {one_by_one, at_once});
  const double ns = outcomes[1].cost.cpu_seconds / static_cast<double>(finds) * 1e9;
  const std::string size = std::to_string(count / 1000) + "k";
  std::printf("find, Sharded, %s keys: one by one %.1f ns, 16 at once %.1f ns, %.2fx\n",
              size.c_str(), outcomes[0].cost.cpu_seconds / static_cast<double>(finds) * 1e9, ns,
              outcomes[1].cpu_ratio);
  report.add("memory.find_many_16_of_" + size, ns, "ns a key", "find one by one",
             outcomes[1].cpu_ratio);
}

std::size_t resident_bytes() {
  malloc_trim(0);
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void measure_pods(Report& report) {
  std::string list = inflate_file(PK_SOURCE_DIR "/tests/data/pods-10k.json.gz");
  runtime::SimulatedWorld world(1);
  const std::size_t before = resident_bytes();
  state::Store store(world.clock(),
                     state::StoreOptions{.resource = kube::pods(), .map = {}, .log = {}});
  std::size_t json = 0;
  {
    auto decoded = kube::decode_list(kube::pods(), list);
    if (!decoded) fail("cannot decode the recorded pods");
    for (const auto& item : decoded->items) json += item->body.size();
    store.replace(std::move(decoded->items), decoded->revision);
  }
  base::Epoch::collect();
  const auto stats = store.stats();
  const auto pods = static_cast<double>(stats.objects);
  std::size_t tables = 0;
  for (const policy::PartitionReport& each : store.partitions().report()) {
    tables += each.map.table_bytes;
  }
  const auto said = static_cast<double>(stats.bytes + stats.index_bytes + tables);
  const auto resident = static_cast<double>(resident_bytes() - before);
  std::printf("%zu pods: JSON %.0f B a pod; accounted %.0f, resident %.0f\n", stats.objects,
              static_cast<double>(json) / pods, said / pods, resident / pods);
  report.add("memory.accounted_bytes_a_pod", said / pods, "B", "its JSON",
             said / static_cast<double>(json));
  report.add("memory.resident_bytes_a_pod", resident / pods, "B", "its JSON",
             resident / static_cast<double>(json));
}

int run(const Flags& flags) {
  Report report(flags);
  measure_pods(report);
  measure_blocks(flags, report);
  measure_finds(flags, 100'000, report);
  if (!flags.small) measure_finds(flags, 1'000'000, report);
  return report.finish();
}

}  // namespace
}  // namespace podkeeper::bench

int main(int argc, char** argv) {
  return podkeeper::bench::run(podkeeper::bench::parse_flags(argc, argv));
}
