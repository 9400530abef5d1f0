#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/map_kernels_f64.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "fovea/backends/cpu/map_kernels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

KernelSet KernelsF64() { return MakeKernels<double>(); }

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(KernelsF64);

const KernelSet& kernels_f64() {
  static const KernelSet set = FOVEA_DISPATCH(KernelsF64)();
  return set;
}

}  // namespace fovea::cpu
#endif
