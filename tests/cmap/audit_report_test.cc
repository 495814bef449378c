#include "pkg/cmap/audit_report.h"

#include "pkg/base/epoch.h"
#include "pkg/base/task_context.h"
#include "pkg/cmap/map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/cmap/support/manual_clock.h"
#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ManualClock;
using ::testing::MatchesRegex;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::Text;
using testing::text;

class AuditReport : public ::testing::Test {
 protected:
  AuditReport() {
    for (auto* map : {pods_.get(), nodes_.get()}) {
      map->set_audit({.mode = AuditMode::kAll, .ring_entries = 64});
    }
  }
  void as_task(std::uint64_t id, const std::string& name, const std::function<void()>& run) {
    const auto task =
        base::make_ref<base::TaskContext>(id, std::uint64_t{0}, name, base::Handler::kEvent,
                                          base::MonotonicTime{}, std::source_location::current());
    const base::TaskScope scope(task.get());
    run();
  }

  std::shared_ptr<Map<Text>> pods_ = std::make_shared<Map<Text>>(MapOptions{.shards = 4});
  std::shared_ptr<Map<Text>> nodes_ = std::make_shared<Map<Text>>(MapOptions{.shards = 4});
  std::vector<NamedMap> maps_ = {{"pods", pods_}, {"nodes", nodes_}};
};

TEST_F(AuditReport, TellsWhatTheTaskDidAndTheChainOfItsLastKey) {
  as_task(12, "reflector pods", [&] {
    pods_->put(text("default/a", 1));
    pods_->put(text("default/a", 2));
  });
  as_task(13, "reflector nodes", [&] { nodes_->put(text("node-1", 1)); });
  EXPECT_THAT(audit_lines(maps_, 12, std::nullopt),
              ElementsAre(MatchesRegex("pods: put replaced default/a, shard [0-9]+ bucket [0-9]+, "
                                       "task reflector pods#12, operation 2"),
                          StartsWith("pods: put added default/a, shard "),
                          MatchesRegex("pods: search for default/a: shard .*found: .* default/a")));
}

TEST_F(AuditReport, TellsWhatOtherTasksDidToTheSameKey) {
  ManualClock clock;
  pods_->set_audit({.mode = AuditMode::kAll, .ring_entries = 64, .clock = &clock});
  as_task(13, "sweeper", [&] { pods_->put(text("default/b", 1)); });
  clock.time += std::chrono::nanoseconds(41);
  as_task(13, "sweeper", [&] { pods_->put(text("default/a", 1)); });
  clock.time += std::chrono::nanoseconds(1);
  as_task(12, "reflector pods", [&] { pods_->erase(make_key("default/a")); });
  EXPECT_THAT(audit_lines(maps_, 12, std::nullopt),
              ElementsAre(MatchesRegex("pods: erase erased default/a, shard .*, task reflector "
                                       "pods#12, at 3600.000000042 s, operation 3"),
                          StartsWith("pods: search for default/a: shard "),
                          MatchesRegex("pods: put added default/a, shard .*, task sweeper#13, at "
                                       "3600.000000041 s, operation 2")));
}

TEST_F(AuditReport, TellsOfEverybodyWhereTheTaskTouchedNoMap) {
  as_task(13, "reflector nodes", [&] {
    for (int i = 0; i < 10; ++i) nodes_->put(text("node-1", 1));
  });
  const auto lines = audit_lines(maps_, 12, std::nullopt);
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], HasSubstr("task reflector nodes#13, operation 10"));
}

TEST_F(AuditReport, BeginsWithTheOperationThatThePanicLeft) {
  pods_->set_audit({});
  const Key key = make_key("default/a");
  const PanickedOperation left{.map = pods_.get(), .operation = Operation::kPut, .hash = key.hash};
  EXPECT_THAT(audit_lines(maps_, 12, left),
              ElementsAre(MatchesRegex("pods: put of key hash 0x[0-9a-f]+ panicked; shard .*")));
  const PanickedOperation gone{.map = nullptr};
  EXPECT_THAT(audit_lines(maps_, 12, gone), IsEmpty()) << "a map that is no more";
}

TEST_F(AuditReport, IsBounded) {
  std::vector<NamedMap> many(100, NamedMap{"pods", pods_});
  as_task(12, "t", [&] { pods_->put(text("default/a", 1)); });
  EXPECT_THAT(audit_lines(many, 12, std::nullopt), SizeIs(kAuditLinesMax));
}

}  // namespace
}  // namespace podkeeper::cmap
