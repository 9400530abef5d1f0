// Rounding to bf16 for any SIMD target: include inside HWY_TARGET passes only.
#if defined(FOVEA_BACKENDS_CPU_BF16_PAIR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_BACKENDS_CPU_BF16_PAIR_INL_H_
#undef FOVEA_BACKENDS_CPU_BF16_PAIR_INL_H_
#else
#define FOVEA_BACKENDS_CPU_BF16_PAIR_INL_H_
#endif

#include <cstdint>

#include "fovea/backends/cpu/bf16_pair.h"
#include "fovea/backends/cpu/math_lanes-inl.h"
#include "fovea/backends/cpu/simd_targets.h"
#include "hwy/highway.h"

#if FOVEA_BF16_PAIRS
HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Pairs = hn::ScalableTag<uint32_t>;

// Rounded to bf16, subnormal numbers to zero, in the lower halves of words.
HWY_INLINE hn::Vec<Pairs> rounded(hn::Vec<hn::ScalableTag<float>> x) {
  __m256i y;
  asm("vcvtneps2bf16 %1, %0" : "=v"(y) : "v"(x.raw));
  return hn::Vec<Pairs>{_mm512_cvtepu16_epi32(y)};
}
HWY_INLINE hn::Vec<Pairs> rounded_pairs(hn::Vec<hn::ScalableTag<float>> first, hn::Vec<hn::ScalableTag<float>> second) {
  return hn::Or(rounded(first), hn::ShiftLeft<16>(rounded(second)));
}

/// The first `count` elements in pairs; zeros fill the last vector up.
HWY_INLINE void round_row(const float* from, int64_t count, Bf16Pair* to) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint16_t, hn::ScalableTag<float>> halves;
  constexpr int64_t lanes = 16;
  for (int64_t j = 0; j < count; j += lanes)
    hn::StoreU(hn::TruncateTo(halves, rounded(LoadUpTo(d, from + j, count - j))), halves,
               reinterpret_cast<uint16_t*>(to) + j);
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif
