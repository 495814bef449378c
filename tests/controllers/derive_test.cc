#include "pkg/controllers/derive.h"

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <string>

#include "tests/controllers/support.h"

namespace podkeeper::controllers {
namespace {

using kube::UnixSeconds;
using state::StuckReason;
using testing::kCreated;
using testing::Pod;

state::RecordRef node(const std::string& ready, UnixSeconds since) {
  return testing::record(testing::Node{.ready = ready, .since = since});
}

/// One row: a pod, its node ("" for a missing one), a time, and what is said about it then.
struct Row {
  const char* claim;
  Pod pod;
  std::string node_ready;
  UnixSeconds node_since;
  UnixSeconds now;
  bool node_lost;
  StuckReason stuck;
  std::optional<UnixSeconds> next_change;  ///< after the creation
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.claim; }

class Derive : public ::testing::TestWithParam<Row> {};

TEST_P(Derive, SaysWhatTheTableSays) {
  const Row& row = GetParam();
  const state::RecordRef n =
      row.node_ready.empty() ? state::RecordRef() : node(row.node_ready, row.node_since);
  const Derived derived = derive(testing::record(row.pod), n.get(), kCreated + row.now, {});
  ASSERT_TRUE(derived.state);
  EXPECT_EQ(derived.state->node_lost, row.node_lost) << row.claim;
  EXPECT_EQ(derived.state->stuck, row.stuck)
      << row.claim << ": " << to_string(derived.state->stuck);
  std::optional<UnixSeconds> next = derived.next_change;
  if (next) *next -= kCreated;
  EXPECT_EQ(next, row.next_change) << row.claim;
}

constexpr auto kNone = StuckReason::kNone;
constexpr auto kPending = StuckReason::kPending;
constexpr auto kCreating = StuckReason::kContainerCreating;
constexpr auto kTerminating = StuckReason::kTerminating;
const Pod kUnbound{.phase = "Pending", .node = ""};
const Pod kBound{.phase = "Pending"};
const Pod kDeleted{.deleted = 130};
const Pod kStarted{.phase = "Pending", .started = 50};
const Pod kDeletedUnbound{.phase = "Pending", .node = "", .deleted = 500};
const Pod kFailed{.phase = "Failed"};

INSTANTIATE_TEST_SUITE_P(
    Table, Derive,
    ::testing::Values(
        Row{"a running pod on a ready node is well", {}, "True", 0, 9999, false, kNone, {}},
        Row{"a node not ready is borne for a while", {}, "False", 100, 139, false, kNone, 140},
        Row{"a node not ready too long is lost", {}, "False", 100, 140, true, kNone, {}},
        Row{"a silent node is borne for a while", {}, "Unknown", 100, 139, false, kNone, 140},
        Row{"a silent node is lost", {}, "Unknown", 100, 140, true, kNone, {}},
        Row{"a node may be heard of after its pod", {}, "", 0, 39, false, kNone, 40},
        Row{"a missing node is lost", {}, "", 0, 40, true, kNone, {}},
        Row{"a pod without a node has none to lose", kUnbound, "", 0, 299, false, kNone, 300},
        Row{"a pod waits for a node too long", kUnbound, "", 0, 300, false, kPending, {}},
        Row{"containers take their time", kBound, "True", 0, 599, false, kNone, 600},
        Row{"containers take too long", kBound, "True", 0, 600, false, kCreating, {}},
        Row{"the time runs from the start on", kStarted, "True", 0, 600, false, kNone, 650},
        Row{"the earlier of two changes is next", kBound, "False", 570, 599, false, kNone, 600},
        Row{"a deleted pod has its grace", kDeleted, "True", 0, 249, false, kNone, 250},
        Row{"a deleted pod does not go", kDeleted, "True", 0, 250, false, kTerminating, {}},
        Row{"a deletion replaces waiting", kDeletedUnbound, "", 0, 600, false, kNone, 620},
        Row{"an ended pod has no node to lose", kFailed, "", 0, 999, false, kNone, {}}));

TEST(DeriveFields, TakesThemFromThePod) {
  const Pod pod{.ready_since = 12, .started = 3};
  const Derived derived = derive(testing::record(pod), node("True", 0).get(), kCreated + 60, {});
  ASSERT_TRUE(derived.state);
  EXPECT_TRUE(derived.state->ready);
  EXPECT_FALSE(derived.state->terminating);
  EXPECT_EQ(derived.state->last_transition_at, kCreated + 12);
  EXPECT_EQ(derived.state->expires_at, 0);
  EXPECT_EQ(derived.state->revision().value, 9u);
  EXPECT_TRUE(derive(testing::record(kDeleted), nullptr, kCreated, {}).state->terminating);
}

TEST(DeriveExpiry, KeepsATerminalPodsStateForItsTimeAndNotLonger) {
  const Pod pod{.phase = "Succeeded", .finished = 100};
  const DeriveOptions options{.terminal_ttl = std::chrono::seconds(60)};
  const Derived before = derive(testing::record(pod), nullptr, kCreated + 159, options);
  ASSERT_TRUE(before.state);
  EXPECT_EQ(before.state->expires_at, kCreated + 160);
  EXPECT_EQ(before.next_change, kCreated + 160);
  EXPECT_FALSE(derive(testing::record(pod), nullptr, kCreated + 160, options).state);
  EXPECT_TRUE(derive(testing::record(pod), nullptr, kCreated + 99999, {}).state)
      << "off by default";
  const Pod running{.phase = "Running"};
  EXPECT_TRUE(derive(testing::record(running), nullptr, kCreated + 99999, options).state);
}

}  // namespace
}  // namespace podkeeper::controllers
