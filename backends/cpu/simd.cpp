#include "fovea/backends/cpu/simd_targets.h"
// After the targets.
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {
namespace {

int64_t targets_of_this_machine() {
  int64_t targets = HWY_STATIC_TARGET;
#if HWY_ARCH_X86
  __builtin_cpu_init();
  const bool sse4 = __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") &&
                    __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("aes");
  // What has these has F16C, too.
  const bool avx2 = sse4 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool avx3 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512bw");
  targets |= (sse4 ? HWY_SSE4 : 0) | (avx2 ? HWY_AVX2 : 0) | (avx3 ? HWY_AVX3 : 0);
#endif
  return targets & HWY_TARGETS;
}

struct Choice {
  Choice() { target.Update(targets); }

  int64_t targets = targets_of_this_machine();
  hwy::ChosenTarget target;
};

Choice& choice() {
  static Choice choice;
  return choice;
}

}  // namespace

int64_t simd_targets() { return choice().targets; }
const hwy::ChosenTarget& simd_target() { return choice().target; }
void limit_simd_targets(int64_t targets) {
  choice().targets &= targets;
  choice().target.Update(choice().targets);
}

}  // namespace fovea::cpu
