#include "tests/proofs/support/json_digest.h"

#include <functional>

namespace podkeeper::proofs {

std::string object_key(const nlohmann::json& object) {
  const auto& metadata = object.at("metadata");
  return metadata.value("namespace", "") + "/" + metadata.at("name").get<std::string>();
}

std::uint64_t object_digest(nlohmann::json object) {
  object.erase("kind");
  object.erase("apiVersion");
  return std::hash<std::string>{}(object.dump());  // members are sorted: the text is canonical
}

DigestMap digest_list(const std::string& list_json) {
  DigestMap digests;
  const auto list = nlohmann::json::parse(list_json);
  for (const auto& item : list.at("items")) digests.emplace(object_key(item), object_digest(item));
  return digests;
}

std::string difference(const DigestMap& expected, const DigestMap& actual) {
  std::string text;
  int shown = 0;
  for (const auto& [key, digest] : expected) {
    const auto found = actual.find(key);
    if (found == actual.end() && ++shown <= 5) text += " missing " + key;
    if (found != actual.end() && found->second != digest && ++shown <= 5)
      text += " different " + key;
  }
  for (const auto& [key, digest] : actual) {
    if (!expected.contains(key) && ++shown <= 5) text += " extra " + key;
  }
  return shown > 5 ? text + " and " + std::to_string(shown - 5) + " more" : text;
}

}  // namespace podkeeper::proofs
