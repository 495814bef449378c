#include "pkg/api/map_debug_api.h"

#include "pkg/cmap/map.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::api {
namespace {

using base::Task;
using http::Request;
using http::Response;
using nlohmann::ordered_json;

constexpr std::string_view kPrefix = "/debug/maps";

std::string dump(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

/// As text: JSON's numbers do not hold 64 bits everywhere.
std::string hex(std::uint64_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%016llx", static_cast<unsigned long long>(value));
  return text.data();
}

std::int64_t nanoseconds(base::MonotonicTime time) { return time.time_since_epoch().count(); }

ordered_json entry_json(const cmap::AuditEntry& entry) {
  return {{"sequence", entry.sequence},
          {"timeNs", nanoseconds(entry.when)},
          {"task", {{"id", entry.task_id}, {"name", entry.task_name}}},
          {"operation", cmap::to_string(entry.operation)},
          {"outcome", cmap::to_string(entry.operation, entry.outcome)},
          {"key", entry.key},
          {"hash", hex(entry.hash)},
          {"shard", entry.position.shard},
          {"bucket", entry.position.bucket}};
}

ordered_json audit_json(const cmap::NamedMap& named, std::size_t limit, base::MonotonicTime now) {
  const cmap::AuditState state = named.map->audit_state();
  ordered_json entries = ordered_json::array();
  for (const auto& entry : named.map->audit_tail(limit)) entries.push_back(entry_json(entry));
  return {{"partition", named.partition},
          {"mode", cmap::to_string(state.options.mode)},
          {"ringEntries", state.options.ring_entries},
          {"sampleEvery", state.options.sample_every},
          {"ringBytes", state.bytes},
          {"noted", state.noted},
          {"lost", state.lost},
          {"nowNs", nanoseconds(now)},
          {"entries", std::move(entries)}};
}

ordered_json census_json(const cmap::TableCensus& census) {
  return {{"entries", census.entries},
          {"buckets", census.buckets},
          {"tombstones", census.tombstones},
          {"bytes", census.bytes},
          {"bucketsByFill", census.buckets_by_fill},
          {"entriesByProbe", census.entries_by_probe}};
}

ordered_json heap_json(const cmap::NamedMap& named, std::size_t limit) {
  std::vector<cmap::TableCensus> tables = named.map->census();
  const cmap::MapStats stats = named.map->stats();
  cmap::TableCensus total;
  for (const cmap::TableCensus& table : tables) total += table;
  const std::size_t count = tables.size();
  std::ranges::sort(tables, std::ranges::greater{}, &cmap::TableCensus::entries);
  if (tables.size() > limit) tables.resize(limit);
  ordered_json fullest = ordered_json::array();
  for (const cmap::TableCensus& table : tables) {
    ordered_json one = {{"shard", table.shard}};
    one.update(census_json(table));
    fullest.push_back(std::move(one));
  }
  return {{"partition", named.partition},
          {"strategy", cmap::to_string(stats.strategy)},
          {"shards", stats.shards},
          {"tableBytes", stats.table_bytes},
          {"tables", count},
          {"total", census_json(total)},
          {"fullest", std::move(fullest)}};
}

Response refusal(int status, const std::string& message) {
  return Response::text(status, message + "\n");
}

/// `limit`, or the default; none where it is not a number from 1 on.
std::optional<std::size_t> limit_of(const http::Target& target, std::size_t otherwise) {
  const auto text = target.query_value("limit");
  if (!text) return otherwise;
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  const bool whole = error == std::errc{} && end == text->data() + text->size();
  if (!whole || limit == 0 || limit > cmap::AuditOptions::kRingEntriesMax) return std::nullopt;
  return limit;
}

Response not_found(const std::vector<cmap::NamedMap>& maps) {
  std::string names;
  for (const cmap::NamedMap& named : maps) names += (names.empty() ? "" : ", ") + named.partition;
  return refusal(404, "there is no such map; use " + std::string(kPrefix) +
                          "/{partition}/audit or heap with one of: " + names);
}

Response serve(const cmap::MapDirectory& directory, const base::Clock& clock,
               const Request& request) {
  if (request.method != "GET") {
    auto refused = refusal(405, "405 method not allowed; use GET");
    refused.headers.add("Allow", "GET");
    return refused;
  }
  const auto maps = directory();
  const auto& path = request.target.segments;
  const bool audit = path.size() == 4 && path[3] == "audit";
  const bool heap = path.size() == 4 && path[3] == "heap";
  if (!audit && !heap) return not_found(maps);
  const auto named = std::ranges::find(maps, path[2], &cmap::NamedMap::partition);
  if (named == maps.end()) return not_found(maps);
  const auto limit = limit_of(request.target, audit ? kAuditLimitDefault : kHeapLimitDefault);
  if (!limit) {
    return refusal(400, "parameter limit: use a number from 1 to " +
                            std::to_string(cmap::AuditOptions::kRingEntriesMax));
  }
  const ordered_json body =
      audit ? audit_json(*named, *limit, clock.now()) : heap_json(*named, *limit);
  return Response::json(200, dump(body));
}

}  // namespace

void add_map_debug_routes(http::Router& router, cmap::MapDirectory maps, base::Clock& clock) {
  router.prefix(std::string(kPrefix),
                [maps = std::move(maps), &clock](Request request) -> Task<Response> {
                  co_return serve(maps, clock, request);
                });
}

}  // namespace podkeeper::api
