#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/map_kernels_f32.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "fovea/backends/cpu/map_kernels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

KernelSet KernelsF32() { return MakeKernels<float>(); }

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(KernelsF32);

const KernelSet& kernels_f32() {
  static const KernelSet set = FOVEA_DISPATCH(KernelsF32)();
  return set;
}

}  // namespace fovea::cpu
#endif
