#include "pkg/settings/settings.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <string>

namespace podkeeper::settings {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

constexpr std::string_view kApiVersion = "config.podkeeper.dev/v1alpha1";
constexpr std::string_view kKind = "PodkeeperConfiguration";

Error refuse(std::string_view path, const YAML::Mark& mark, const std::string& why) {
  std::string where(path);
  if (mark.line >= 0) where += ":" + std::to_string(mark.line + 1);
  return {ErrorCode::kInvalidArgument, where + ": " + why};
}

Result<void> expect_text(const YAML::Node& root, std::string_view path, const char* key,
                         std::string_view expected) {
  const YAML::Node node = root[key];
  const std::string found = node && node.IsScalar() ? node.Scalar() : "";
  if (found == expected) return {};
  return refuse(
      path, root.Mark(),
      "." + std::string(key) + " is \"" + found + "\"; write \"" + std::string(expected) + "\"");
}

/// A scalar, or a sequence of scalars, as the text its flag would have.
Result<std::string> text_of(const YAML::Node& value, std::string_view path,
                            const std::string& key) {
  if (value.IsScalar()) return value.Scalar();
  if (!value.IsSequence())
    return refuse(path, value.Mark(), "." + key + " is neither a value nor a list");
  std::string text;
  for (const YAML::Node& item : value) {
    if (!item.IsScalar())
      return refuse(path, item.Mark(), "." + key + " has an item that is not a value");
    text += (text.empty() ? "" : ",") + item.Scalar();
  }
  return text;
}

Result<void> apply_root(Settings& settings, const YAML::Node& root, std::string_view path) {
  if (!root.IsMap()) return refuse(path, root.Mark(), "is not a mapping of keys to values");
  if (auto ok = expect_text(root, path, "apiVersion", kApiVersion); !ok) return ok;
  if (auto ok = expect_text(root, path, "kind", kKind); !ok) return ok;
  for (const auto& entry : root) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (key == "apiVersion" || key == "kind") continue;
    const auto settings_table = all_settings();
    const auto row = std::ranges::find_if(
        settings_table, [&](const SettingInfo& info) { return config_key(info.name) == key; });
    if (row == settings_table.end() || key == "config") {
      return refuse(path, entry.first.Mark(),
                    "." + key + " is not a known key; remove it or mend its spelling");
    }
    auto text = text_of(entry.second, path, key);
    if (!text) return text.error();
    if (auto ok = row->set(settings, *text); !ok) {
      return refuse(path, entry.second.Mark(), "." + key + ": " + ok.error().message);
    }
  }
  return {};
}

}  // namespace

Result<void> apply_config(Settings& settings, std::string_view yaml, std::string_view path) {
  try {
    return apply_root(settings, YAML::Load(std::string(yaml)), path);
  } catch (const YAML::Exception& e) {
    return refuse(path, e.mark, "is not valid YAML: " + e.msg);
  }
}

}  // namespace podkeeper::settings
