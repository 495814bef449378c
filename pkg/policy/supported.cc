#include "pkg/policy/supported.h"

#include "pkg/base/panic.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace podkeeper::policy {
namespace {

std::string built_strategies() {
  std::string names;
  for (const cmap::Strategy strategy : cmap::kStrategies) {
    names.append(names.empty() ? "" : ", ").append(cmap::to_string(strategy));
  }
  return names;
}

}  // namespace

std::optional<cmap::Strategy> built_strategy(Strategy strategy) noexcept {
  const auto at = std::ranges::find(cmap::kStrategies, to_string(strategy), [](cmap::Strategy s) {
    return std::string_view(cmap::to_string(s));
  });
  if (at == std::end(cmap::kStrategies)) return std::nullopt;
  return *at;
}

std::vector<Violation> unsupported(const Spec& spec, const Built& built) {
  std::vector<Violation> found;
  const auto refuse = [&](const char* field, std::string value, std::string instead) {
    found.push_back({field, std::move(value), "is not supported yet; " + std::move(instead)});
  };
  if (!built_strategy(spec.strategy)) {
    refuse("spec.strategy", std::string(to_string(spec.strategy)), "use " + built_strategies());
  }
  if (!spec.target.caches.empty()) {
    refuse("spec.target.caches", spec.target.caches.front() == Cache::kTokens ? "tokens" : "access",
           "target mirrored resources");
  }
  if (spec.expiry && !built.expiry) {
    refuse("spec.expiry", "", "--terminal-pod-ttl sets it for every pod");
  }
  if (spec.reads && !built.consistency) {
    refuse("spec.consistency", "", "ask for a consistency in each read");
  }
  if (spec.durability != Durability::kNone) {
    refuse("spec.durability.mode",
           spec.durability == Durability::kWriteBehind ? "WriteBehind" : "WriteThrough",
           "use None");
  }
  if (spec.sharing != Sharing::kNone) refuse("spec.sharing.mode", "SharedMemory", "use None");
  if (spec.audit.mode != AuditMode::kOff && !built.audit) {
    refuse("spec.audit.mode", spec.audit.mode == AuditMode::kAll ? "All" : "Sampled", "use Off");
  }
  if (spec.migration.rollback_on_regression && !built.rollback) {
    refuse("spec.migration.rollbackOnRegression", "true", "use false");
  }
  return found;
}

cmap::MapOptions map_options(const Spec& spec) {
  const auto strategy = built_strategy(spec.strategy);
  PK_CHECK(strategy.has_value(), "an accepted policy's strategy is built");
  cmap::MapOptions options;
  options.strategy = *strategy;
  options.shards = static_cast<std::size_t>(spec.shards);
  options.hash = spec.hash;
  return options;
}

}  // namespace podkeeper::policy
