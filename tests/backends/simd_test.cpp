#include "fovea/backends/cpu/simd.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

namespace fovea::test {
namespace {

// FOVEA_TEST_SIMD=avx2 or baseline: this program's kernels run as on a machine that has no more than that.
int64_t wanted_targets() {
  const char* name = std::getenv("FOVEA_TEST_SIMD");
  if (!name) return 0;
  // Better targets have lower bits.
  return std::string_view(name) == "avx2" ? -int64_t{HWY_AVX2} : int64_t{HWY_STATIC_TARGET};
}

// Before the first kernel runs.
const bool is_limited = [] {
  if (const int64_t targets = wanted_targets()) {
    cpu::limit_simd_targets(targets);
    return true;
  }
  return false;
}();

TEST(Simd, RunsOnTheInstructionsThatWereAskedFor) {
  if (!is_limited) GTEST_SKIP() << "skipped: FOVEA_TEST_SIMD is not set";
  EXPECT_EQ(cpu::simd_targets() & ~wanted_targets(), 0);
}

}  // namespace
}  // namespace fovea::test
