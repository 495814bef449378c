#include "daemon/memory_use.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

namespace podkeeper::daemon {
namespace {

constexpr std::size_t kFileBytesMax = 64 << 10;
constexpr std::uint64_t kKiB = 1024;
/// Version 1 says "unlimited" by the largest number of pages there is.
constexpr std::uint64_t kUnlimitedFrom = std::uint64_t{1} << 60;
constexpr std::uint64_t kUnlimited = MemoryUse::kUnlimited;

/// A number at the beginning; kUnlimited for the words that say so.
std::optional<std::uint64_t> number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  if (text.starts_with("max") || text.starts_with("unlimited")) return kUnlimited;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  return value < kUnlimitedFrom ? value : kUnlimited;
}

/// What follows `name` in the first line that begins with it.
std::optional<std::string> after(base::Files& files, const std::string& path,
                                 std::string_view name) {
  const auto text = files.read(path, kFileBytesMax);
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    if (line.starts_with(name)) return std::string(line.substr(name.size()));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_after(base::Files& files, const std::string& path,
                                          std::string_view name) {
  const auto text = after(files, path, name);
  return text ? number(*text) : std::nullopt;
}

std::optional<std::uint64_t> status_bytes(base::Files& files, std::string_view name) {
  const auto kib = number_after(files, "/proc/self/status", name);
  return kib ? std::optional(*kib * kKiB) : std::nullopt;
}

/// Where one version of cgroups keeps what.
struct CgroupVersion {
  std::string_view mount, entry, limit, used, droppable;
};
constexpr std::array kVersions = {
    CgroupVersion{"/sys/fs/cgroup", "0::", "/memory.max", "/memory.current", "inactive_file "},
    CgroupVersion{"/sys/fs/cgroup/memory", ":memory:", "/memory.limit_in_bytes",
                  "/memory.usage_in_bytes", "total_inactive_file "},
};

/// The path of our cgroup below the mount; empty for its root and where it is not told.
std::string own_path(base::Files& files, const CgroupVersion& version) {
  const auto text = files.read("/proc/self/cgroup", kFileBytesMax);
  if (!text) return {};
  std::size_t at = text->find(version.entry);
  if (at == std::string::npos) return {};
  at += version.entry.size();
  const std::string path = text->substr(at, text->find('\n', at) - at);
  return path == "/" ? std::string() : path;
}

std::optional<MemoryUse> use_in(base::Files& files, const std::string& folder,
                                const CgroupVersion& version) {
  const auto limit = number_after(files, folder + std::string(version.limit), "");
  const auto used = number_after(files, folder + std::string(version.used), "");
  if (!limit || !used) return std::nullopt;
  const auto droppable = number_after(files, folder + "/memory.stat", version.droppable);
  return MemoryUse{.used = *used - std::min(*used, droppable.value_or(0)), .limit = *limit};
}

/// In a container the path is often the host's, and the root of the mount the container's own.
std::optional<MemoryUse> cgroup_use(base::Files& files) {
  for (const CgroupVersion& version : kVersions) {
    const std::string mount(version.mount);
    if (auto own = use_in(files, mount + own_path(files, version), version)) return own;
    if (auto root = use_in(files, mount, version)) return root;
  }
  return std::nullopt;
}

std::optional<MemoryUse> flag_use(base::Files& files, std::uint64_t flag_limit) {
  const auto resident = status_bytes(files, "VmRSS:");
  if (flag_limit == 0 || !resident) return std::nullopt;
  return MemoryUse{.used = *resident, .limit = flag_limit};
}

std::optional<MemoryUse> address_space_use(base::Files& files) {
  const auto limit = number_after(files, "/proc/self/limits", "Max address space");
  const auto used = status_bytes(files, "VmSize:");
  if (!limit || !used) return std::nullopt;
  return MemoryUse{.used = *used, .limit = *limit};
}

}  // namespace

std::optional<MemoryUse> memory_use(base::Files& files, std::uint64_t flag_limit) {
  std::optional<MemoryUse> nearest;
  for (const auto& one :
       {flag_use(files, flag_limit), cgroup_use(files), address_space_use(files)}) {
    if (!one || one->limit == 0) continue;
    if (!nearest || one->part() > nearest->part()) nearest = one;
  }
  return nearest;
}

}  // namespace podkeeper::daemon
