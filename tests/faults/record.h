#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/faults/record_line.h"

namespace podkeeper::faults {

/// Leaves a line for docs/faults.md with the running test's name and whether it has passed so far;
/// nothing without PK_FAULT_RECORDS. Call it at the end of the test.
inline void record(const Seen& seen) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  write_record(seen, std::string(test->test_suite_name()) + "." + test->name(), test->file(),
               !::testing::Test::HasFailure());
}

}  // namespace podkeeper::faults
