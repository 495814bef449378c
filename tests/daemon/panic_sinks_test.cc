#include "daemon/panic_sinks.h"

#include "pkg/api/debug_api.h"
#include "pkg/base/epoch.h"
#include "pkg/base/task_context.h"
#include "pkg/cmap/flat_table.h"
#include "pkg/cmap/map.h"
#include "pkg/recovery/guard.h"
#include "pkg/recovery/panic_report.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/base/sanitized.h"
#include "tests/cmap/support/text_record.h"

namespace podkeeper::daemon {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using cmap::testing::text;
using cmap::testing::Text;
using Texts = cmap::Map<Text>;

/// The daemon's way of a panic, from the misuse of a map to the log, the metrics and /debug/panics.
class PanicSinksTest : public testing::Test {
 protected:
  PanicSinksTest() {
    map_->set_audit({.mode = cmap::AuditMode::kAll, .ring_entries = 64, .clock = &world_.clock()});
    api::add_debug_routes(router_, registry_);
  }

  /// Runs `body` as an event handler's task of that name, on a thread of its own.
  static void as_task(std::uint64_t id, const std::string& name,
                      const std::function<void()>& body) {
    std::thread([&] {
      const auto task =
          base::make_ref<base::TaskContext>(id, std::uint64_t{0}, name, base::Handler::kEvent,
                                            base::MonotonicTime{}, std::source_location::current());
      const base::TaskScope scope(task.get());
      EXPECT_EQ(recovery::guard(base::Handler::kEvent, body).error().code,
                base::ErrorCode::kInternal);
    }).join();
  }
  /// While a task "early" is in the middle of a write of the table, a task "late" puts something
  /// into a map and then does `misuse`.
  void misuse_while_writing(const std::function<void()>& misuse) {
    as_task(1, "early", [&] {
      cmap::Caller::mine().at(std::source_location::current());
      table_.flag().write([&] {
        as_task(2, "late", [&] {
          map_->put(text("default/a", 1));
          cmap::Caller::mine().at(std::source_location::current());
          misuse();
        });
        return true;
      });
      throw std::runtime_error("ends like the other, for as_task()");
    });
  }
  json panics() {
    http::Request request;
    request.method = "GET";
    request.target = http::parse_target("/debug/panics").value();
    std::string body;
    auto asking = [&]() -> base::Task<void> {
      auto asked = (*router_.find(request.target))(std::move(request));
      body = std::get<std::string>((co_await std::move(asked)).body);
    };
    world_.run_task(asking);
    return json::parse(body).at("panics");
  }
  /// The report of the misuse, with both its parties.
  void expect_both_parties(const std::string& doing) {
    const json report = panics().at(1);  // 0: how "early" ended
    EXPECT_EQ(report.at("kind"), "misuse");
    EXPECT_EQ(report.at("task").at("name"), "late");
    const json& parties = report.at("parties");
    ASSERT_EQ(parties.size(), 2U) << report;
    EXPECT_EQ(parties[0].at("doing"), doing);
    EXPECT_EQ(parties[0].at("task").at("name"), "late");
    EXPECT_EQ(parties[1].at("doing"), "write");
    EXPECT_EQ(parties[1].at("task").at("name"), "early");
    for (const json& party : parties) {
      EXPECT_THAT(party.at("callSite").get<std::string>(), HasSubstr("panic_sinks_test.cc:"));
      EXPECT_THAT(party.at("task").at("createdBy").get<std::string>(),
                  HasSubstr("panic_sinks_test.cc:"));
    }
  }
  static std::vector<std::string> map_audit(const json& report) {
    return report.at("mapAudit").get<std::vector<std::string>>();
  }

