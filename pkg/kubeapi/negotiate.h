#pragma once

#include "pkg/http/message.h"

#include <optional>
#include <string_view>

namespace podkeeper::kubeapi {

/// The shapes in which objects are sent, all of them JSON.
enum class Shape {
  kObjects,             ///< as they are
  kTable,               ///< as=Table;v=v1;g=meta.k8s.io, what kubectl get asks for
  kPartialMetadata,     ///< as=PartialObjectMetadata or its List
  kAggregatedDiscovery  ///< as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io
};

/// What is asked for, since a shape fits only some answers.
enum class Asked { kObject, kList, kWatch, kDiscovery, kPlain };

/// The best shape among those the client accepts, by q and then by order; no Accept header accepts
/// everything. Empty where nothing fits: 406. Protobuf, CBOR and YAML are passed over while JSON is
/// acceptable too.
std::optional<Shape> negotiate(const http::Headers& headers, Asked asked);

}  // namespace podkeeper::kubeapi
