#pragma once

#include "pkg/base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kube {

struct StatusCause {
  std::string reason, message, field;
};

/// Kubernetes' Status object, as an error answer carries it. A plain value.
struct Status {
  std::string message = {};
  std::string reason = {};  ///< "NotFound", "Expired", ...
  int code = 500;
  std::string name = {}, group = {}, kind = {}, uid = {};  ///< details; left out where empty
  std::vector<StatusCause> causes = {};
  int retry_after_seconds = 0;
  bool details_always =
      false;  ///< "details":{} even where it is empty, as the generic answers have it
};
/// Compact JSON in kube-apiserver's field order, with the trailing newline.
std::string to_json(const Status& status);
/// Reads a Status body; anything else becomes an Error by HTTP status with the text's beginning as
/// its message.
base::Error error_from_response(int http_status, std::string_view body,
                                std::optional<std::string_view> retry_after_header);
/// The Status for an Error: reason and code by its code, its message as it is.
Status status_from_error(const base::Error& error);

/// What is held of an answer's text that is no Status.
inline constexpr std::size_t kErrorTextMax = 200;

}  // namespace podkeeper::kube
