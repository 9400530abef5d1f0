#pragma once

#include <hwy/highway.h>

#include <cstdint>

/// How a kernel that Highway compiled for several targets finds the version for this machine. Highway's own way to do that
/// is part of a library that measures the processor's clock whenever a program loads it, for 6 to 9 ms.
namespace fovea::cpu {

/// The targets of Highway, HWY_AVX3 and its like, that this machine can run; better ones have lower bits.
int64_t simd_targets();
/// The place of the best of them among the versions of a kernel.
const hwy::ChosenTarget& simd_target();
/// Runs what follows as on a machine that has no more than these targets. For tests, before the first kernel runs.
void limit_simd_targets(int64_t targets);

}  // namespace fovea::cpu

// FOVEA_VERSIONS(f) lists the versions of a function in the namespace around it; then FOVEA_DISPATCH(f)(...) calls one.
#if (HWY_TARGETS & (HWY_TARGETS - 1)) == 0
#define FOVEA_VERSIONS(f) static_assert(true)
#define FOVEA_DISPATCH(f) HWY_STATIC_DISPATCH(f)
#else
#define FOVEA_VERSIONS(f)                                                                                  \
  static constexpr decltype(&HWY_STATIC_DISPATCH(f)) f##_versions[] = {nullptr, HWY_CHOOSE_TARGET_LIST(f), \
                                                                       HWY_CHOOSE_FALLBACK(f)}
#define FOVEA_DISPATCH(f) (*f##_versions[simd_target().GetIndex()])
#endif
