#pragma once

#include "pkg/kube/selector.h"
#include "pkg/policy/field_reader.h"

#include <optional>

namespace podkeeper::policy {

/// Reads a metav1.LabelSelector (matchLabels, matchExpressions); leaves `into` as it is for null
/// and where something is wrong, which is noted.
void read_selector(FieldReader& reader, std::optional<kube::LabelSelector>& into);

}  // namespace podkeeper::policy
