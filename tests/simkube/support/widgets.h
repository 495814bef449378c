#pragma once

#include "pkg/simkube/definition.h"
#include "pkg/simkube/definition_files.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/kubeapi/harness.h"

namespace podkeeper::simkube {

/// The definition that tests/data/widgets-crd.yaml holds.
inline Json widgets_crd() {
  const auto path = std::filesystem::path(PK_SOURCE_DIR) / "tests/data/widgets-crd.yaml";
  return parse_definitions(kubeapi::read_all(path), path).value().front();
}

inline std::shared_ptr<const Definition> widgets() {
  static const auto definition = read_definition(widgets_crd()).value();
  return definition;
}

}  // namespace podkeeper::simkube
