#include "pkg/kubeapi/json_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace podkeeper::kubeapi {
namespace {

const nlohmann::json kObject = nlohmann::json::parse(R"({
  "metadata": {"annotations": {"a.b/c": "dotted"}},
  "spec": {"list": [{"name": "x", "v": 1}, {"name": "y", "v": {"w": 2}}], "n": null},
  "status": {"conditions": [{"type": "Accepted", "status": "False"},
                            {"type": "Ready", "status": "True"}]}})");

std::string found(const std::string& path) {
  const auto parsed = JsonPath::parse(path);
  if (!parsed) return parsed.error().message;
  const auto* const value = parsed->find(kObject);
  return value == nullptr ? "nothing" : value->dump();
}

TEST(JsonPath, FindsMembersElementsAndTheFirstThatMatches) {
  EXPECT_EQ(found(".spec.list[1].v.w"), "2");
  EXPECT_EQ(found(".status.conditions[?(@.type==\"Ready\")].status"), "\"True\"");
  EXPECT_EQ(found(".status.conditions[?(@.type == 'Accepted')].status"), "\"False\"");
  EXPECT_EQ(found(R"(.metadata.annotations.a\.b/c)"), "\"dotted\"");
  EXPECT_EQ(found(".metadata.annotations['a.b/c']"), "\"dotted\"");
  EXPECT_EQ(found(".spec.n"), "null");
}

TEST(JsonPath, FindsNothingWhereNothingStands) {
  for (const char* path : {".spec.none", ".spec.list[2]", ".spec.list.name", ".spec[0]",
                           ".status.conditions[?(@.type==\"Gone\")].status", ".spec.n.x",
                           ".spec.list[?(@.v==\"1\")]"}) {
    EXPECT_EQ(found(path), "nothing") << path;
  }
}

TEST(JsonPath, RefusesWhatItCannotRead) {
  for (const char* path : {"", "spec", ".", "..a", ".a[", ".a[x]", ".a[-1]", ".a['b'", ".a[?(@.b)]",
                           ".a[?(@.b==c)]", ".a[*]", ".a b[?(b=='c')]"}) {
    EXPECT_FALSE(JsonPath::parse(path).has_value()) << path;
  }
  std::string deep;
  for (std::size_t i = 0; i <= kJsonPathStepsMax; ++i) deep += ".a";
  EXPECT_THAT(found(deep), testing::HasSubstr("too many steps"));
}

}  // namespace
}  // namespace podkeeper::kubeapi
