#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"
#include "pkg/runtime/simulated_world.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tests/kube/recorded.h"

// Recorded texts with a few bytes changed: what we accept another library accepts too, and nothing
// is read outside.
namespace podkeeper::kube {
namespace {

constexpr int kRounds = 4000;

/// Changes, removes or doubles a byte; most often into what JSON is made of.
void damage(std::string& text, base::Random& random) {
  constexpr std::string_view kBytes = "{}[]:,\"\\ntf0-1.eu \x01\xc3\xff";
  const std::size_t at = random.below(text.size());
  switch (random.below(3)) {
    case 0:
      text[at] = kBytes[random.below(kBytes.size())];
      break;
    case 1:
      text.erase(at, 1 + random.below(8));
      break;
    default:
      text.insert(at, 1, text[random.below(text.size())]);
  }
}

/// The text in a block of exactly its size, so that a read outside is found.
struct Exact {
  explicit Exact(const std::string& text)
      : bytes(std::make_unique<char[]>(text.size())), size(text.size()) {
    text.copy(bytes.get(), size);
  }
  [[nodiscard]] std::string_view view() const { return {bytes.get(), size}; }
  std::unique_ptr<char[]> bytes;
  std::size_t size;
};

TEST(Damage, WhatADamagedObjectIsTakenForAnotherLibraryTakesForJsonToo) {
  runtime::SimulatedWorld world(7);
  const std::string whole = testing::read_recorded("075").body;
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::string text = whole;
    for (std::uint64_t i = 0; i <= world.random().below(3); ++i) damage(text, world.random());
    const Exact exact(text);
    const auto object = decode_object(pods(), exact.view());
    if (!object.has_value()) continue;
    ++accepted;
    ASSERT_TRUE(nlohmann::json::accept(text)) << text;
    const std::string again = "{" + (*object)->body;
    ASSERT_TRUE(nlohmann::json::accept(again)) << again;
    const auto reread = decode_object(pods(), again);
    ASSERT_TRUE(reread.has_value()) << reread.error().message;
    ASSERT_EQ((*reread)->key_text, (*object)->key_text);
  }
  EXPECT_GT(accepted, kRounds / 20);  // else the test shows nothing
  EXPECT_LT(accepted, kRounds);
}

TEST(Damage, ADamagedListOrEventIsReadOrRefusedAndNoMore) {
  runtime::SimulatedWorld world(8);
  const std::string list = testing::read_recorded("025").body;
  const std::string events = testing::read_recorded("084").body;
  const std::string event = events.substr(0, events.find('\n'));
  for (int round = 0; round < kRounds / 4; ++round) {
    std::string damaged = list;
    damage(damaged, world.random());
    const Exact exact_list(damaged);
    if (const auto read = decode_list(pods(), exact_list.view());
        read.has_value() && !read->repaired) {
      ASSERT_TRUE(nlohmann::json::accept(damaged)) << damaged;
    }
    damaged = event;
    damage(damaged, world.random());
    const Exact exact_event(damaged);
    if (const auto read = decode_watch_event(pods(), exact_event.view());
        read.has_value() && !read->repaired) {
      ASSERT_TRUE(nlohmann::json::accept(damaged)) << damaged;
    }
  }
}

}  // namespace
}  // namespace podkeeper::kube
