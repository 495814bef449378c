#include "pkg/state/ordered_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/state/support.h"

namespace podkeeper::state {
namespace {

/// A record with a key and a node and nothing else.
RecordRef bare(std::string key, const std::string& node = {}) {
  auto object = std::make_unique<kube::Object>();
  object->namespace_length = key.find('/');
  object->key_text = std::move(key);
  object->body = node;
  kube::PodFields fields;
  fields.node_name = object->body;
  object->fields = std::move(fields);
  return base::make_ref<const Record>(std::move(object));
}

std::vector<std::string> keys(const IndexView& view) {
  std::vector<std::string> found;
  for (auto at = view.seek({}); at.get() != nullptr; at.next()) {
    found.emplace_back(at.get()->key_text());
  }
  return found;
}

/// Random puts and erases, the same on an index and on a std::map.
class IndexModel : public ::testing::TestWithParam<std::pair<std::uint64_t, IndexOrder>> {
 protected:
  using Keyed = std::map<std::pair<std::string, std::string>, RecordRef>;

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void step(std::uint64_t key_space, std::uint64_t put_percent) {
    const std::string key =
        "ns-" + std::to_string(below(7)) + "/p" + std::to_string(below(key_space));
    const std::string node = "node-" + std::to_string(std::hash<std::string>{}(key) % 5);
    const std::string group = GetParam().second == IndexOrder::kNode ? node : "";
    if (below(100) < put_percent) {
      RecordRef made = bare(key, node);
      index_.put(*made);
      model_[{group, key}] = made;
      kept_.push_back(std::move(made));
    } else {
      const bool erased = index_.erase({group, key});
      EXPECT_EQ(erased, model_.erase({group, key}) == 1) << key;
    }
  }

  void expect_equal() {
    const IndexView view = index_.view();
    ASSERT_EQ(view.size(), model_.size());
    auto at = view.seek({});
    for (const auto& [key, expected] : model_) {
      ASSERT_EQ(at.get(), expected.get()) << key.second;
      at.next();
    }
    ASSERT_EQ(at.get(), nullptr);
    for (int i = 0; i < 50; ++i) expect_equal_at("ns-" + std::to_string(below(8)), below(3000));
  }

  void expect_equal_at(const std::string& ns, std::uint64_t n) {
    const std::string text = ns + "/p" + std::to_string(n);
    const std::string group =
        GetParam().second == IndexOrder::kNode ? "node-" + std::to_string(below(6)) : "";
    const IndexView view = index_.view();
    const auto expected = model_.lower_bound({group, text});
    EXPECT_EQ(view.seek({group, text}).get(),
              expected == model_.end() ? nullptr : expected->second.get());
    EXPECT_EQ(view.count_before({group, text}),
              static_cast<std::size_t>(std::distance(model_.begin(), expected)));
    const bool there = model_.contains({group, text});
    EXPECT_EQ(view.find({group, text}) != nullptr, there);
  }

  std::mt19937_64 random_{GetParam().first};
  OrderedIndex index_{GetParam().second};
  Keyed model_;
  std::vector<RecordRef> kept_;
};

TEST_P(IndexModel, EqualsASortedMapWhileItGrowsAndShrinks) {
  for (const std::uint64_t put_percent : {95u, 50u, 5u, 60u, 0u}) {
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 1500; ++i) step(2500, put_percent);
      ASSERT_NO_FATAL_FAILURE(expect_equal()) << put_percent << "% puts, round " << round;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, IndexModel,
                         ::testing::Values(std::pair(1u, IndexOrder::kKey),
                                           std::pair(2u, IndexOrder::kKey),
                                           std::pair(3u, IndexOrder::kNode)));

TEST(OrderedIndex, AnOlderVersionStaysAsItWas) {
  std::vector<RecordRef> kept;
  std::vector<const Record*> sorted;
  for (int i = 10000; i < 12000; ++i) {
    kept.push_back(bare("ns/p" + std::to_string(i)));
    sorted.push_back(kept.back().get());
  }
  OrderedIndex index(IndexOrder::kKey);
  index.build(sorted);
  const IndexView before = index.view();
  const std::vector<std::string> keys_before = keys(before);
  IndexGarbage garbage;  // held back: a reader is still in `before`
  index.take_garbage(garbage);
  for (int i = 10000; i < 12000; i += 2) {
    index.erase({.group = {}, .text = "ns/p" + std::to_string(i)});
    kept.push_back(bare("ns/q" + std::to_string(i)));
    index.put(*kept.back());
  }
  EXPECT_EQ(keys(before), keys_before);
  EXPECT_EQ(index.view().size(), 2000u);
  EXPECT_NE(keys(index.view()), keys_before);
  index.take_garbage(garbage);
}

TEST(OrderedIndex, OrdersByBytesAsEtcdDoes) {
  const std::vector<RecordRef> records = {bare("a/x"), bare("a-b/x"), bare("a.b/x"), bare("ab/x"),
                                          bare("a/\xc3\xa9")};
  OrderedIndex index(IndexOrder::kKey);
  for (const RecordRef& r : records) index.put(*r);
  EXPECT_EQ(keys(index.view()),
            (std::vector<std::string>{"a-b/x", "a.b/x", "a/x", "a/\xc3\xa9", "ab/x"}));
}

TEST(OrderedIndex, GivesItsMemoryBackWhenItShrinks) {
  OrderedIndex index(IndexOrder::kKey);
  std::vector<RecordRef> kept;
  for (int i = 10000; i < 30000; ++i) {
    kept.push_back(bare("ns/p" + std::to_string(i)));
    index.put(*kept.back());
  }
  const std::size_t full = index.view().bytes();
  EXPECT_LT(full, 20000u * 16) << "growing keys fill their segments";
  for (int i = 10000; i < 30000; ++i) {
    if (i % 40 != 0) index.erase({.group = {}, .text = "ns/p" + std::to_string(i)});
  }
  EXPECT_EQ(index.view().size(), 500u);
  EXPECT_LT(index.view().bytes(), full / 8);
}

}  // namespace
}  // namespace podkeeper::state
