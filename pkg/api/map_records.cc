#include "pkg/api/map_records.h"

#include "pkg/api/json_object.h"
#include "pkg/api/state_records.h"
#include "pkg/policy/plan.h"

namespace podkeeper::api {
namespace {

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
