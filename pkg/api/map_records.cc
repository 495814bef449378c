#include "pkg/api/map_records.h"

#include "pkg/api/json_object.h"
#include "pkg/api/state_records.h"
#include "pkg/kube/object.h"
#include "pkg/policy/plan.h"

namespace podkeeper::api {
namespace {

void append_migration(std::string& out, const policy::PartitionReport& partition) {
  const policy::MigrationFigures& last = *partition.last_migration;
  JsonObject object(out);
  object.text("ended", kube::format_time(last.ended));
  object.number("milliseconds", last.milliseconds);
  const auto number = [&](const char* key, const std::optional<std::int64_t>& value) {
    if (value) object.number(key, *value);
  };
  number("readsPerSecondBefore", last.reads_per_second_before);
  number("readsPerSecondAfter", last.reads_per_second_after);
  number("p99NanosecondsBefore", last.p99_before_nanoseconds);
  number("p99NanosecondsAfter", last.p99_after_nanoseconds);
}

void append_partition(std::string& out, const state::Partitions& map,
                      const policy::PartitionReport& partition) {
  const cmap::MapStats& stats = partition.map;
  JsonObject item(out);
  item.text("partition", policy::partition_name(map.name(), partition.policy));
  item.text("resource", map.resource());
  if (!partition.policy.empty()) item.text("policy", partition.policy);
  item.text("strategy", cmap::to_string(stats.strategy));
  item.number("shards", stats.shards);
  item.text("hash", cmap::to_string(stats.hash));
  item.number("entries", stats.entries);
  item.number("tableBytes", stats.table_bytes);
  item.number("recordBytes", stats.record_bytes);
  {
    JsonObject operations(item.member("operations"));
    operations.number("find", stats.finds);
    operations.number("put", stats.puts);
    operations.number("erase", stats.erases);
    operations.number("scan", stats.scans);
  }
  item.number("contended", stats.contended);
  if (stats.migration != cmap::MigrationPhase::kNone) {
    item.text("migration", cmap::to_string(stats.migration));
  }
  if (partition.last_migration) append_migration(item.member("lastMigration"), partition);
}

}  // namespace

std::string map_list_json(std::span<const state::Partitions* const> maps) {
  std::string out;
  {
    JsonObject list(out);
    list.text("apiVersion", kStateApiVersion);
    list.text("kind", "MapList");
    std::string& items = list.member("items");
    items += '[';
    for (const state::Partitions* map : maps) {
      for (const policy::PartitionReport& partition : map->report()) {
        if (items.back() != '[') items += ',';
        append_partition(items, *map, partition);
      }
    }
    items += ']';
  }
  return out;
}

}  // namespace podkeeper::api
