#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace podkeeper::proofs {

/// A set of objects by key, each by the digest of its whole content but for the head (kind,
/// apiVersion) that some answers carry and others do not. Two sides agree exactly when their maps
/// are equal.
using DigestMap = std::map<std::string, std::uint64_t>;

std::string object_key(const nlohmann::json& object);
std::uint64_t object_digest(nlohmann::json object);
DigestMap digest_list(const std::string& list_json);
/// The first few keys on which two sides differ, for the message of a failure; empty when they
/// agree.
std::string difference(const DigestMap& expected, const DigestMap& actual);

}  // namespace podkeeper::proofs
