#include "pkg/telemetry/process.h"

#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace podkeeper::telemetry {
namespace {

/// What /proc/self/stat says, see proc(5).
struct Stat {
  std::uint64_t cpu_ticks = 0;       ///< fields 14 and 15
  std::uint64_t threads = 0;         ///< field 20
  std::uint64_t start_ticks = 0;     ///< field 22, since boot
  std::uint64_t virtual_bytes = 0;   ///< field 23
  std::uint64_t resident_pages = 0;  ///< field 24
};

/// The second field is the command's name in parentheses, which may itself hold spaces and
/// parentheses.
std::optional<Stat> read_stat(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  const auto skip = [&](int count) {
    for (int i = 0; i < count; ++i) fields >> skipped;
  };
  Stat stat;
  std::uint64_t system_ticks = 0;
  skip(11);  // 3 to 13
  fields >> stat.cpu_ticks >> system_ticks;
  skip(4);  // 16 to 19
  fields >> stat.threads;
  skip(1);
  fields >> stat.start_ticks >> stat.virtual_bytes >> stat.resident_pages;
  if (!fields) return std::nullopt;
  stat.cpu_ticks += system_ticks;
  return stat;
}

/// Seconds since the epoch at which the system booted: "btime" of /proc/stat.
std::optional<std::uint64_t> read_boot_time(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("btime ")) return std::stoull(line.substr(6));
  }
  return std::nullopt;
}

std::optional<std::size_t> count_entries(const std::string& directory) {
  std::error_code failed;
  const std::filesystem::directory_iterator entries(directory, failed);
  if (failed) return std::nullopt;
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace

struct ProcessCollector::State {
  State(Metrics& metrics, std::string proc_path)
      : proc(std::move(proc_path)),
        cpu_seconds(metrics.counter(kProcessCpuSeconds)),
        resident(metrics.gauge(kProcessResidentMemory)),
        virtual_memory(metrics.gauge(kProcessVirtualMemory)),
        open_fds(metrics.gauge(kProcessOpenFds)),
        max_fds(metrics.gauge(kProcessMaxFds)),
        start_time(metrics.gauge(kProcessStartTime)),
        threads(metrics.gauge(kProcessThreads)) {
    handle = metrics.on_scrape([this] { refresh(); });
  }

  void refresh() {
    if (const auto stat = read_stat(proc + "/self/stat")) show(*stat);
    if (const auto count = count_entries(proc + "/self/fd")) {
      open_fds.Set(static_cast<double>(*count - std::min<std::size_t>(*count, 1)));  // not our own
    }
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) max_fds.Set(static_cast<double>(limit.rlim_cur));
  }

  void show(const Stat& stat) {
    const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
    const double cpu = static_cast<double>(stat.cpu_ticks) / ticks_per_second;
    if (cpu > cpu_counted) cpu_seconds.Increment(cpu - std::exchange(cpu_counted, cpu));
    threads.Set(static_cast<double>(stat.threads));
    virtual_memory.Set(static_cast<double>(stat.virtual_bytes));
    resident.Set(static_cast<double>(stat.resident_pages) *
                 static_cast<double>(sysconf(_SC_PAGESIZE)));
    if (const auto boot = read_boot_time(proc + "/stat")) {
      start_time.Set(static_cast<double>(*boot) +
                     static_cast<double>(stat.start_ticks) / ticks_per_second);
    }
  }

  const std::string proc;
  Counter& cpu_seconds;
  Gauge& resident;
  Gauge& virtual_memory;
  Gauge& open_fds;
  Gauge& max_fds;
  Gauge& start_time;
  Gauge& threads;
  double cpu_counted = 0;
  std::shared_ptr<void> handle;
};

ProcessCollector::ProcessCollector(Metrics& metrics, std::string proc)
    : state_(std::make_unique<State>(metrics, std::move(proc))) {}
ProcessCollector::~ProcessCollector() = default;

}  // namespace podkeeper::telemetry
