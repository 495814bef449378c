#include "pkg/simkube/json_patch.h"

#include "pkg/kubeapi/errors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace podkeeper::simkube {
namespace {

kube::Status too_many(std::size_t operations) {
  kube::Status status;
  status.message = "Request entity too large: The allowed maximum operations in a JSON patch is " +
                   std::to_string(kJsonPatchOperationsMax) + ", got " + std::to_string(operations);
  status.reason = "RequestEntityTooLarge";
  status.code = 413;
  return status;
}

kube::Status rejected() {
  kube::Status status;
  status.message = "the server rejected our request due to an error in our request";
  status.reason = "Invalid";
  status.code = 422;
  status.details_always = true;
  return status;
}

std::size_t depth_of(const Json& value) {
  std::size_t deepest = 0;
  for (const auto& member : value) {
    if (member.is_structured()) deepest = std::max(deepest, depth_of(member));
  }
  return deepest + 1;
}

/// What the operation puts somewhere, or null. Throws what nlohmann throws of a pointer that leads
/// nowhere.
const Json* value_put(const Json& object, const Json& operation, const std::string& op) {
  if (op == "add" || op == "replace") return &operation.at("value");
  if (op != "copy" && op != "move") return nullptr;
  return &object.at(Json::json_pointer(operation.at("from").get<std::string>()));
}

/// Whether the operation leaves an object that may go on being patched; throws as value_put() does.
bool fits(const Json& object, const Json& operation, std::size_t* copied) {
  const auto op = operation.at("op").get<std::string>();
  const Json* const value = value_put(object, operation, op);
  if (value == nullptr) return true;
  const auto path = operation.at("path").get<std::string>();
  const auto above = static_cast<std::size_t>(std::ranges::count(path, '/'));
  if (above + depth_of(*value) > kJsonPatchDepthMax) return false;
  if (op == "copy") *copied += value->dump(-1, ' ', false, Json::error_handler_t::replace).size();
  return *copied <= kJsonPatchCopyBytesMax;
}

}  // namespace

std::expected<void, kube::Status> json_patch(Json& object, const Json& patch) {
  const auto is_object = [](const Json& operation) { return operation.is_object(); };
  if (!patch.is_array() || !std::ranges::all_of(patch, is_object)) {
    return std::unexpected(
        kubeapi::bad_request("error decoding patch: a JSON patch is a list of operations"));
  }
  if (patch.size() > kJsonPatchOperationsMax) return std::unexpected(too_many(patch.size()));
  std::size_t copied = 0;
  try {
    for (const Json& operation : patch) {
      if (!fits(object, operation, &copied)) return std::unexpected(rejected());
      object.patch_inplace(Json::array({operation}));
    }
  } catch (const Json::exception&) {
    return std::unexpected(rejected());
  }
  return {};
}

}  // namespace podkeeper::simkube
