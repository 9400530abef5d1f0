#include "fovea/backends/cpu/math_targets.h"

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
namespace fovea::cpu {

HWY_EXPORT(KernelsF64);

const KernelSet& kernels_f64() {
  static const KernelSet set = HWY_DYNAMIC_DISPATCH(KernelsF64)();
  return set;
}

}  // namespace fovea::cpu
#endif
