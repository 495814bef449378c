#include "pkg/kube/resource_name.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace podkeeper::kube {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

/// Names told beside one that is not offered.
constexpr std::size_t kNearestMax = 3;
/// Letters by which a name may differ to count as near.
constexpr std::size_t kDistanceMax = 3;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Takes a whole number without leading zeros off the front.
bool take_number(std::string_view& text) noexcept {
  if (text.empty() || text.front() < '1' || text.front() > '9') return false;
  text.remove_prefix(
      std::min(static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin()),
               text.size()));
  return true;
}

/// "v1", "v2beta3": a version as Kubernetes orders them.
bool looks_like_version(std::string_view text) noexcept {
  if (!text.starts_with('v')) return false;
  text.remove_prefix(1);
  if (!take_number(text)) return false;
  for (const std::string_view stage : {"alpha", "beta"}) {
    if (!text.starts_with(stage)) continue;
    text.remove_prefix(stage.size());
    if (!take_number(text)) return false;
    break;
  }
  return text.empty();
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

Error refuse(std::string_view name, std::string message) {
  return {ErrorCode::kInvalidArgument, "\"" + std::string(name) + "\" " + std::move(message)};
}

/// The least number of letters to insert, delete or replace (Levenshtein). O(a * b).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (const char c : a) {
    std::size_t diagonal = row[0]++;
    for (std::size_t i = 0; i < b.size(); ++i) {
      const std::size_t replaced = diagonal + (b[i] == c ? 0 : 1);
      diagonal = row[i + 1];
      row[i + 1] = std::min({replaced, diagonal + 1, row[i] + 1});
    }
  }
  return row[b.size()];
}

std::string told(const ResourceName& name) {
  return name.version.empty() ? name.plural_group()
                              : name.plural + "." + name.version + "." + name.group;
}

/// Calls `visit(resource)` for every resource, whatever its version, until it returns true.
template <class F>
void any_of(const Offered& offered, F&& visit) {
  for (const auto& version : offered.versions) {
    for (const auto& one : version.resources) {
      if (visit(one)) return;
    }
  }
}

/// Why a name means a resource without being its name, and the name; empty where it does not.
std::string other_word_for(const Resource& resource, const ResourceName& name) {
  const auto is = [&](const char* what) {
    return "is " + std::string(what) + "; name " + resource.plural_group();
  };
  const std::string word = lower(name.plural);
  if (resource.plural == word) {
    return is(resource.group == name.group ? "not in small letters" : "of another group");
  }
  if (std::ranges::find(resource.short_names, word) != resource.short_names.end()) {
    return is("a short name");
  }
  return resource.singular == word || lower(resource.kind) == word ? is("a kind") : "";
}

/// The same for everything that is offered, in the group where one is named.
std::string find_other_word(const Offered& offered, const ResourceName& name) {
  std::string why;
  any_of(offered, [&](const OfferedResource& one) {
    if (name.group.empty() || one.resource.group == name.group) {
      why = other_word_for(one.resource, name);
    }
    return !why.empty();
  });
  return why;
}

/// ", did you mean a, b?", or nothing.
std::string nearest(const Offered& offered, const ResourceName& name) {
  std::vector<std::pair<std::size_t, std::string>> near;
  const std::string wanted = name.plural_group();
  any_of(offered, [&](const OfferedResource& one) {
    if (!one.can_be_followed()) return false;
    const std::string other = one.resource.plural_group();
    const std::size_t letters =
        one.resource.plural == name.plural
            ? 0
            : std::min(distance(wanted, other), distance(name.plural, one.resource.plural));
    if (letters <= kDistanceMax) near.emplace_back(letters, other);
    return false;
  });
  std::ranges::sort(near);
  near.erase(std::unique(near.begin(), near.end()), near.end());
  std::string names;
  for (std::size_t i = 0; i < std::min(near.size(), kNearestMax); ++i) {
    names += (names.empty() ? "" : ", ") + near[i].second;
  }
  return names.empty() ? "" : "; did you mean " + names + "?";
}

Error cannot_be_followed(const OfferedResource& one) {
  std::string verbs;
  for (const auto& verb : one.verbs) verbs += (verbs.empty() ? "" : ", ") + verb;
  return refuse(one.resource.plural_group(),
                "cannot be mirrored: it takes list and watch, and the API server offers only " +
                    (verbs.empty() ? "nothing" : verbs));
}

Error not_offered(const Offered& offered, const ResourceName& name, const std::string& versions) {
  if (versions.empty()) {
    if (auto why = find_other_word(offered, name); !why.empty()) return refuse(told(name), why);
  }
  std::string message = "the API server does not offer \"" + told(name) + "\"";
  message += versions.empty() ? nearest(offered, name)
                              : "; of " + name.plural_group() + " it offers " + versions;
  return {ErrorCode::kNotFound, std::move(message)};
}

}  // namespace

Result<ResourceName> parse_resource_name(std::string_view text) {
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    return refuse(text, "is a subresource, which is part of its object; name \"" +
                            std::string(text.substr(0, slash)) + "\"");
  }
  const bool plain = std::ranges::all_of(text, [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.';
  });
  const std::size_t dot = std::min(text.find('.'), text.size());
  if (!plain || dot == 0 || dot + 1 == text.size() || text.size() > kOfferedNameBytesMax) {
    return refuse(text.substr(0, kOfferedNameBytesMax),
                  "is no name of a resource; names are plural, as pods or deployments.apps");
  }
  ResourceName name{.plural = std::string(text.substr(0, dot)), .version = {}, .group = {}};
  if (dot == text.size()) return name;
  const std::string_view rest = text.substr(dot + 1);
  const std::size_t next = std::min(rest.find('.'), rest.size());
  if (!looks_like_version(rest.substr(0, next))) {
    name.group = rest;
    return name;
  }
  if (next == rest.size()) {
    return refuse(text, "names a version without a group; of the core group that is \"" +
                            std::string(text) + ".\", with a dot at its end");
  }
  name.version = rest.substr(0, next);
  name.group = rest.substr(next + 1);
  return name;
}

Result<OfferedResource> find_offered(const Offered& offered, const ResourceName& name) {
  std::string versions;
  bool stale = false;
  for (const auto& version : offered.versions) {
    if (version.group != name.group) continue;
    const bool wanted = name.version.empty() || version.version == name.version;
    stale |= wanted && version.stale;
    for (const auto& one : version.resources) {
      if (one.resource.plural != name.plural) continue;
      if (!wanted) {
        versions += (versions.empty() ? "" : ", ") + version.version;
        continue;
      }
      if (!one.can_be_followed()) return cannot_be_followed(one);
      return one;
    }
  }
  if (stale) {
    return Error{ErrorCode::kUnavailable, "the API server cannot tell now whether it offers \"" +
                                              told(name) + "\": whoever serves the group " +
                                              name.group + " does not answer"};
  }
  return not_offered(offered, name, versions);
}

}  // namespace podkeeper::kube
