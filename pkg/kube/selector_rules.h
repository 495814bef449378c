#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::kube {

/// What is wrong with a label's key or value by Kubernetes' rules, in its words; empty where
/// nothing is.
std::optional<std::string> label_key_problem(std::string_view key);
std::optional<std::string> label_value_problem(std::string_view value);

}  // namespace podkeeper::kube
