// Integers are counts and places, which AVX2 moves as fast as memory does.
#define HWY_DISABLED_TARGETS (FOVEA_DISABLED_TARGETS | HWY_AVX3)
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/map_kernels_i32.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "fovea/backends/cpu/map_kernels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

KernelSet KernelsI32() { return MakeKernels<int32_t>(); }

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(KernelsI32);

const KernelSet& kernels_i32() {
  static const KernelSet set = FOVEA_DISPATCH(KernelsI32)();
  return set;
}

}  // namespace fovea::cpu
#endif
