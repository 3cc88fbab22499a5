// The process of the test gives its own pages back.
#include "system/resident_pages.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace bleconnd {
namespace {

// The sum of a field of /proc/self/smaps_rollup, in KiB.
std::size_t kib(const std::string& field) {
  std::ifstream file{"/proc/self/smaps_rollup"};
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(field)) return std::stoul(line.substr(line.find(':') + 1));
  return 0;
}

// In pages that cannot be written, as constants are.
alignas(65536) const volatile char kConstant[65536] = "as linked";

TEST(ResidentPages, AreFewerAndEverythingGoesOn) {
  const auto before = kib("Rss:");
  const auto anonymous = kib("Anonymous:");
  EXPECT_GT(give_back_program_pages(), 0u);
  EXPECT_LT(kib("Rss:"), before - 512);
  EXPECT_GE(kib("Anonymous:") + 64, anonymous);  // nothing that was written is gone
  EXPECT_EQ(kConstant[0], 'a');
  EXPECT_GT(give_back_program_pages(), 0u);  // pages of before are back, as far as they were used
}

// As a debugger does for a breakpoint.
TEST(ResidentPages, ThatWereWrittenStay) {
  auto* at = const_cast<char*>(&kConstant[0]);
  ASSERT_EQ(mprotect(at, sizeof kConstant, PROT_READ | PROT_WRITE), 0);
  *static_cast<volatile char*>(at) = 'X';
  ASSERT_EQ(mprotect(at, sizeof kConstant, PROT_READ), 0);
  EXPECT_GT(give_back_program_pages(), 0u);
  EXPECT_EQ(kConstant[0], 'X');
}

}  // namespace
}  // namespace bleconnd
