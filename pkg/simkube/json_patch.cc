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

/// What is under way with one object. Each function throws what nlohmann throws of a pointer that
/// leads nowhere and of a value that is missing.
class Patching {
 public:
  explicit Patching(Json& object) : object_(object) {}

  /// False where the operation cannot be done.
  bool apply(const Json& operation) {
    const auto op = text(operation, "op");
    const auto path = text(operation, "path");
    if (op == "copy" || op == "move") {
      const auto from = text(operation, "from");
      Json value = object_.at(Json::json_pointer(from));
      if (op == "copy") return affords_copy(value) && put(path, std::move(value));
      // In two steps, since what a path means may be another after the first.
      return !path.starts_with(from + "/") && remove(from) && put(path, std::move(value));
    }
    if (op == "add") return put(path, operation.at("value"));
    if (op == "remove") return remove(path);
    if (op == "replace" && !fits(path, operation.at("value"))) return false;
    object_.patch_inplace(Json::array({operation}));
    return true;
  }

 private:
  static std::string text(const Json& operation, const char* key) {
    return operation.at(key).get<std::string>();
  }

  bool affords_copy(const Json& value) {
    copied_ += value.dump(-1, ' ', false, Json::error_handler_t::replace).size();
    return copied_ <= kJsonPatchCopyBytesMax;
  }

  static bool fits(const std::string& path, const Json& value) {
    const auto above = static_cast<std::size_t>(std::ranges::count(path, '/'));
    return above + depth_of(value) <= kJsonPatchDepthMax;
  }

  /// nlohmann takes it for granted that what a member is put into or taken from has members: an add
  /// to a text is a failed assertion there, a removal from one is done, and null becomes an object.
  [[nodiscard]] bool has_parent(const std::string& path) const {
    const Json::json_pointer pointer(path);
    return pointer.empty() || object_.at(pointer.parent_pointer()).is_structured();
  }

  bool put(const std::string& path, Json value) {
    if (!fits(path, value) || !has_parent(path)) return false;
    const Json add = {{"op", "add"}, {"path", path}, {"value", std::move(value)}};
    object_.patch_inplace(Json::array({add}));
    return true;
  }

  bool remove(const std::string& path) {
    if (!has_parent(path)) return false;
    const Json remove = {{"op", "remove"}, {"path", path}};
    object_.patch_inplace(Json::array({remove}));
    return true;
  }

  Json& object_;
  std::size_t copied_ = 0;  ///< bytes
};

}  // namespace

std::expected<void, kube::Status> json_patch(Json& object, const Json& patch) {
  const auto is_object = [](const Json& operation) { return operation.is_object(); };
  if (!patch.is_array() || !std::ranges::all_of(patch, is_object)) {
    return std::unexpected(
        kubeapi::bad_request("error decoding patch: a JSON patch is a list of operations"));
  }
  if (patch.size() > kJsonPatchOperationsMax) return std::unexpected(too_many(patch.size()));
  Patching patching(object);
  try {
    for (const Json& operation : patch) {
      if (!patching.apply(operation)) return std::unexpected(rejected());
    }
  } catch (const Json::exception&) {
    return std::unexpected(rejected());
  }
  return {};
}

}  // namespace podkeeper::simkube
