#include "pkg/state/store.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/state/support.h"

namespace podkeeper::state {
namespace {

using kube::EventType;
using kube::Revision;
using testing::allowed;
using testing::PodSpec;

/// Drives a store and a std::map with the same random history, then asks both the same questions.
/// The map of every revision is kept, so that lists of the past are compared too.
class StoreModel : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  using Content = std::map<std::string, PodSpec>;

  StoreModel() { resync(); }

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  PodSpec random_pod() {
    PodSpec spec;
    spec.namespace_ = std::vector<std::string>{"a", "a-b", "ab", "b"}[below(4)];
    spec.name = "p" + std::to_string(below(60));
    spec.revision = revision_;
    const auto node = below(4);
    spec.node = node == 0 ? "" : "n" + std::to_string(node);
    spec.labels = {{"app", below(2) == 0 ? "web" : "db"}};
    const auto known = content_.find(spec.namespace_ + "/" + spec.name);
    spec.uid = known != content_.end() ? known->second.uid : "uid-" + std::to_string(revision_);
    return spec;
  }

  void step() {
    revision_ += 1 + below(3);
    const auto dice = below(1000);
    if (dice < 4) {
      resync();
    } else if (dice < 40) {
      store_.progress({revision_});
    } else {
      change();
    }
    history_[revision_] = content_;
  }

  void change() {
    PodSpec spec = random_pod();
    const std::string key = spec.namespace_ + "/" + spec.name;
    if (content_.contains(key) && below(3) == 0) {
      content_.erase(key);
      store_.apply(EventType::kDeleted, testing::pod(spec));
    } else {
      if (below(20) == 0) spec.uid = "uid-" + std::to_string(revision_);
      content_[key] = spec;
      store_.apply(below(2) == 0 ? EventType::kAdded : EventType::kModified, testing::pod(spec));
    }
  }

  /// What happened unseen becomes known only at the LIST's revision: revisions in between are left
  /// out of the history.
  void resync() {
    for (int i = 0; i < 40; ++i) {
      ++revision_;
      PodSpec spec = random_pod();
      if (below(3) == 0) {
        content_.erase(spec.namespace_ + "/" + spec.name);
      } else {
        content_[spec.namespace_ + "/" + spec.name] = spec;
      }
    }
    ++revision_;
    std::vector<std::unique_ptr<kube::Object>> objects;
    for (const auto& [key, spec] : content_) objects.push_back(testing::pod(spec));
    store_.replace(std::move(objects), {revision_});
    history_[revision_] = content_;
  }

  struct Question {
    ListQuery query;
    std::string app, node, name;
    std::string text;
  };

  Question random_question() {
    Question q;
    std::string fields;
    if (below(2) == 0)
      q.query.namespace_ = std::vector<std::string>{"a", "a-b", "b", "none"}[below(4)];
    if (below(3) == 0) q.node = "n" + std::to_string(1 + below(3));
    if (below(8) == 0) q.name = "p" + std::to_string(below(60));
    if (below(3) == 0) q.app = "web";
    if (below(2) == 0) q.query.limit = static_cast<std::int64_t>(1 + below(30));
    if (below(3) == 0) q.query.start_after = "a/p" + std::to_string(below(60));
    if (!q.node.empty()) fields = "spec.nodeName=" + q.node;
    if (!q.name.empty()) fields += (fields.empty() ? "" : ",") + ("metadata.name=" + q.name);
    if (!q.app.empty()) q.query.labels = testing::labels("app=" + q.app);
    if (!fields.empty()) q.query.fields = testing::fields(fields);
    q.text = "ns=" + q.query.namespace_ + " fields=" + fields + " app=" + q.app +
             " limit=" + std::to_string(q.query.limit) + " after=" + q.query.start_after;
    return q;
  }

  static bool matches(const Question& q, const std::string& key, const PodSpec& spec) {
    return (q.query.namespace_.empty() || q.query.namespace_ == spec.namespace_) &&
           (q.node.empty() || q.node == spec.node) && (q.name.empty() || q.name == spec.name) &&
           (q.app.empty() || q.app == spec.labels.at("app")) &&
           (q.query.start_after.empty() || key > q.query.start_after);
  }

  void expect_same_answer(const Question& q, const Content& content) {
    std::vector<std::string> expected;
    for (const auto& [key, spec] : content) {
      if (matches(q, key, spec)) expected.push_back(key + "@" + std::to_string(spec.revision));
    }
    const auto total = static_cast<std::int64_t>(expected.size());
    const bool more = q.query.limit > 0 && total > q.query.limit;
    if (more) expected.resize(static_cast<std::size_t>(q.query.limit));
    const auto answer = reader_.list(allowed("pods", q.query.namespace_), q.query);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(testing::text(answer->records), expected);
    EXPECT_EQ(answer->more, more);
    const bool select = !q.query.labels.empty() || !q.query.fields.empty();
    EXPECT_EQ(answer->remaining,
              select ? std::optional<std::int64_t>() : (more ? total - q.query.limit : 0));
  }

  void ask_about_now_and_then() {
    Question q = random_question();
    SCOPED_TRACE(q.text);
    ASSERT_NO_FATAL_FAILURE(expect_same_answer(q, content_));
    auto past = history_.lower_bound(store_.stats().log_floor.value);
    std::advance(past, static_cast<std::ptrdiff_t>(
                           below(static_cast<std::uint64_t>(std::distance(past, history_.end())))));
    q.query.at = Revision{past->first};
    SCOPED_TRACE("at " + std::to_string(past->first) + " of " + std::to_string(revision_));
    ASSERT_NO_FATAL_FAILURE(expect_same_answer(q, past->second));
  }

  std::mt19937_64 random_{GetParam()};
  testing::StandingClock clock_;
  Store store_{clock_, testing::pod_store(256)};
  Reader reader_{store_};
  std::uint64_t revision_ = 0;
  Content content_;
  std::map<std::uint64_t, Content> history_;
};

TEST_P(StoreModel, AnswersAsASortedMapOfEveryRevisionDoes) {
  for (int i = 0; i < 1000; ++i) {
    step();
    ASSERT_NO_FATAL_FAILURE(ask_about_now_and_then()) << "step " << i << ", seed " << GetParam();
    ASSERT_EQ(store_.partitions().report().back().map.record_bytes, store_.stats().bytes);
    if (HasFailure()) return;
  }
  EXPECT_EQ(store_.stats().objects, content_.size());
  EXPECT_EQ(store_.partitions().report().back().map.entries, content_.size());
}

TEST_P(StoreModel, TellsAWatcherEverythingThatItNeedsToFollow) {
  std::map<std::string, std::string> followed;
  auto position = reader_.watch_from(allowed(), {0});
  auto listed = reader_.list_and_position(allowed(), {}).value();
  for (const auto& r : listed.list.records) {
    followed[std::string(r->key_text())] = to_string(r->object().revision);
  }
  std::uint64_t next = listed.position;
  for (int i = 0; i < 1000; ++i) {
    step();
    for (const EventRef& e : reader_.events(allowed(), next, 1000).value()) {
      const std::string key(e->object->key_text());
      ASSERT_EQ(e->type == EventType::kAdded, !followed.contains(key)) << key;
      if (e->type == EventType::kDeleted) {
        followed.erase(key);
      } else {
        followed[key] = to_string(e->object->object().revision);
      }
      next = e->index + 1;
    }
    std::map<std::string, std::string> expected;
    for (const auto& [key, spec] : content_) expected[key] = std::to_string(spec.revision);
    ASSERT_EQ(followed, expected) << "step " << i << ", seed " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, StoreModel, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace podkeeper::state
