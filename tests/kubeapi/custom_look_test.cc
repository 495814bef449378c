#include "pkg/kubeapi/custom_look.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/kubeapi/harness.h"

namespace podkeeper::kubeapi {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> names(const CustomLook& look) {
  std::vector<std::string> names;
  for (const auto& column : look.columns) names.push_back(column.name + ":" + column.type);
  return names;
}

std::string definition(const std::string& columns) {
  return R"({"spec":{"versions":[{"name":"v1","additionalPrinterColumns":)" + columns + "}]}}";
}

TEST(CustomLook, IsReadFromARecordedDefinition) {
  const auto look = read_custom_look(exchange("140").body, "v1alpha1");
  ASSERT_TRUE(look) << look.error().message;
  EXPECT_GT(look->columns.size(), 1);
  EXPECT_EQ(look->columns.front().name, "Strategy");
  EXPECT_EQ(look->columns.front().description,
            "Custom resource definition column (in JSONPath format): .spec.strategy");
  EXPECT_EQ(read_custom_look(exchange("140").body, "v9").error().code, base::ErrorCode::kNotFound);
}

TEST(CustomLook, WithoutColumnsThereIsTheAge) {
  for (const char* columns : {"null", "[]", "7", R"([{"name":"A"},{"type":"string"},"x"])"}) {
    const auto look = read_custom_look(definition(columns), "v1");
    ASSERT_TRUE(look);
    EXPECT_THAT(names(*look), ElementsAre("Age:date")) << columns;
    EXPECT_TRUE(look->columns[0].age);
  }
}

TEST(CustomLook, AColumnThatIsNotUnderstoodIsLeftOut) {
  const auto look = read_custom_look(
      definition(R"([{"name":"A","type":"string","jsonPath":".spec.a","priority":1},)"
                 R"({"name":"B","type":"string","jsonPath":".spec["},)"
                 R"({"name":"C","type":"money","jsonPath":".spec.c"}])"),
      "v1");
  ASSERT_TRUE(look);
  EXPECT_THAT(names(*look), ElementsAre("A:string"));
  EXPECT_EQ(look->columns[0].priority, 1);
}

TEST(CustomLook, WhatIsNoDefinitionIsRefused) {
  for (const char* text : {"", "[]", "{}", R"({"spec":{"versions":{}}})"}) {
    EXPECT_EQ(read_custom_look(text, "v1").error().code, base::ErrorCode::kDecode) << text;
  }
}

}  // namespace
}  // namespace podkeeper::kubeapi
