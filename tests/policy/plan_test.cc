#include "pkg/policy/plan.h"

#include <gtest/gtest.h>

namespace podkeeper::policy {
namespace {

kube::LabelSelector selector(std::string_view text) {
  return kube::LabelSelector::parse(text).value();
}

TEST(PartitionPlan, TheFirstRuleThatCoversAndSelectsTakesTheObject) {
  const PartitionPlan plan{
      .rules = {{.policy = "training", .namespaces = {"ml-*"}, .pods = selector("job=train")},
                {.policy = "quiet", .namespaces = {"ml-idle", "docs"}},
                {.policy = "web", .pods = selector("tier=web")}}};
  const kube::Object::LabelSpan train = {{"job", "train"}};
  const kube::Object::LabelSpan web = {{"tier", "web"}};
  EXPECT_EQ(plan.partition_of("ml-a", train), 0u);
  EXPECT_EQ(plan.partition_of("ml-idle", train), 0u);
  EXPECT_EQ(plan.partition_of("ml-idle", web), 1u);
  EXPECT_EQ(plan.partition_of("docs", {}), 1u);
  EXPECT_EQ(plan.partition_of("docs-old", web), 2u);
  EXPECT_EQ(plan.partition_of("ml-a", {}), 3u);
  EXPECT_EQ(plan.partition_of("", web), 2u);
}

TEST(PartitionPlan, AGlobIsAPrefixAndNeverMatchesWhatHasNoNamespace) {
  const PartitionRule rule{.policy = "p", .namespaces = {"*"}};
  EXPECT_TRUE(rule.covers("a"));
  EXPECT_FALSE(rule.covers(""));
}

TEST(PartitionPlan, NamesItsPartitions) {
  EXPECT_EQ(partition_name("pods", ""), "pods");
  EXPECT_EQ(partition_name("deployments.apps", "batch"), "deployments.apps~batch");
}

}  // namespace
}  // namespace podkeeper::policy
