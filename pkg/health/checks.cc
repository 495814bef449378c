#include "pkg/health/checks.h"

#include "pkg/base/panic.h"
#include "pkg/base/task_context.h"
#include "pkg/recovery/guard.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <set>

namespace podkeeper::health {
namespace {

/// A name from a query, in double quotes, with everything that could pass for another line escaped.
/// Bytes outside ASCII stay as they are.
std::string quoted(std::string_view name) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text = "\"";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
      case '\\':
        text += {'\\', c};
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\t':
        text += "\\t";
        break;
      default:
        if (byte < 0x20 || byte == 0x7f) {
          text += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
        } else {
          text += c;
        }
    }
  }
  return text + '"';
}

std::string unknown_excludes(const std::set<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ',';
    text += quoted(name);
  }
  return "warn: some health checks cannot be excluded: no matches for " + text + '\n';
}

}  // namespace

void Checks::add(std::string name, Check check) {
  PK_CHECK(check != nullptr && !name.empty(), "a health check needs a name and a function");
  PK_CHECK(std::ranges::find(checks_, name, &Entry::name) == checks_.end(),
           "two health checks named " + name);
  PK_CHECK(checks_.size() < kChecksMax, "more health checks than kChecksMax");
  Entry entry{.name = std::move(name), .check = std::move(check)};
  if (metrics_ != nullptr) {
    using namespace telemetry;  // NOLINT(google-build-using-namespace): three names, here only
    entry.state = &metrics_->gauge(kHealthcheck, {entry.name, endpoint_});
    entry.successes = &metrics_->counter(kHealthchecks, {entry.name, endpoint_, "success"});
    entry.errors = &metrics_->counter(kHealthchecks, {entry.name, endpoint_, "error"});
  }
  checks_.push_back(std::move(entry));
}

base::Result<void> Checks::run_entry(const Entry& entry) {
  auto guarded = recovery::guard(base::Handler::kHttp, entry.check);
  auto result =
      guarded.has_value() ? std::move(*guarded) : base::Result<void>(std::move(guarded).error());
  if (entry.state != nullptr) {
    entry.state->Set(result.has_value() ? 1 : 0);
    (result.has_value() ? entry.successes : entry.errors)->Increment();
  }
  return result;
}

Report Checks::run(bool verbose, std::span<const std::string_view> exclude) const {
  std::set<std::string_view> excluded(exclude.begin(), exclude.end());
  Report report;
  for (const Entry& entry : checks_) {
    if (excluded.erase(entry.name) > 0) {
      report.body += "[+]" + entry.name + " excluded: ok\n";
      continue;
    }
    auto result = run_entry(entry);
    if (result.has_value()) {
      report.body += "[+]" + entry.name + " ok\n";
    } else {
      report.body += "[-]" + entry.name + " failed: reason withheld\n";
      report.failures.emplace_back(entry.name, std::move(result).error().message);
    }
  }
  if (!excluded.empty()) report.body += unknown_excludes(excluded);
  if (!report.failures.empty()) {
    report.status = 500;
    report.body += endpoint_ + " check failed\n";
  } else if (verbose) {
    report.body += endpoint_ + " check passed\n";
  } else {
    report.body = "ok";
  }
  return report;
}

Report Checks::run_one(std::string_view name) const {
  const auto entry = std::ranges::find(checks_, name, &Entry::name);
  if (entry == checks_.end()) return {404, "404 page not found\n", {}};
  auto result = run_entry(*entry);
  if (result.has_value()) return {200, "ok", {}};
  return {500,
          "internal server error: reason withheld\n",
          {{entry->name, std::move(result).error().message}}};
}

std::vector<std::pair<std::string, bool>> Checks::states() const {
  std::vector<std::pair<std::string, bool>> states;
  states.reserve(checks_.size());
  for (const Entry& entry : checks_) states.emplace_back(entry.name, run_entry(entry).has_value());
  return states;
}

}  // namespace podkeeper::health
