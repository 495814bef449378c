#include "pkg/simkube/json_patch.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

#include "tests/simkube/support/simulated.h"

namespace podkeeper::simkube {
namespace {

constexpr const char* kWeb0 = "/api/v1/namespaces/shop/pods/web-0";
constexpr const char* kType = "application/json-patch+json";

/// `object` after the patch, or the code that refuses it.
std::string patched(const char* object, const Json& patch) {
  Json json = Json::parse(object);
  const auto done = json_patch(json, patch);
  return done ? json.dump() : std::to_string(done.error().code);
}
std::string patched(const char* object, const char* patch) {
  return patched(object, Json::parse(patch));
}

TEST(JsonPatch, OperationsApplyInOrder) {
  EXPECT_EQ(patched(R"({"a":{"b":[1,2]},"c":"x"})",
                    R"([{"op":"test","path":"/c","value":"x"},
                        {"op":"add","path":"/a/b/-","value":3},
                        {"op":"replace","path":"/a/b/0","value":9},
                        {"op":"remove","path":"/a/b/1"},
                        {"op":"move","from":"/c","path":"/d"},
                        {"op":"copy","from":"/a/b","path":"/e"},
                        {"op":"add","path":"/a/x~1y~0z","value":null}])"),
            R"({"a":{"b":[9,3],"x/y~z":null},"d":"x","e":[9,3]})");
}

TEST(JsonPatch, WhatIsNoListOfOperationsIs400) {
  for (const char* patch : {"{}", "null", "7", R"(["add"])", R"([[]])"}) {
    EXPECT_EQ(patched("{}", patch), "400") << patch;
  }
}

TEST(JsonPatch, WhatCannotBeDoneIs422) {
  for (const char* patch : {R"([{"op":"test","path":"/a","value":2}])",
                            R"([{"op":"remove","path":"/b"}])",
                            R"([{"op":"replace","path":"/b","value":1}])",
                            R"([{"op":"add","path":"/b/c","value":1}])",
                            R"([{"op":"add","path":"b","value":1}])",
                            R"([{"op":"add","path":"/b"}])",
                            R"([{"op":"fly","path":"/a"}])",
                            R"([{"path":"/a"}])",
                            R"([{"op":7,"path":"/a"}])",
                            R"([{"op":"copy","from":"/none","path":"/b"}])",
                            R"([{"op":"copy","path":"/b"}])",
                            R"([{"op":"move","from":7,"path":"/b"}])",
                            R"([{"op":"add","path":"/l/9","value":1}])",
                            R"([{"op":"add","path":"/a/b","value":1}])",
                            R"([{"op":"remove","path":"/a/b"}])",
                            R"([{"op":"add","path":"/n/b","value":1}])",
                            R"([{"op":"move","from":"/m/0","path":"/m/0/b"}])",
                            R"([{"op":"move","from":"/m/0","path":"/m/1/b"}])",
                            R"([{"op":"add","path":"/l/01","value":1}])",
                            R"([{"op":"add","path":"/~2","value":1}])"}) {
    EXPECT_EQ(patched(R"({"a":1,"l":[],"m":[{},{},"s"],"n":null})", patch), "422") << patch;
  }
}

TEST(JsonPatch, APatchThatWouldGrowWithoutEndIsRefused) {
  const Json test = {{"op", "test"}, {"path", "/a"}, {"value", 1}};
  EXPECT_EQ(patched(R"({"a":1})", Json(kJsonPatchOperationsMax, test)), R"({"a":1})");
  EXPECT_EQ(patched(R"({"a":1})", Json(kJsonPatchOperationsMax + 1, test)), "413");
  Json doubling = Json::array();
  for (int i = 0; i < 64; ++i) {
    doubling.push_back({{"op", "copy"}, {"from", "/a"}, {"path", "/a/" + std::to_string(i)}});
  }
  EXPECT_EQ(patched(R"({"a":{}})", doubling), "422");
}

TEST(JsonPatch, APatchThatWouldNestTooDeepIsRefused) {
  std::string path;
  Json deepening = Json::array();
  for (std::size_t i = 0; i < kJsonPatchDepthMax; ++i) {
    path += "/a";
    deepening.push_back({{"op", "add"}, {"path", path}, {"value", Json::object()}});
  }
  EXPECT_EQ(patched("{}", deepening), "422");
  deepening.erase(deepening.size() - 1);
  EXPECT_NE(patched("{}", deepening), "422");
}

TEST(JsonPatch, ClientsPatchByIt) {
  Simulated simulated;
  const auto ask = [&](const char* patch) { return simulated.ask("PATCH", kWeb0, patch, kType); };
  const auto response = ask(R"([{"op":"add","path":"/metadata/labels/tier","value":"front"}])");
  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(simulated.get(kWeb0)["metadata"]["labels"]["tier"], "front");
  EXPECT_EQ(ask(R"([{"op":"replace","path":"/metadata/name","value":"x"}])").status, 400);
  EXPECT_EQ(ask(R"([{"op":"remove","path":"/metadata"}])").status, 400);
  EXPECT_EQ(ask(R"([{"op":"add","path":"","value":[]}])").status, 400);
  EXPECT_EQ(ask("[{").status, 400);
  EXPECT_EQ(ask(std::string(1000, '[').c_str()).status, 400);
  EXPECT_EQ(simulated.get(kWeb0)["metadata"]["labels"]["tier"], "front");
}

}  // namespace
}  // namespace podkeeper::simkube
