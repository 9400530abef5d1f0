// Halves to floats and back by the instructions that x86 has for them with AVX2, compiled once for every SIMD target.
#if defined(FOVEA_BACKENDS_CPU_HALF_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_BACKENDS_CPU_HALF_LANES_INL_H_
#undef FOVEA_BACKENDS_CPU_HALF_LANES_INL_H_
#else
#define FOVEA_BACKENDS_CPU_HALF_LANES_INL_H_
#endif

#include "fovea/backends/dtype.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// As many of n elements as whole vectors convert; 0 where there are no such instructions.
inline int64_t ConvertVectors([[maybe_unused]] const Half* in, [[maybe_unused]] float* out,
                              [[maybe_unused]] int64_t n) {
  int64_t i = 0;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::ScalableTag<float> d;
  const hn::Rebind<hwy::float16_t, decltype(d)> halves;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::PromoteTo(d, hn::LoadU(halves, reinterpret_cast<const hwy::float16_t*>(in + i))), d, out + i);
  }
#endif
  return i;
}

inline int64_t ConvertVectors([[maybe_unused]] const float* in, [[maybe_unused]] Half* out,
                              [[maybe_unused]] int64_t n) {
  int64_t i = 0;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::ScalableTag<float> d;
  const hn::Rebind<hwy::float16_t, decltype(d)> halves;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto nan = hn::BitCast(d, hn::Set(hn::RebindToUnsigned<decltype(d)>(), 0x7fc00000u));
  for (; i + lanes <= n; i += lanes) {
    // Of a NaN the sign alone is kept, as the conversion of one element does.
    const auto v = hn::LoadU(d, in + i);
    const auto kept = hn::IfThenElse(hn::IsNaN(v), hn::CopySign(nan, v), v);
    hn::StoreU(hn::DemoteTo(halves, kept), halves, reinterpret_cast<hwy::float16_t*>(out + i));
  }
#endif
  return i;
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
