// Bounds that keep NaN, for any SIMD target: include inside HWY_TARGET passes only.
#if defined(FOVEA_BACKENDS_CPU_BOUNDS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_BACKENDS_CPU_BOUNDS_INL_H_
#undef FOVEA_BACKENDS_CPU_BOUNDS_INL_H_
#else
#define FOVEA_BACKENDS_CPU_BOUNDS_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Where either operand is NaN, x86's vector instructions for Max and Min give the second. Those of NEON that Highway
/// takes give the number, and what it has in the stead of vectors is no better.
constexpr bool max_keeps_nan = HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128;

/// The lesser of x and `limit`; NaN stays NaN.
template <class D, class V>
HWY_INLINE V AtMost(D d, hn::TFromD<D> limit, V x) {
  const V bound = hn::Set(d, limit);
  return max_keeps_nan ? hn::Min(bound, x) : hn::IfThenElse(hn::Gt(x, bound), bound, x);
}

/// The greater of x and `limit`; NaN stays NaN.
template <class D, class V>
HWY_INLINE V AtLeast(D d, hn::TFromD<D> limit, V x) {
  const V bound = hn::Set(d, limit);
  return max_keeps_nan ? hn::Max(bound, x) : hn::IfThenElse(hn::Lt(x, bound), bound, x);
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
