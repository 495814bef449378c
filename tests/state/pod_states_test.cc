#include "pkg/state/pod_states.h"

#include "pkg/base/panic.h"
#include "pkg/state/summary.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/state/support.h"

namespace podkeeper::state {
namespace {

using testing::allowed;
using testing::PodSpec;
using Lines = std::vector<std::string>;

PodState state_of(const PodSpec& spec) {
  PodState state;
  state.pod = testing::record(spec);
  state.reason = state.fields().display_status;
  return state;
}

class States : public ::testing::Test {
 protected:
  void put(PodState state) {
    states_.map().put(base::make_ref<const PodStateRecord>(std::move(state)));
  }
  PodStateList list(const PodStateQuery& query) { return states_.list(allowed(), query); }
  static Lines names(const PodStateList& list) {
    Lines lines;
    for (const PodStateRef& state : list.states) lines.emplace_back(state->key_text());
    return lines;
  }

  testing::StandingClock clock_;
  PodStates states_{clock_};
};

TEST_F(States, AreFoundByTheirPodsKey) {
  put(state_of({.namespace_ = "a", .name = "x", .revision = 7, .node = "n1"}));
  const PodStateRef found = states_.get(allowed("pods", "a"), {"a", "x"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state().revision().value, 7u);
  EXPECT_EQ(found->state().node(), "n1");
  EXPECT_FALSE(states_.get(allowed(), {"a", "y"}));
  EXPECT_THROW((void)states_.get(allowed("pods", "b"), {"a", "x"}), base::Panic);
}

TEST_F(States, AreSelectedByWhatTheyHave) {
  put(state_of({.namespace_ = "a", .name = "x", .node = "n1", .labels = {{"app", "web"}}}));
  put(state_of({.namespace_ = "a", .name = "y", .node = "n2", .phase = "Pending"}));
  put(state_of({.namespace_ = "b", .name = "x", .node = "n1", .phase = "Pending"}));
  EXPECT_EQ(names(list({})), (Lines{"a/x", "a/y", "b/x"}));
  EXPECT_EQ(names(list({.namespace_ = "a"})), (Lines{"a/x", "a/y"}));
  EXPECT_EQ(names(list({.fields = testing::fields("spec.nodeName=n1")})), (Lines{"a/x", "b/x"}));
  EXPECT_EQ(names(list({.fields = testing::fields("spec.nodeName=n1,status.phase=Pending")})),
            (Lines{"b/x"}));
  EXPECT_EQ(names(list({.labels = testing::labels("app=web")})), (Lines{"a/x"}));
  EXPECT_EQ(names(list({.fields = testing::fields("spec.nodeName=n2")})), (Lines{"a/y"}));
}

TEST_F(States, AreFoundAmongThePodsThatAnIndexGave) {
  std::vector<RecordRef> on_node;
  for (int i = 0; i < 40; ++i) {
    PodState state = state_of({.name = "p" + std::to_string(i), .node = i % 2 == 0 ? "n1" : "n2"});
    if (i % 2 == 0) on_node.push_back(state.pod);
    if (i != 4) put(std::move(state));
  }
  PodStateQuery query{.fields = testing::fields("spec.nodeName=n1"), .limit = 7};
  const PodStateList whole = list(query);
  const PodStateList among = states_.list_among(allowed(), query, on_node);
  EXPECT_EQ(names(among), names(whole));
  EXPECT_EQ(among.remaining, 12);
  EXPECT_EQ(among.next, whole.next);
  query.namespace_ = "other";
  EXPECT_EQ(names(states_.list_among(allowed(), query, on_node)), Lines{});
  EXPECT_EQ(names(states_.list_among(allowed(), {}, {})), Lines{});
}

TEST_F(States, ComePageByPageInAnyOrderWithoutLossOrRepetition) {
  for (int i = 0; i < 57; ++i) {
    PodState state = state_of({.name = "p" + std::to_string(i)});
    state.last_transition_at = i % 5;
    put(std::move(state));
  }
  for (const bool descending : {false, true}) {
    for (const PodSort sort : {PodSort::kKey, PodSort::kLastTransitionAt}) {
      PodStateQuery query{.sort = sort, .descending = descending};
      const Lines whole = names(list(query));
      ASSERT_EQ(whole.size(), 57u);
      query.limit = 10;
      Lines paged;
      std::int64_t left = 57;
      do {
        const PodStateList page = list(query);
        for (std::string& name : names(page)) paged.push_back(std::move(name));
        left -= static_cast<std::int64_t>(page.states.size());
        EXPECT_EQ(page.remaining, left);
        query.start_after = page.next;
      } while (query.start_after);
      EXPECT_EQ(paged, whole);
    }
  }
}

TEST_F(States, AreSortedByTheColumnAskedFor) {
  for (const int i : {3, 1, 2}) {
    PodState state = state_of({.name = "p" + std::to_string(9 - i)});
    state.last_transition_at = i;
    put(std::move(state));
  }
  EXPECT_EQ(names(list({.sort = PodSort::kLastTransitionAt})),
            (Lines{"default/p8", "default/p7", "default/p6"}));
  EXPECT_EQ(names(list({.sort = PodSort::kLastTransitionAt, .descending = true})),
            (Lines{"default/p6", "default/p7", "default/p8"}));
  EXPECT_EQ(parse_pod_sort("restarts"), PodSort::kRestarts);
  EXPECT_EQ(parse_pod_sort("colour"), std::nullopt);
}

constexpr const char* kNode =
    R"({"metadata":{"name":"NAME","uid":"u","resourceVersion":"1"},"spec":{},"status":{)"
    R"("capacity":{"cpu":"4","memory":"8Gi","pods":"110"},)"
    R"("allocatable":{"cpu":"3500m","memory":"7Gi","pods":"100"},)"
    R"("conditions":[{"type":"Ready","status":"READY"}]}})";

std::unique_ptr<kube::Object> node(const std::string& name, const std::string& ready) {
  std::string json = kNode;
  json.replace(json.find("NAME"), 4, name);
  json.replace(json.find("READY"), 5, ready);
  return kube::decode_object(kube::nodes(), json).value();
}

TEST_F(States, SumUpWithTheNodesToTheClustersSummary) {
  testing::StandingClock clock;
  Store nodes(clock, {.resource = kube::nodes(), .map = {}, .log = {.events_max = 8}});
  std::vector<std::unique_ptr<kube::Object>> listed;
  listed.push_back(node("n1", "True"));
  listed.push_back(node("n2", "Unknown"));
  nodes.replace(std::move(listed), {5});
  PodState running = state_of({.name = "a", .node = "n1"});
  running.ready = true;
  put(running);
  PodState stuck = state_of({.name = "b", .phase = "Pending"});
  stuck.stuck = StuckReason::kPending;
  put(stuck);
  PodState done = state_of({.name = "c", .node = "n1", .phase = "Succeeded"});
  done.expires_at = 1'800'000'000;
  put(done);

  const ClusterSummary s = summarize(allowed(), states_, allowed("nodes"), Reader(nodes));
  EXPECT_EQ(s.pods.total, 3u);
  EXPECT_EQ(s.pods.by_phase,
            (std::map<std::string, std::size_t>{{"Pending", 1}, {"Running", 1}, {"Succeeded", 1}}));
  EXPECT_EQ(s.pods.ready, 1u);
  EXPECT_EQ(s.pods.not_ready, 1u) << "what has ended is neither";
  ASSERT_EQ(s.pods.stuck.size(), 1u);
  EXPECT_EQ(s.pods.stuck[0].reason, "Pending");
  ASSERT_EQ(s.pods.expiring.size(), 1u);
  EXPECT_EQ(s.pods.expiring[0].key, "default/c");
  EXPECT_EQ(s.nodes.ready, 1u);
  EXPECT_EQ(s.nodes.unknown, 1u);
  EXPECT_EQ(s.capacity, (ResourceAmount{8000, std::int64_t{16} << 30, 220}));
  EXPECT_EQ(s.allocatable, (ResourceAmount{7000, std::int64_t{14} << 30, 200}));
  EXPECT_EQ(s.requested.pods, 1) << "one pod runs on a node";
}

}  // namespace
}  // namespace podkeeper::state
