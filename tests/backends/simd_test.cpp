#include "fovea/backends/cpu/simd.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "fovea/backends/cpu/bf16_product.h"

namespace fovea::test {
namespace {

// FOVEA_TEST_SIMD=avx512 (that is, without matrix tiles), avx2 or baseline: this program's kernels run as on a machine that
// has no more than that.
int64_t wanted_targets() {
  const char* name = std::getenv("FOVEA_TEST_SIMD");
  if (!name) return 0;
  // Better targets have lower bits.
  return std::string_view(name) == "avx512" ? -int64_t{HWY_AVX3}
         : std::string_view(name) == "avx2" ? -int64_t{HWY_AVX2}
                                            : int64_t{HWY_STATIC_TARGET};
}

// Before the first kernel runs.
const bool is_limited = [] {
  if (const int64_t targets = wanted_targets()) {
    cpu::limit_simd_targets(targets);
    cpu::limit_bf16_unit(targets & HWY_AVX3 ? cpu::Bf16Unit::vectors : cpu::Bf16Unit::none);
    return true;
  }
  return false;
}();

TEST(Simd, RunsOnTheInstructionsThatWereAskedFor) {
  if (!is_limited) GTEST_SKIP() << "skipped: FOVEA_TEST_SIMD is not set";
  EXPECT_EQ(cpu::simd_targets() & ~wanted_targets(), 0);
  EXPECT_NE(cpu::bf16_unit(), cpu::Bf16Unit::tiles);
}

}  // namespace
}  // namespace fovea::test
