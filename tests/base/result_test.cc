#include "pkg/base/result.h"

#include <gtest/gtest.h>

#include <string>

namespace podkeeper::base {
namespace {

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> value = 7;
  const Result<int> error = Error{ErrorCode::kNotFound, "pod shop/a: not here"};
  EXPECT_EQ(value.value(), 7);
  EXPECT_EQ(error.error().message, "pod shop/a: not here");
}

TEST(Error, IsRetryableWhereTheSameMaySucceed) {
  for (const ErrorCode code :
       {ErrorCode::kTimeout, ErrorCode::kUnavailable, ErrorCode::kTooManyRequests,
        ErrorCode::kProtocol, ErrorCode::kDecode, ErrorCode::kIo}) {
    EXPECT_TRUE((Error{code, ""}.retryable())) << to_string(code);
  }
  for (const ErrorCode code :
       {ErrorCode::kCancelled, ErrorCode::kInvalidArgument, ErrorCode::kUnauthorized,
        ErrorCode::kForbidden, ErrorCode::kNotFound, ErrorCode::kConflict, ErrorCode::kExpired,
        ErrorCode::kTooLarge, ErrorCode::kInternal}) {
    EXPECT_FALSE((Error{code, ""}.retryable())) << to_string(code);
  }
}

}  // namespace
}  // namespace podkeeper::base
