#pragma once

#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"
#include "pkg/kubeapi/table.h"
#include "pkg/simkube/schema.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::simkube {

/// One version of a custom resource, as it is served.
struct CustomVersion {
  kube::Resource resource;
  bool served = true;
  bool has_status = false;
  std::shared_ptr<const Schema> schema;
  std::string schema_text;  ///< JSON, for OpenAPI documents
  std::vector<kubeapi::PrinterColumn> columns;
};

/// What a CustomResourceDefinition defines. Immutable.
struct Definition {
  std::string name;  ///< of the CustomResourceDefinition: "plural.group"
  std::vector<CustomVersion> versions;
  std::size_t stored = 0;  ///< which of them objects are stored as

  [[nodiscard]] const CustomVersion& storage() const { return versions[stored]; }
  /// Null where there is none of that name, or it is not served.
  [[nodiscard]] const CustomVersion* find(std::string_view version) const;
};

/// Reads a CustomResourceDefinition (apiextensions.k8s.io/v1): 422 with every fault found.
/// Conversion between versions is None: the same object under each version's name.
std::expected<std::shared_ptr<const Definition>, kube::Status> read_definition(const Json& object);

/// Fills in what upstream fills in: singular, listKind, conversion.
void default_definition(Json& object);

/// The faults of a change from `current` to `next`: what names a resource stays.
std::vector<Fault> check_change(const Definition& current, const Definition& next);

/// The status of a definition whose names are accepted; conditions date from `now` (RFC 3339).
Json established_status(const Json& object, const std::string& now);

}  // namespace podkeeper::simkube
