#pragma once

#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"
#include "pkg/kubeapi/table.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

namespace podkeeper::simkube {

/// What the name of an object may be.
enum class NameRule : std::uint8_t {
  kSubdomain,    ///< RFC 1123 subdomain
  kLabel,        ///< RFC 1123 label: it becomes part of a host name
  kPathSegment,  ///< whatever a path can carry: "system:node-reader"
};

/// A built-in resource that is kept as clients write it: no controller here acts on it.
struct StoredResource {
  kube::Resource resource;
  /// Beside kind, apiVersion and metadata, in upstream's order. `status` among them means the
  /// subresource. Not among them: what only a write has (a Secret's stringData).
  std::vector<std::string_view> members;
  NameRule name = NameRule::kSubdomain;
  bool counts_generation = false;             ///< metadata.generation, of its spec
  std::string_view defaults = {};             ///< JSON, for members that are missing
  std::vector<std::string_view> needed = {};  ///< paths without which it is refused
  std::vector<std::string_view> fixed = {};   ///< paths that stay as they were created
  bool needs_revision = false;                ///< a PUT without a resourceVersion is 422
  /// What else upstream asks of it; null: nothing.
  std::expected<void, kube::Status> (*check)(const nlohmann::ordered_json& object) = nullptr;
  std::vector<kubeapi::PrinterColumn> columns = {};  ///< of its Table, beside Name
};

/// What it takes to deploy podkeeper, by Helm as well. Immutable; any thread.
const std::vector<StoredResource>& stored_resources();
/// Null for what is not one of them. Linear in their number.
const StoredResource* find_stored(const kube::Resource& resource) noexcept;
NameRule name_rule(const kube::Resource& resource) noexcept;

}  // namespace podkeeper::simkube
