#pragma once

#include <nlohmann/json_fwd.hpp>

#include <expected>
#include <string>
#include <string_view>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

inline constexpr std::string_view kProtobufType = "application/vnd.kubernetes.protobuf";

enum class ProtobufFault { kMalformed, kUnknownKind };

/// An object that a client sent in Kubernetes' protobuf envelope, as the JSON it would have sent
/// else. Clients generated since client-go 0.32 send nothing else for built-in kinds: Helm its
/// releases, `kubectl create` its objects. What is known is a table of those kinds; of them, fields
/// that the server owns or that nobody here reads are passed over. Pure.
/// Source: the generated.proto files of k8s.io/api and k8s.io/apimachinery.
std::expected<Json, ProtobufFault> decode_protobuf(std::string_view body);

}  // namespace podkeeper::simkube
