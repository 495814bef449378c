#include "pkg/api/map_debug_api.h"

#include "pkg/cmap/map.h"
#include "pkg/runtime/simulated_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::api {
namespace {

using cmap::testing::Text;
using nlohmann::json;
using testing::HasSubstr;

class MapDebugApi : public testing::Test {
 protected:
  MapDebugApi() {
    map_->set_audit({.mode = cmap::AuditMode::kAll, .ring_entries = 64, .clock = &world_.clock()});
    add_map_debug_routes(
        router_, [this] { return std::vector<cmap::NamedMap>{{"pods~batch", map_}}; },
        world_.clock());
  }
  void put(const std::string& key) { map_->put(cmap::testing::text(key, 1)); }
  http::Response ask(const std::string& target, const std::string& method = "GET") {
    http::Request request;
    request.method = method;
    request.target = http::parse_target(target).value();
    const http::Handler* handler = router_.find(request.target);
    if (handler == nullptr) return http::Response::text(404, "no route");
    http::Response answer;
    auto body = [&]() -> base::Task<void> {
      auto asked = (*handler)(std::move(request));
      answer = co_await std::move(asked);
    };
    world_.run_task(body);
    return answer;
  }
  static std::string text(const http::Response& answer) {
    return std::get<std::string>(answer.body);
  }

  runtime::SimulatedWorld world_{1};
  std::shared_ptr<cmap::Map<Text>> map_ =
      std::make_shared<cmap::Map<Text>>(cmap::MapOptions{.shards = 4});
  http::Router router_;
};

TEST_F(MapDebugApi, TellsTheLastOperationsNewestFirst) {
  put("ns/a");
  put("ns/b");
  map_->erase(cmap::make_key("ns/a"));
  const json audit = json::parse(text(ask("/debug/maps/pods~batch/audit?limit=2")));
  EXPECT_EQ(audit["partition"], "pods~batch");
  EXPECT_EQ(audit["mode"], "All");
  EXPECT_EQ(audit["ringEntries"], 64);
  EXPECT_EQ(audit["noted"], 3);
  ASSERT_EQ(audit["entries"].size(), 2U);
  EXPECT_EQ(audit["entries"][0]["operation"], "erase");
  EXPECT_EQ(audit["entries"][0]["outcome"], "erased");
  EXPECT_EQ(audit["entries"][0]["key"], "ns/a");
  EXPECT_EQ(audit["entries"][1]["operation"], "put");
  EXPECT_EQ(audit["entries"][1]["outcome"], "added");
  EXPECT_LE(audit["entries"][0]["timeNs"], audit["nowNs"]);
}

TEST_F(MapDebugApi, TellsHowFullTheTablesAre) {
  for (int i = 0; i < 100; ++i) put("ns/" + std::to_string(i));
  const json heap = json::parse(text(ask("/debug/maps/pods~batch/heap?limit=2")));
  EXPECT_EQ(heap["strategy"], "Sharded");
  EXPECT_EQ(heap["shards"], 4);
  EXPECT_EQ(heap["total"]["entries"], 100);
  EXPECT_EQ(heap["total"]["tombstones"], 0);
  EXPECT_EQ(heap["total"]["bucketsByFill"].size(), 8U);
  EXPECT_GE(heap["tables"], 4);
  ASSERT_EQ(heap["fullest"].size(), 2U);
  EXPECT_GE(heap["fullest"][0]["entries"], heap["fullest"][1]["entries"]);
}

TEST_F(MapDebugApi, RefusesWhatItCannotAnswer) {
  EXPECT_EQ(ask("/debug/maps/pods/audit").status, 404);
  EXPECT_THAT(text(ask("/debug/maps/pods/audit")), HasSubstr("pods~batch"));
  EXPECT_EQ(ask("/debug/maps").status, 404);
  EXPECT_EQ(ask("/debug/maps/pods~batch/keys").status, 404);
  EXPECT_EQ(ask("/debug/maps/pods~batch/audit", "POST").status, 405);
  for (const char* limit : {"0", "-1", "x", "10x", "1048577", ""}) {
    const auto answer = ask(std::string("/debug/maps/pods~batch/audit?limit=") + limit);
    EXPECT_EQ(answer.status, 400) << limit;
    EXPECT_THAT(text(answer), HasSubstr("limit"));
  }
}

}  // namespace
}  // namespace podkeeper::api
