#pragma once

#include "pkg/policy/spec.h"

#include <optional>
#include <string>
#include <vector>

namespace podkeeper::policy {

/// Which modes of a policy can be carried out. Strategies are those of cmap::kStrategies; the rest
/// is said here, by who wires it.
struct Built {
  bool audit = false;
  bool consistency = false;
  bool expiry = false;
  bool rollback = false;
};

/// The map's strategy by this name; none where it is not built.
std::optional<cmap::Strategy> built_strategy(Strategy strategy) noexcept;

/// What a valid spec asks for and this version cannot do, each with what it can do instead. Empty:
/// it can be carried out.
std::vector<Violation> unsupported(const Spec& spec, const Built& built);

/// The map that an accepted policy asks for; PK_CHECKs that its strategy is built.
cmap::MapOptions map_options(const Spec& spec);

}  // namespace podkeeper::policy
