#include "pkg/credentials/kubeconfig_entry.h"

#include "pkg/credentials/base64.h"
#include "pkg/credentials/yaml_json.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace podkeeper::credentials {
namespace {

/// Line ends and NUL would end a header or a name somewhere else than here.
bool has_control(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; });
}

}  // namespace

Entry::Entry(const YAML::Node& node, std::string file, std::string name, FirstFault& fault)
    : node_(std::make_shared<const YAML::Node>(node)),
      file_(std::move(file)),
      name_(std::move(name)),
      fault_(&fault) {
  if (node.IsDefined() && !node.IsNull() && !node.IsMap()) fail("", "is not a mapping");
}

Entry Entry::named(std::string name) const {
  Entry other = *this;
  other.name_ = std::move(name);
  return other;
}

YAML::Node Entry::value(const char* key) const {
  if (!node_->IsMap()) return YAML::Node(YAML::NodeType::Null);
  const YAML::Node found = (*node_)[key];
  return found.IsDefined() ? found : YAML::Node(YAML::NodeType::Null);
}

void Entry::fail(const char* key, std::string_view why) const {
  std::string message = "kubeconfig " + file_;
  YAML::Mark mark = *key == '\0' ? node_->Mark() : value(key).Mark();
  if (mark.is_null()) mark = node_->Mark();
  if (!mark.is_null()) message += ":" + std::to_string(mark.line + 1);
  message += ": ";
  if (!name_.empty()) message += name_ + (*key == '\0' ? " " : ": ");
  if (*key != '\0') message += std::string(key) + " ";
  fault_->set({base::ErrorCode::kInvalidArgument, message + std::string(why)});
}

bool Entry::has(const char* key) const {
  const YAML::Node found = value(key);
  if (found.IsNull()) return false;
  return found.IsScalar() ? !found.Scalar().empty() : found.size() > 0;
}

std::string Entry::text(const char* key) const {
  const YAML::Node found = value(key);
  if (found.IsNull()) return {};
  if (!found.IsScalar()) {
    fail(key, "is not a text");
    return {};
  }
  if (has_control(found.Scalar())) {
    fail(key, "has a control character (NUL, a line end) in it; remove it");
    return {};
  }
  return found.Scalar();
}

bool Entry::flag(const char* key) const {
  const std::string found = text(key);
  if (!found.empty() && found != "true" && found != "false") fail(key, "is neither true nor false");
  return found == "true";
}

std::string Entry::base64(const char* key) const {
  const YAML::Node found = value(key);
  if (found.IsNull()) return {};
  auto decoded = found.IsScalar() ? base64_decoded(found.Scalar()) : std::nullopt;
  if (!decoded) fail(key, "is not base64; the value is a PEM file through `base64 -w0`");
  return std::move(decoded).value_or("");
}

std::string Entry::beside(const std::string& path) const {
  const std::filesystem::path written(path);
  if (written.is_absolute()) return path;
  return (std::filesystem::path(file_).parent_path() / written).string();
}

std::string Entry::path(const char* key) const {
  const std::string written = text(key);
  return written.empty() ? written : beside(written);
}

Material Entry::material(const char* key) const {
  const std::string data_key = std::string(key) + "-data";
  Material found{.data = base64(data_key.c_str()), .file = path(key)};
  if (!found.data.empty() && !found.file.empty()) {
    fail(key, "and " + data_key + " are both given; remove one of them");
  }
  return found;
}

std::vector<std::string> Entry::texts(const char* key) const {
  std::vector<std::string> all;
  const YAML::Node found = value(key);
  if (found.IsNull()) return all;
  if (!found.IsSequence()) {
    fail(key, "is not a list");
    return all;
  }
  for (const YAML::Node& item : found) {
    if (!item.IsScalar() || item.Scalar().contains('\0')) {
      fail(key, "has an item that is not a text");
      break;
    }
    all.push_back(item.Scalar());
  }
  return all;
}

Entry Entry::child(const char* key) const {
  const std::string name = name_.empty() ? key : name_ + ": " + key;
  return {value(key), file_, name, *fault_};
}

std::vector<Entry> Entry::children(const char* key) const {
  std::vector<Entry> all;
  const YAML::Node found = value(key);
  if (found.IsNull()) return all;
  if (!found.IsSequence()) {
    fail(key, "is not a list");
    return all;
  }
  const std::string name = name_.empty() ? key : name_ + ": " + key;
  for (std::size_t i = 0; i < found.size(); ++i) {
    all.emplace_back(found[i], file_, name + "[" + std::to_string(i) + "]", *fault_);
  }
  return all;
}

std::string Entry::json(const char* key) const {
  const YAML::Node found = value(key);
  if (found.IsNull()) return {};
  std::string json = yaml_to_json(found);
  if (json.empty()) fail(key, "is nested too deeply or too large");
  return json;
}

}  // namespace podkeeper::credentials
