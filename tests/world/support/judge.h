#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/world/support/model.h"

namespace podkeeper::world {

/// What the oracles of one scene found. One thread.
class Verdict {
 public:
  static constexpr std::size_t kKeptMax = 5;
  void violated(std::string what) {
    ++count_;
    if (found_.size() < kKeptMax) found_.push_back(std::move(what));
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] const std::vector<std::string>& found() const noexcept { return found_; }

 private:
  std::size_t count_ = 0;
  std::vector<std::string> found_;
};

/// What one client of one resource believes, judged against the model: etcd's guarantees of watch
/// as a replica can give them. Between two LISTs that a replica itself had to make, changes that
/// were overtaken by later ones may be left out, never others.
///
/// Ordered: revisions never go back. Unique: nothing comes twice. Reliable: between two positions
/// no change is missed. Atomic: an object is as it was at its revision, a list as everything was at
/// its. Resumable: the same across connections. Bookmarkable: at a bookmark nothing is missing.
class Judge {
 public:
  /// `name` begins each violation. What it is given outlives it.
  Judge(const Model& model, Verdict& verdict, std::string resource, std::string name)
      : model_(model), verdict_(verdict), resource_(std::move(resource)), name_(std::move(name)) {}

  void take_list(const Json& list);
  /// `listed`: the newest LIST that the replica was given upstream.
  void take_event(std::string_view type, const Json& object, Revision listed);
  void take_bookmark(Revision at, Revision listed);
  /// A new watch begins, from position(). What shares its revision may come once more: who broke
  /// off between two of them may not have heard of the second.
  void resume();
  /// The client goes on with another replica and forgets: only the next LIST counts.
  void forget();

  [[nodiscard]] Revision position() const noexcept { return position_; }
  [[nodiscard]] bool knows_nothing() const noexcept { return position_ == 0; }
  /// Whether the client believes what is so now.
  [[nodiscard]] bool is_current() const;
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

 private:
  void violated(const std::string& guarantee, const std::string& what);
  void take_object(const std::string& key, const std::string& type, const Json& object,
                   Revision at);
  void take_deletion(const std::string& key, const Json& object, Revision at);
  void judge_passed(const std::string& key, Revision at, Revision listed);
  [[nodiscard]] std::string difference(const Objects& truth) const;

  const Model& model_;
  Verdict& verdict_;
  const std::string resource_, name_;
  Objects held_;
  std::set<std::string> owed_;  ///< keys whose change up to the position is still to be told
  std::set<std::string> told_;  ///< in this watch, at the position
  Revision resumed_at_ = 0;
  Revision position_ = 0;
  std::uint64_t events_ = 0;
};

/// "namespace/name", or "name".
std::string key_of(const Json& object);
Revision revision_of(const Json& object);

}  // namespace podkeeper::world
