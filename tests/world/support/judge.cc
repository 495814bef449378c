#include "tests/world/support/judge.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace podkeeper::world {

using namespace nlohmann::literals;  // NOLINT(google-build-using-namespace): _json_pointer

namespace {

/// Whether it is as the model has it: lists leave kind and apiVersion out, events do not.
bool is_same(const Json& object, const Json& truth) {
  const auto extra = object.count("kind") + object.count("apiVersion");
  if (!object.is_object() || object.size() != truth.size() + extra) return false;
  return std::ranges::all_of(truth.items(), [&](const auto& member) {
    const auto at = object.find(member.key());
    return at != object.end() && *at == member.value();
  });
}

std::string uid_of(const Json& object) {
  return object.value("/metadata/uid"_json_pointer, std::string());
}

}  // namespace

std::string key_of(const Json& object) {
  const Json& metadata = object.at("metadata");
  const std::string space = metadata.value("namespace", "");
  const std::string name = metadata.value("name", "");
  return space.empty() ? name : space + "/" + name;
}

Revision revision_of(const Json& object) {
  const std::string text = object.at("metadata").value("resourceVersion", "");
  Revision revision = 0;
  std::from_chars(text.data(), text.data() + text.size(), revision);
  return revision;
}

void Judge::violated(const std::string& guarantee, const std::string& what) {
  verdict_.violated(guarantee + ": " + name_ + " " + resource_ + " at " +
                    std::to_string(position_) + ": " + what);
}

void Judge::resume() {
  resumed_at_ = position_;
  told_.clear();
}

void Judge::forget() {
  position_ = 0;
  owed_.clear();
}

std::string Judge::difference(const Objects& truth) const {
  for (const auto& [key, version] : truth) {
    const auto held = held_.find(key);
    if (held == held_.end()) return key + " is missing";
    if (held->second->revision != version->revision) {
      return key + " is of " + std::to_string(held->second->revision) + " instead of " +
             std::to_string(version->revision);
    }
  }
  for (const auto& [key, version] : held_) {
    if (!truth.contains(key)) return key + " is there, yet was deleted";
  }
  return {};
}

bool Judge::is_current() const {
  if (position_ == 0) return false;
  return owed_.empty() && difference(model_.now(resource_)).empty();
}

void Judge::take_object(const std::string& key, const std::string& type, const Json& object,
                        Revision at) {
  const auto version = model_.find(resource_, key, at);
  if (!version || version->revision != at) {
    if (!model_.restored()) {
      violated("genuine", key + " never had the revision " + std::to_string(at));
    }
    // What a restore took back is nobody's truth; the next LIST puts it right.
    auto unknown = std::make_shared<Version>();
    unknown->key = key;
    unknown->revision = at;
    unknown->object = object;
    held_[key] = std::move(unknown);
    return;
  }
  if (!model_.restored() && !is_same(object, version->object)) {
    violated("atomic", key + " is not as it was at " + std::to_string(at));
  }
  const auto held = held_.find(key);
  const bool known = held != held_.end();
  // Told once more after a break, as others have the same revision.
  const bool again = at == resumed_at_ && known && held->second->revision == at;
  if (!model_.restored() && !type.empty() && !again && known != (type == "MODIFIED")) {
    violated("unique", type + " of " + key + (known ? ", which is there" : ", which is not there"));
  }
  held_[key] = version;
  owed_.erase(key);
}

void Judge::take_deletion(const std::string& key, const Json& object, Revision at) {
  const auto held = held_.find(key);
  if (held == held_.end()) {
    const bool again = at == resumed_at_;
    if (!model_.restored() && !again) {
      violated("unique", "DELETED of " + key + ", which is not there");
    }
    return;
  }
  const std::string uid = uid_of(object);
  if (!model_.restored() && uid_of(held->second->object) != uid) {
    // An earlier one of the name, told once more.
    if (at == resumed_at_) return;
    violated("atomic", "DELETED of another " + key + " than the one that is there");
  }
  const auto alive = model_.find(resource_, key, at);
  if (!model_.restored() && alive && uid_of(alive->object) == uid) {
    violated("genuine", "DELETED of " + key + ", which was there at " + std::to_string(at));
  }
  held_.erase(held);
  owed_.erase(key);
}

/// Whether everything up to `at` was told, but for the event of `key` itself.
void Judge::judge_passed(const std::string& key, Revision at, Revision listed) {
  for (const auto& change : model_.changes(resource_, position_, at)) {
    if (change->key == key && change->revision == at) continue;
    if (model_.changed(resource_, change->key, change->revision, listed)) continue;
    const auto held = held_.find(change->key);
    if (change->revision == at && at <= listed) {
      // A deletion that a LIST told may share the revision.
      const bool ended = change->kind == Version::Kind::kDeleted;
      if (!ended || held != held_.end()) owed_.insert(change->key);
      continue;
    }
    if (change->kind == Version::Kind::kDeleted && change->revision <= listed) {
      // Told at the LIST's revision, after what has an earlier one.
      if (held != held_.end()) owed_.insert(change->key);
      continue;
    }
    violated("reliable", "the change of " + change->key + " at " +
                             std::to_string(change->revision) + " was left out before " +
                             std::to_string(at));
  }
}

void Judge::take_event(std::string_view type, const Json& object, Revision listed) {
  ++events_;
  const std::string key = key_of(object);
  const Revision at = revision_of(object);
  const bool strict = !model_.restored();
  if (strict && at < position_) {
    return violated("ordered", std::string(type) + " of " + key + " at " + std::to_string(at));
  }
  if (at != position_) told_.clear();
  // Deletions that a LIST told share its revision, or that of another's change.
  if (strict && !told_.insert(std::string(type) + " of " + key).second) {
    return violated("unique", std::string(type) + " of " + key + " comes twice");
  }
  if (strict && at > position_) {
    // What a LIST told is told at its revision at the latest.
    if (!owed_.empty() && at > listed) {
      violated("reliable", "the change of " + *owed_.begin() + " was left out");
      owed_.clear();
    }
    judge_passed(key, at, listed);
  }
  if (type == "DELETED") {
    take_deletion(key, object, at);
  } else {
    take_object(key, std::string(type), object, at);
  }
  position_ = at;
}

void Judge::take_bookmark(Revision at, Revision listed) {
  if (model_.restored()) {
    position_ = at;
    return;
  }
  if (at < position_) return violated("ordered", "a bookmark of " + std::to_string(at));
  judge_passed({}, at, listed);
  position_ = at;
  owed_.clear();
  const auto wrong = difference(model_.at(resource_, at));
  if (!wrong.empty()) violated("bookmarkable", wrong);
}

void Judge::take_list(const Json& list) {
  const Revision at = revision_of(list);
  held_.clear();
  owed_.clear();
  for (const auto& item : list.at("items")) take_object(key_of(item), {}, item, revision_of(item));
  position_ = at;
  if (model_.restored()) return;
  if (at > model_.revision()) return violated("genuine", "a list of the future");
  const auto wrong = difference(model_.at(resource_, at));
  if (!wrong.empty()) violated("mirror", "a list of " + std::to_string(at) + ": " + wrong);
}

}  // namespace podkeeper::world
