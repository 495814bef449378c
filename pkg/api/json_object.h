#pragma once

#include "pkg/kube/json_text.h"

#include <concepts>
#include <string>
#include <string_view>

namespace podkeeper::api {

/// Appends one JSON object to a text, member by member; the destructor closes it. For answers of
/// thousands of small records, where building a document first would cost more than the rest of the
/// request.
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
  ~JsonObject() { out_ += '}'; }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;

  void text(std::string_view key, std::string_view value) {
    member(key);
    kube::append_json_string(out_, value);
  }
  void boolean(std::string_view key, bool value) {
    member(key);
    out_ += value ? "true" : "false";
  }
  void number(std::string_view key, std::integral auto value) {
    member(key);
    out_ += std::to_string(value);
  }
  /// Begins a member whose value the caller appends next.
  std::string& member(std::string_view key) {
    if (!first_) out_ += ',';
    first_ = false;
    kube::append_json_string(out_, key);
    out_ += ':';
    return out_;
  }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace podkeeper::api
