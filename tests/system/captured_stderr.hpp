// What the daemon says on stderr, for tests that look at its words.
// One at a time: the test library's capture is global.
#pragma once
#include <gtest/gtest.h>

#include <string>

namespace bleconnd {

// From its making on.
class Captured {
 public:
  Captured() { ::testing::internal::CaptureStderr(); }
  std::string text() { return ::testing::internal::GetCapturedStderr(); }
};

}  // namespace bleconnd
