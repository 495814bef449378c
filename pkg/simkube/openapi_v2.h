#pragma once

#include "pkg/simkube/cluster.h"

#include <string>

namespace podkeeper::simkube {

/// /openapi/v2 as gnostic's openapi.v2.Document in protobuf, which is all that kubectl before 1.27
/// reads: the models of custom resources, by which such a kubectl explains them and finds unknown
/// fields itself, and of every resource the path that says that its PATCH takes dryRun. Models of
/// built-in kinds are left out: what kubectl finds no model of, it leaves to the server. Pure;
/// O(resources + schemas).
std::string openapi_v2_document(const Cluster::Offer& offer);

}  // namespace podkeeper::simkube
