#include "daemon/map_metrics.h"

#include "pkg/policy/plan.h"
#include "pkg/telemetry/metric_names.h"

#include <cstdint>
#include <utility>

namespace podkeeper::daemon {
namespace {

constexpr std::pair<const char*, std::uint64_t cmap::MapStats::*> kOperations[] = {
    {"find", &cmap::MapStats::finds},
    {"put", &cmap::MapStats::puts},
    {"erase", &cmap::MapStats::erases},
    {"scan", &cmap::MapStats::scans}};

}  // namespace

void MapMetrics::refresh() {
  std::map<std::string, cmap::MapStats> now;
  for (const state::Partitions* map : maps_) {
    for (const policy::PartitionReport& partition : map->report()) {
      now.emplace(policy::partition_name(map->name(), partition.policy), partition.map);
    }
  }
  for (const auto& [partition, last] : reported_) {
    if (!now.contains(partition)) forget(partition, last);
  }
  for (const auto& [partition, stats] : now) report(partition, stats);
  reported_ = std::move(now);
}

void MapMetrics::report(const std::string& partition, const cmap::MapStats& now) {
  const cmap::MapStats last = reported_.contains(partition) ? reported_[partition] : now;
  if (std::pair(last.strategy, last.hash) != std::pair(now.strategy, now.hash)) {
    metrics_.remove(telemetry::kMapInfo,
                    {partition, cmap::to_string(last.strategy), cmap::to_string(last.hash)});
  }
  metrics_
      .gauge(telemetry::kMapInfo,
             {partition, cmap::to_string(now.strategy), cmap::to_string(now.hash)})
      .Set(1);
  const auto gauge = [&](const telemetry::MetricDesc& desc, std::size_t value) {
    metrics_.gauge(desc, {partition}).Set(static_cast<double>(value));
  };
  gauge(telemetry::kMapEntries, now.entries);
  gauge(telemetry::kMapBytes, now.table_bytes);
  gauge(telemetry::kMapShards, now.shards);
  const std::map<std::string, cmap::MapStats>& before = reported_;
  const auto known = before.find(partition);
  // What a partition of the same name counted before it went is not taken back.
  const auto increase = [&](std::uint64_t cmap::MapStats::* count) {
    const std::uint64_t old = known == before.end() ? 0 : known->second.*count;
    return static_cast<double>(now.*count < old ? now.*count : now.*count - old);
  };
  for (const auto& [op, count] : kOperations) {
    metrics_.counter(telemetry::kMapOperations, {partition, op}).Increment(increase(count));
  }
  metrics_.counter(telemetry::kMapContended, {partition})
      .Increment(increase(&cmap::MapStats::contended));
}

void MapMetrics::forget(const std::string& partition, const cmap::MapStats& last) {
  metrics_.remove(telemetry::kMapInfo,
                  {partition, cmap::to_string(last.strategy), cmap::to_string(last.hash)});
  for (const telemetry::MetricDesc* desc : {&telemetry::kMapEntries, &telemetry::kMapBytes,
                                            &telemetry::kMapShards, &telemetry::kMapContended}) {
    metrics_.remove(*desc, {partition});
  }
  for (const auto& [op, count] : kOperations) {
    metrics_.remove(telemetry::kMapOperations, {partition, op});
  }
}

}  // namespace podkeeper::daemon
