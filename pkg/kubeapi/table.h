#pragma once

#include "pkg/base/clock.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"

#include <string>
#include <string_view>

namespace podkeeper::kubeapi {

/// columnDefinitions of a resource's Table, as kubectl get shows it: pods and nodes have their own,
/// everything else Name and Created At. Static.
std::string_view table_columns(const kube::Resource& resource);

/// A row up to and with `"object":`, with ages as of `now`.
std::string table_row_head(const kube::Object& object, base::WallTime now);

/// An age as kubectl words it: 5s, 3m20s, 45m, 3h5m, 2d1h, 3y12d.
std::string human_duration(std::chrono::seconds age);

}  // namespace podkeeper::kubeapi
