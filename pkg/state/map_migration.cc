#include "pkg/state/map_migration.h"

#include "pkg/base/epoch.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::state {
namespace {

constexpr std::size_t kSampledKeys = 128;
constexpr std::size_t kSampledFinds = 512;

base::Duration sample_p99(base::Clock& clock, const cmap::SwitchedMap& map) {
  const base::Epoch::Guard guard;
  std::vector<cmap::Key> keys;
  map.for_each_from(guard, 0, [&](const cmap::Record& record) {
    if (keys.size() < kSampledKeys) keys.push_back(record.key());
  });
  if (keys.empty()) return {};
  std::vector<base::Duration> times;
  times.reserve(kSampledFinds);
  for (std::size_t i = 0; i < kSampledFinds; ++i) {
    const base::MonotonicTime began = clock.now();
    (void)map.find(guard, keys[i % keys.size()]);
    times.push_back(clock.now() - began);
  }
  const auto p99 = times.begin() + kSampledFinds * 99 / 100;
  std::ranges::nth_element(times, p99);
  return *p99;
}

base::Task<ReadFigures> measure(base::Clock& clock, const cmap::SwitchedMap& map,
                                base::Duration window) {
  const base::MonotonicTime began = clock.now();
  const std::uint64_t finds = map.stats().finds;
  auto nap = clock.sleep_for(window);
  co_await std::move(nap);
  const std::chrono::duration<double> seconds = clock.now() - began;
  ReadFigures figures;
  if (seconds.count() > 0) {
    figures.per_second = static_cast<double>(map.stats().finds - finds) / seconds.count();
  }
  figures.p99 = sample_p99(clock, map);
  co_return figures;
}

base::Error timed_out(const cmap::MapOptions& to, const MigrationLimits& limits,
                      const cmap::Migration::Progress& progress) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limits.timeout);
  return {base::ErrorCode::kTimeout,
          "the change to " + std::string(cmap::to_string(to.strategy)) + " was given up after " +
              std::to_string(ms.count()) + " ms (" + cmap::to_string(progress.phase) + ", " +
              std::to_string(progress.copied) + " of " + std::to_string(progress.entries) +
              " records copied) and the old strategy serves on; allow it more time"};
}

/// Steps until the end, or until `limits` say that it is enough.
base::Task<base::Result<void>> drive(base::Clock& clock, cmap::Migration& migration,
                                     cmap::MapOptions to, MigrationLimits limits) {
  const base::MonotonicTime deadline = clock.now() + limits.timeout;
  while (migration.step(std::max<std::size_t>(limits.step_keys, 1)) !=
         cmap::Migration::Step::kDone) {
    if (clock.now() >= deadline) {
      // What has flipped only waits for its old table, which the reclaimer can free as well.
      const cmap::Migration::Progress progress = migration.progress();
      if (progress.flipped) co_return base::Result<void>();
      migration.abort();
      co_return timed_out(to, limits, progress);
    }
    auto nap = clock.sleep_for(limits.pause);
    co_await std::move(nap);
  }
  co_return base::Result<void>();
}

}  // namespace

base::Task<base::Result<MigrationReport>> migrate(base::Clock& clock, cmap::SwitchedMap& map,
                                                  cmap::MapOptions to, MigrationLimits limits) {
  MigrationReport report;
  auto before = measure(clock, map, limits.window);
  report.before = co_await std::move(before);

  const base::MonotonicTime began = clock.now();
  auto migration = map.migrate(to);
  if (!migration) co_return std::move(migration).error();
  auto driven = drive(clock, *migration, to, limits);
  const base::Result<void> done = co_await std::move(driven);
  if (!done) co_return done.error();
  report.duration = clock.now() - began;
  report.copied = migration->progress().copied;

  auto after = measure(clock, map, limits.window);
  report.after = co_await std::move(after);
  co_return report;
}

}  // namespace podkeeper::state
