#include "tests/fuzz/support/rfc6902.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace podkeeper::fuzz {
namespace {

using Json = nlohmann::ordered_json;
using Path = std::vector<std::string>;

/// The reference tokens of a JSON pointer (RFC 6901); nothing where it is none.
std::optional<Path> parse_pointer(std::string_view text) {
  Path path;
  if (text.empty()) return path;
  if (text.front() != '/') return std::nullopt;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '/') {
      path.emplace_back();
    } else if (text[at] != '~') {
      path.back() += text[at];
    } else {
      const char code = at + 1 < text.size() ? text[at + 1] : '\0';
      if (code != '0' && code != '1') return std::nullopt;
      path.back() += code == '0' ? '~' : '/';
      ++at;
    }
  }
  return path;
}

std::optional<std::size_t> parse_index(std::string_view token) {
  if (token.empty() || (token.size() > 1 && token.front() == '0')) return std::nullopt;
  std::size_t index = 0;
  const char* const end = token.data() + token.size();
  const auto [rest, error] = std::from_chars(token.data(), end, index);
  if (error != std::errc() || rest != end) return std::nullopt;
  return index;
}

Json* child(Json& of, const std::string& token) {
  if (of.is_object()) {
    const auto found = of.find(token);
    return found == of.end() ? nullptr : &*found;
  }
  if (!of.is_array()) return nullptr;
  const auto index = parse_index(token);
  return index && *index < of.size() ? &of[*index] : nullptr;
}

Json* find(Json& root, const Path& path, std::size_t tokens) {
  Json* at = &root;
  for (std::size_t i = 0; i < tokens && at != nullptr; ++i) at = child(*at, path[i]);
  return at;
}

bool add(Json& root, const Path& path, Json value) {
  if (path.empty()) {
    root = std::move(value);
    return true;
  }
  Json* const parent = find(root, path, path.size() - 1);
  if (parent == nullptr || !parent->is_structured()) return false;
  if (parent->is_object()) {
    (*parent)[path.back()] = std::move(value);
    return true;
  }
  const auto index = path.back() == "-" ? parent->size() : parse_index(path.back());
  if (!index || *index > parent->size()) return false;
  parent->insert(parent->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
  return true;
}

bool remove(Json& root, const Path& path) {
  if (path.empty() || find(root, path, path.size()) == nullptr) return false;
  Json& parent = *find(root, path, path.size() - 1);
  if (parent.is_object()) {
    parent.erase(path.back());
  } else {
    parent.erase(*parse_index(path.back()));
  }
  return true;
}

std::optional<Path> path_in(const Json& operation, const char* key) {
  const auto member = operation.find(key);
  if (member == operation.end() || !member->is_string()) return std::nullopt;
  return parse_pointer(member->get<std::string>());
}

bool transfer(Json& root, const Json& operation, const Path& path, bool moves) {
  const auto from = path_in(operation, "from");
  const Json* const held = from ? find(root, *from, from->size()) : nullptr;
  if (held == nullptr) return false;
  Json value = *held;
  if (!moves) return add(root, path, std::move(value));
  const bool into_itself =
      from->size() < path.size() && std::equal(from->begin(), from->end(), path.begin());
  return !into_itself && remove(root, *from) && add(root, path, std::move(value));
}

bool apply(Json& root, const Json& operation) {
  if (!operation.is_object()) return false;
  const auto path = path_in(operation, "path");
  const auto name = operation.find("op");
  if (!path || name == operation.end() || !name->is_string()) return false;
  const auto op = name->get<std::string>();
  if (op == "remove") return remove(root, *path);
  if (op == "move" || op == "copy") return transfer(root, operation, *path, op == "move");
  const auto value = operation.find("value");
  if (value == operation.end()) return false;
  if (op == "add") return add(root, *path, *value);
  Json* const held = find(root, *path, path->size());
  if (held == nullptr) return false;
  if (op == "test") return *held == *value;
  if (op == "replace") *held = *value;
  return op == "replace";
}

}  // namespace

std::optional<Json> patched(Json document, const Json& patch) {
  if (!patch.is_array()) return std::nullopt;
  for (const auto& operation : patch) {
    if (!apply(document, operation)) return std::nullopt;
  }
  return document;
}

}  // namespace podkeeper::fuzz
