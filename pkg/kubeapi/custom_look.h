#pragma once

#include "pkg/base/result.h"
#include "pkg/kubeapi/table.h"

#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kubeapi {

/// How a custom resource is shown and selected, as its definition has it.
struct CustomLook {
  std::vector<PrinterColumn> columns;
  std::vector<std::string> selectable_fields;  ///< as paths: spec.strategy
};

/// The look of one version in a CustomResourceDefinition (apiextensions.k8s.io/v1), which an API
/// server has validated: what is not understood in it is left out. Without columns there is the
/// age. kDecode where it is no definition, kNotFound where it lacks the version. O(bytes).
base::Result<CustomLook> read_custom_look(std::string_view definition, std::string_view version);

}  // namespace podkeeper::kubeapi
