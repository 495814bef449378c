#include "pkg/policy/ranking.h"

#include "pkg/policy/supported.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace podkeeper::policy {
namespace {

using Names = std::vector<std::string>;

std::optional<kube::LabelSelector> selector(std::string_view text) {
  return kube::LabelSelector::parse(text).value();
}

Policy policy(std::string name, Target target = {}, int priority = 0, std::int64_t created = 0) {
  Policy made;
  made.identity.name = std::move(name);
  made.identity.created = created;
  made.spec.target = std::move(target);
  made.spec.priority = priority;
  return made;
}

Names names(const std::vector<Policy>& policies) {
  Names out;
  for (const Policy& p : policies) out.push_back(p.identity.name);
  return out;
}

Names rules(const PartitionPlan& plan) {
  Names out;
  for (const PartitionRule& rule : plan.rules) out.push_back(rule.policy);
  return out;
}

TEST(Ranking, TheHighestPriorityThenTheOldestThenTheFirstByName) {
  const auto ranked = rank({policy("d", {}, 0, 5), policy("c", {}, 0, 5), policy("old", {}, 0, 1),
                            policy("high", {}, 7, 9), policy("low", {}, -7, 0)});
  EXPECT_EQ(names(ranked), (Names{"high", "old", "c", "d", "low"}));
}

TEST(Ranking, ATargetMatchesByResourceNamespaceAndLabels) {
  const kube::Object::LabelSpan web = {{"app", "web"}};
  struct Case {
    Target target;
    const char* resource;
    const char* namespace_;
    bool expected;
  };
  const std::vector<Case> cases = {
      {{}, "pods", "a", true},
      {{}, "nodes", "", true},
      {{.resources = {"nodes"}}, "pods", "a", false},
      {{.resources = {"nodes", "pods"}}, "pods", "a", true},
      {{.namespaces = {"a"}}, "pods", "a", true},
      {{.namespaces = {"a"}}, "pods", "ab", false},
      {{.namespaces = {"a*"}}, "pods", "ab", true},
      {{.namespaces = {"*"}}, "pods", "ab", true},
      {{.namespaces = {"*"}}, "nodes", "", false},
      {{.pods = selector("app=web")}, "pods", "a", true},
      {{.pods = selector("app=db")}, "pods", "a", false},
      {{.pods = selector("")}, "nodes", "", false},
      {{.caches = {Cache::kTokens}}, "pods", "a", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(matches(c.target, c.resource, c.namespace_, web), c.expected)
        << &c - cases.data() << " " << c.resource << " " << c.namespace_;
  }
}

TEST(Ranking, CoveringIsSoundForNamespacesAndSelectors) {
  const auto over = [](Target a, Target b) { return covers(a, b, "pods"); };
  EXPECT_TRUE(over({}, {.namespaces = {"a"}}));
  EXPECT_FALSE(over({.namespaces = {"a"}}, {}));
  EXPECT_TRUE(over({.namespaces = {"ci-*"}}, {.namespaces = {"ci-1", "ci-x*"}}));
  EXPECT_FALSE(over({.namespaces = {"ci-1"}}, {.namespaces = {"ci-*"}}));
  EXPECT_TRUE(over({.pods = selector("app in (a,b)")}, {.pods = selector("app=a,tier=x")}));
  EXPECT_FALSE(over({.pods = selector("app=a,tier=x")}, {.pods = selector("app=a")}));
  EXPECT_TRUE(over({.pods = selector("app")}, {.pods = selector("app=a")}));
  EXPECT_FALSE(over({.pods = selector("app")}, {.pods = selector("app notin (a)")}));
  EXPECT_TRUE(over({.pods = selector("app notin (a)")}, {.pods = selector("app=b")}));
  EXPECT_TRUE(over({.pods = selector("app notin (a)")}, {.pods = selector("!app")}));
  EXPECT_FALSE(over({.pods = selector("app notin (a,b)")}, {.pods = selector("app notin (a)")}));
  EXPECT_FALSE(over({.pods = selector("app=a")}, {}));
  EXPECT_FALSE(over({.resources = {"nodes"}}, {}));
}

TEST(Ranking, TheLoserOfAConflictKnowsItsWinner) {
  const auto ranked = rank({policy("first", {.namespaces = {"a"}}, 5),
                            policy("second", {.namespaces = {"a"}}), policy("third")});
  const auto at = places(ranked, "pods");
  EXPECT_EQ(at[0].standing, Standing::kGoverns);
  EXPECT_EQ(at[1].standing, Standing::kShadowed);
  EXPECT_EQ(ranked[at[1].winner].identity.name, "first");
  EXPECT_EQ(at[2].standing, Standing::kGoverns);
  EXPECT_EQ(rules(plan_for(ranked, "pods", {})), (Names{"first", "third"}));
}

TEST(Ranking, APlanHasAtMostItsNumberOfRules) {
  std::vector<Policy> policies;
  for (std::size_t i = 0; i < kRulesMax + 3; ++i) {
    policies.push_back(policy("p" + std::to_string(i), {.namespaces = {"n" + std::to_string(i)}}));
  }
  const auto ranked = rank(policies);
  EXPECT_EQ(plan_for(ranked, "pods", {}).rules.size(), kRulesMax);
  EXPECT_EQ(places(ranked, "pods").back().standing, Standing::kTooMany);
}

TEST(Ranking, PlansAreTheSameOnlyWhenEveryPartitionIs) {
  const auto plan = [](const Policy& p) { return plan_for({p}, "pods", {}); };
  const Policy base = policy("p", {.namespaces = {"a"}, .pods = selector("x=1")});
  EXPECT_TRUE(same(plan(base), plan(base)));
  Policy other = base;
  other.spec.shards = 8;
  EXPECT_FALSE(same(plan(base), plan(other)));
  other = base;
  other.spec.target.pods = selector("x=2");
  EXPECT_FALSE(same(plan(base), plan(other)));
  other = base;
  other.spec.target.namespaces = {"b"};
  EXPECT_FALSE(same(plan(base), plan(other)));
  EXPECT_FALSE(same(plan(base), PartitionPlan{}));
}

/// Policies out of few names, priorities, ages and targets, so that they meet.
class RandomPolicies {
 public:
  explicit RandomPolicies(unsigned seed) : random_(seed) {}
  std::vector<Policy> some() {
    std::vector<Policy> policies(1 + below(12));
    for (std::size_t i = 0; i < policies.size(); ++i) {
      const std::string name = "p" + std::to_string(i);
      policies[i] =
          policy(name, target(), static_cast<int>(below(3)), static_cast<std::int64_t>(below(3)));
    }
    return policies;
  }
  Target target() {
    static const std::vector<Names> kNamespaces = {{}, {"a"}, {"ab"}, {"a*"}, {"b", "a*"}, {"*"}};
    static const std::vector<const char*> kSelectors = {"x=1", "x in (1,2)",  "x",
                                                        "!x",  "x notin (1)", "x=1,y=1"};
    Target made{.namespaces = kNamespaces[below(kNamespaces.size())]};
    if (below(2) == 0) made.pods = selector(kSelectors[below(kSelectors.size())]);
    if (below(4) == 0) made.resources = {below(2) == 0 ? "pods" : "nodes"};
    return made;
  }
  void shuffle(std::vector<Policy>& policies) { std::ranges::shuffle(policies, random_); }
  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  std::mt19937 random_;
};

TEST(RankingProperty, IsAStrictTotalOrderAndAPlanDoesNotDependOnTheOrderOfItsPolicies) {
  RandomPolicies random(1);
  for (int round = 0; round < 500; ++round) {
    auto policies = random.some();
    const auto ranked = rank(policies);
    for (std::size_t i = 0; i < ranked.size(); ++i) {
      for (std::size_t j = 0; j < ranked.size(); ++j) {
        ASSERT_EQ(ranks_before(ranked[i], ranked[j]), i < j);
      }
    }
    random.shuffle(policies);
    const auto again = rank(policies);
    ASSERT_EQ(names(again), names(ranked));
    ASSERT_TRUE(same(plan_for(again, "pods", {}), plan_for(ranked, "pods", {})));
  }
}

TEST(RankingProperty, AnObjectBelongsToTheBestPolicyThatMatchesItOrToOneThatShadowsIt) {
  const std::vector<kube::Object::LabelSpan> labels = {
      {}, {{"x", "1"}}, {{"x", "2"}}, {{"x", "1"}, {"y", "1"}}, {{"y", "2"}}};
  RandomPolicies random(2);
  for (int round = 0; round < 500; ++round) {
    const auto ranked = rank(random.some());
    const auto plan = plan_for(ranked, "pods", {});
    for (const char* namespace_ : {"a", "ab", "abc", "b", "c"}) {
      for (const auto& span : labels) {
        const auto best = std::ranges::find_if(ranked, [&](const Policy& p) {
          return matches(p.spec.target, "pods", namespace_, span);
        });
        const std::size_t rule = plan.partition_of(namespace_, span);
        const std::string got = rule < plan.rules.size() ? plan.rules[rule].policy : "";
        ASSERT_EQ(got, best == ranked.end() ? "" : best->identity.name);
      }
    }
  }
}

}  // namespace
}  // namespace podkeeper::policy
