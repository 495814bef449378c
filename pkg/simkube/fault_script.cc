#include "pkg/simkube/fault_script.h"

#include "pkg/kube/status.h"
#include "pkg/settings/settings.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <utility>

namespace podkeeper::simkube {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDepthMax = 8;  ///< far deeper than any script
constexpr std::size_t kShownMax = 60;
constexpr std::array<std::string_view, 7> kVerbs = {"list",   "watch", "get",   "create",
                                                    "update", "patch", "delete"};

/// The first thing that is wrong, thrown to parse_fault_script and no further.
struct Wrong {
  std::string message;
};

/// One value of a script and where it stands, for what is told of it.
class Value {
 public:
  Value(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  [[noreturn]] void refuse(std::string_view why) const {
    auto shown = json_.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (shown.size() > kShownMax) shown = shown.substr(0, kShownMax) + "...";
    throw Wrong{path_ + " " + std::string(why) + ", got " + shown};
  }
  void must_have_only(std::initializer_list<std::string_view> known) const {
    if (!json_.is_object()) refuse("must be an object");
    for (const auto& [key, value] : json_.items()) {
      if (std::ranges::find(known, key) == known.end()) at(key, value).refuse("is not known");
    }
  }
  [[nodiscard]] std::optional<Value> member(const std::string& key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) return std::nullopt;
    return at(key, *found);
  }
  [[nodiscard]] std::uint64_t number(std::uint64_t min, std::uint64_t max) const {
    // A negative number is signed, one with a fraction or an exponent neither.
    if (!json_.is_number_unsigned() || json_.get<std::uint64_t>() < min ||
        json_.get<std::uint64_t>() > max) {
      refuse("must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    }
    return json_.get<std::uint64_t>();
  }
  [[nodiscard]] std::string text() const {
    if (!json_.is_string()) refuse("must be a string");
    return json_.get<std::string>();
  }
  [[nodiscard]] base::Duration duration() const {
    const auto parsed = settings::parse_duration(text());
    if (!parsed) refuse("must be a duration such as 500ms or 1m30s");
    return *parsed;
  }
  [[nodiscard]] const Json& json() const noexcept { return json_; }
  [[nodiscard]] Value at(const std::string& key, const Json& json) const {
    return {json, path_ + (path_.ends_with(':') ? " " : ".") + key};
  }

 private:
  const Json& json_;
  std::string path_;
};

FaultWhen read_when(const Value& value) {
  value.must_have_only({"verb", "resource", "nth", "after", "for"});
  FaultWhen when;
  if (const auto verb = value.member("verb")) {
    when.verb = verb->text();
    if (std::ranges::find(kVerbs, when.verb) == kVerbs.end()) {
      verb->refuse("must be one of list, watch, get, create, update, patch, delete");
    }
  }
  if (const auto resource = value.member("resource")) when.resource = resource->text();
  if (const auto nth = value.member("nth")) when.nth = nth->number(1, kFaultBytesMax);
  if (const auto after = value.member("after")) when.after = after->duration();
  if (const auto lasts = value.member("for")) when.lasts = lasts->duration();
  return when;
}

/// What a header must not have, or it would be more than one.
bool is_one_line(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c != '\x7f'; });
}

std::string status_of(int code) {
  kube::Status status;
  status.message = "by the fault script";
  status.reason = code == 410 ? "Expired" : code == 429 ? "TooManyRequests" : "FaultScript";
  status.code = code;
  return kube::to_json(status);
}

FaultAnswer read_answer(const Value& value) {
  value.must_have_only({"status", "headers", "body"});
  FaultAnswer answer;
  const auto status = value.member("status");
  if (!status) value.refuse("needs a status");
  answer.status = static_cast<int>(status->number(200, 599));
  if (const auto headers = value.member("headers")) {
    if (!headers->json().is_object()) headers->refuse("must be an object");
    for (const auto& [name, field] : headers->json().items()) {
      const auto at = headers->at(name, field);
      if (name.empty() || !is_one_line(name) || !is_one_line(at.text())) {
        at.refuse("must be a header of one line");
      }
      answer.headers.emplace_back(name, at.text());
    }
  }
  const auto body = value.member("body");
  answer.body = body ? body->text() : status_of(answer.status);
  return answer;
}

FaultInsert read_insert(const Value& value) {
  value.must_have_only({"after", "line", "error", "bytes"});
  FaultInsert insert;
  if (const auto after = value.member("after")) {
    insert.after_event = after->number(0, kFaultBytesMax);
  }
  const auto line = value.member("line");
  const auto error = value.member("error");
  const auto bytes = value.member("bytes");
  if (line.has_value() + error.has_value() + bytes.has_value() != 1) {
    value.refuse("needs one of line, error, bytes");
  }
  if (line) insert.bytes = line->text() + "\n";
  if (error) {
    auto status = status_of(static_cast<int>(error->number(400, 999)));
    status.erase(status.find_last_not_of('\n') + 1);
    insert.bytes = R"({"type":"ERROR","object":)" + status + "}\n";
  }
  if (bytes) insert.bytes.assign(bytes->number(1, kInsertBytesMax), 'x');
  return insert;
}

FaultDo read_do(const Value& value) {
  value.must_have_only({"answer", "delay", "cut", "halfOpen", "drop", "repeat", "insert",
                        "chunkExtension", "trailer", "restore"});
  if (value.json().size() != 1) value.refuse("must have one member");
  if (const auto it = value.member("answer")) return read_answer(*it);
  if (const auto it = value.member("delay")) return FaultDelay{it->duration()};
  if (const auto it = value.member("cut")) return FaultCut{it->number(0, kFaultBytesMax)};
  if (const auto it = value.member("halfOpen")) return FaultHalfOpen{it->number(0, kFaultBytesMax)};
  if (const auto it = value.member("drop")) return FaultDrop{it->number(1, kFaultBytesMax)};
  if (const auto it = value.member("repeat")) return FaultRepeat{it->number(1, kFaultBytesMax)};
  if (const auto it = value.member("insert")) return read_insert(*it);
  if (const auto it = value.member("chunkExtension")) {
    return FaultChunkExtension{it->number(1, kInsertBytesMax)};
  }
  if (const auto it = value.member("trailer")) return FaultTrailer{it->number(1, kInsertBytesMax)};
  const auto restore = value.member("restore");
  if (!restore->json().is_boolean() || !restore->json().get<bool>())
    restore->refuse("must be true");
  return FaultRestore{};
}

/// Null where it is no JSON, or nested deeper than any script.
Json parse(std::string_view text) {
  bool deep = false;
  const auto watch_depth = [&deep](int depth, Json::parse_event_t, Json&) {
    deep = deep || depth > kDepthMax;
    return !deep;
  };
  auto json = Json::parse(text, watch_depth, /*allow_exceptions=*/false);
  return deep || json.is_discarded() ? Json() : json;
}

std::vector<FaultRule> read_rules(const Json& json) {
  if (json.size() > kFaultRulesMax) {
    throw Wrong{"it has " + std::to_string(json.size()) + " rules, more than " +
                std::to_string(kFaultRulesMax)};
  }
  std::vector<FaultRule> rules;
  std::uint64_t made_up = 0;
  for (const auto& item : json) {
    const Value value(item, "rule " + std::to_string(rules.size() + 1) + ":");
    value.must_have_only({"when", "do"});
    const auto what = value.member("do");
    if (!what) value.refuse("needs a do");
    const auto when = value.member("when");
    rules.push_back({when ? read_when(*when) : FaultWhen{}, read_do(*what)});
    if (const auto* insert = std::get_if<FaultInsert>(&rules.back().what)) {
      made_up += insert->bytes.size();
    }
    if (made_up > kInsertBytesMax) {
      what->refuse("makes more than " + std::to_string(kInsertBytesMax) +
                   " bytes up, all together");
    }
  }
  return rules;
}

}  // namespace

const char* name_of(const FaultDo& what) noexcept {
  static constexpr std::array<const char*, std::variant_size_v<FaultDo>> kNames = {
      "answer", "delay",          "cut",     "halfOpen", "drop", "repeat",
      "insert", "chunkExtension", "trailer", "restore"};
  return kNames[what.index()];
}

base::Result<std::vector<FaultRule>> parse_fault_script(std::string_view text) {
  const auto wrong = [](const std::string& why) {
    return base::Error{base::ErrorCode::kInvalidArgument, why};
  };
  if (text.size() > kFaultScriptBytesMax) {
    return wrong("it has " + std::to_string(text.size()) + " bytes, more than " +
                 std::to_string(kFaultScriptBytesMax));
  }
  const auto json = parse(text);
  if (!json.is_array()) return wrong("it must be a JSON list of {when, do}");
  try {
    return read_rules(json);
  } catch (const Wrong& found) {
    return wrong(found.message);
  }
}

}  // namespace podkeeper::simkube
