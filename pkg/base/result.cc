#include "pkg/base/result.h"

namespace podkeeper::base {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kCancelled:
      return "Cancelled";
    case ErrorCode::kInvalidArgument:
      return "BadRequest";
    case ErrorCode::kUnauthorized:
      return "Unauthorized";
    case ErrorCode::kForbidden:
      return "Forbidden";
    case ErrorCode::kNotFound:
      return "NotFound";
    case ErrorCode::kMethodNotAllowed:
      return "MethodNotAllowed";
    case ErrorCode::kNotAcceptable:
      return "NotAcceptable";
    case ErrorCode::kAlreadyExists:
      return "AlreadyExists";
    case ErrorCode::kConflict:
      return "Conflict";
    case ErrorCode::kExpired:
      return "Expired";
    case ErrorCode::kTooLarge:
      return "RequestEntityTooLarge";
    case ErrorCode::kUnsupportedMediaType:
      return "UnsupportedMediaType";
    case ErrorCode::kUnprocessable:
      return "Invalid";
    case ErrorCode::kTooManyRequests:
      return "TooManyRequests";
    case ErrorCode::kTimeout:
      return "Timeout";
    case ErrorCode::kUnavailable:
      return "ServiceUnavailable";
    case ErrorCode::kProtocol:
      return "Protocol";
    case ErrorCode::kDecode:
      return "Decode";
    case ErrorCode::kIo:
      return "Io";
    case ErrorCode::kInternal:
      return "InternalError";
  }
  return "InternalError";
}

bool retryable(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kTimeout:
    case ErrorCode::kUnavailable:
    case ErrorCode::kTooManyRequests:
    case ErrorCode::kProtocol:
    case ErrorCode::kDecode:
    case ErrorCode::kIo:
      return true;
    default:
      return false;
  }
}

}  // namespace podkeeper::base
