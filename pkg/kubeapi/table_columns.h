#pragma once

#include "pkg/kube/resource.h"
#include "pkg/kubeapi/table.h"

#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kubeapi {

/// columnDefinitions of what needs no definition. Static.
std::string_view builtin_columns(const kube::Resource& resource);
/// The same of a custom resource: Name, then `columns`.
std::string custom_columns(const std::vector<PrinterColumn>& columns);

}  // namespace podkeeper::kubeapi