  runtime::SimulatedWorld world_{1};
  telemetry::Metrics metrics_;
  std::string lines_;
  telemetry::Logging logging_{{.write = [this](std::string_view line) { lines_ += line; }},
                              world_.clock()};
  runtime::TaskRegistry registry_{world_.clock()};
  http::Router router_;
  cmap::FlatTable table_;  ///< what a map's strategy locks; here nobody does
  std::shared_ptr<Texts> map_ = std::make_shared<Texts>(cmap::MapOptions{.shards = 4});
  PanicSinks sinks_{world_.clock(), metrics_};
  PanicAudit audit_{[this] { return std::vector<cmap::NamedMap>{{"pods", map_}}; }};
};

TEST_F(PanicSinksTest, TellBothPartiesOfTwoThatWrite) {
  const auto record = text("default/a", 1);
  misuse_while_writing([&] {
    cmap::FlatTable::Spare spare;
    (void)table_.apply({.key = record->key(), .record = record.get()}, spare);
  });
  expect_both_parties("write");
}

TEST_F(PanicSinksTest, TellBothPartiesOfAnIterationDuringAWrite) {
  misuse_while_writing([&] {
    std::vector<const cmap::Record*> out;
    std::optional<std::uint64_t> position = 0;
    (void)table_.collect(&position, &out);
  });
  expect_both_parties("iteration");
}

TEST_F(PanicSinksTest, LogAMisuseWithWhatTheMapsRememberOfItsTask) {
  misuse_while_writing([&] { table_.flag().write([] { return true; }); });
  const auto audit = map_audit(panics().at(1));
  EXPECT_THAT(audit, Contains(StartsWith("pods: put added default/a, shard ")));
  EXPECT_THAT(audit, Contains(StartsWith("pods: search for default/a: shard ")));
  const std::string line = lines_.substr(0, lines_.find('\n'));
  EXPECT_THAT(line, HasSubstr("msg=\"panic_recovered\""));
  EXPECT_THAT(line, HasSubstr("kind=misuse"));
  EXPECT_THAT(line, HasSubstr("write of task late#2 (created by "));
  EXPECT_THAT(line, HasSubstr(" met write of task early#1 (created by "));
  EXPECT_THAT(line, HasSubstr("pods: put added default/a, shard "));
}

TEST_F(PanicSinksTest, TellTheMapOperationThatAPanicLeft) {
  map_->put(text("default/a", 1));
  as_task(3, "reader", [&] {
    const base::Epoch::Guard guard;
    map_->for_each(guard, [](const Text&) { throw std::runtime_error("planted"); });
  });
  EXPECT_EQ(map_audit(panics().at(0)).front(), "pods: iterate panicked");
}

TEST_F(PanicSinksTest, CountMisuseApartFromOtherPanics) {
  EXPECT_THAT(metrics_.render(), HasSubstr("podkeeper_map_misuse_total 0"))
      << "born with its first panic it would not have increased";
  misuse_while_writing([&] { table_.flag().write([] { return true; }); });
  const std::string metrics = metrics_.render();
  EXPECT_THAT(metrics, HasSubstr("podkeeper_map_misuse_total 1"));
  EXPECT_THAT(metrics, HasSubstr("podkeeper_panics_total{handler=\"event\",kind=\"misuse\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("podkeeper_panics_total{handler=\"event\",kind=\"exception\"} 1"));
}

// Using what is no map is undefined, and UndefinedBehaviorSanitizer ends the program at it.
#if !PK_ADDRESS_SANITIZER

TEST_F(PanicSinksTest, TellTheOnePartyOfAUseBeforeInitialization) {
  struct Memory {
    alignas(Texts) std::array<std::byte, sizeof(Texts)> bytes{};
  } memory;
  as_task(4, "hasty", [&] { reinterpret_cast<Texts*>(memory.bytes.data())->put(text("a", 1)); });
  const json report = panics().at(0);
  EXPECT_THAT(report.at("message").get<std::string>(), HasSubstr("that is not made yet"));
  ASSERT_EQ(report.at("parties").size(), 1U);
  EXPECT_EQ(report.at("parties")[0].at("task").at("name"), "hasty");
  EXPECT_THAT(report.at("parties")[0].at("callSite").get<std::string>(),
              HasSubstr("panic_sinks_test.cc:"));
  EXPECT_THAT(metrics_.render(), HasSubstr("podkeeper_map_misuse_total 1"));
}

#endif

TEST_F(PanicSinksTest, TellNothingOfMapsOnceTheAuditIsGone) {
  {
    const PanicAudit shorter([this] { return std::vector<cmap::NamedMap>{{"pods", map_}}; });
  }
  as_task(5, "task", [&] {
    map_->put(text("default/a", 1));
    throw std::runtime_error("planted");
  });
  EXPECT_TRUE(map_audit(panics().at(0)).empty());
}

}  // namespace
}  // namespace podkeeper::daemon
