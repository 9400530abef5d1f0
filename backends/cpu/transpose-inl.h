// Transposing 32-bit words for any SIMD target: include inside HWY_TARGET passes only.
#if defined(FOVEA_BACKENDS_CPU_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_BACKENDS_CPU_TRANSPOSE_INL_H_
#undef FOVEA_BACKENDS_CPU_TRANSPOSE_INL_H_
#else
#define FOVEA_BACKENDS_CPU_TRANSPOSE_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
/// Four words of each of the rows 0, 4, 8, ..., side by side.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> GatherBlocks(D d, const T* from, int64_t stride) {
  if constexpr (hn::MaxLanes(D()) <= 4) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    const auto low = GatherBlocks(half, from, stride);
    const auto high = GatherBlocks(half, from + stride * static_cast<int64_t>(hn::MaxLanes(D()) / 2), stride);
    return hn::Combine(d, high, low);
  }
}

/// Four columns of as many rows as a vector has lanes become four rows: 4 by 4 squares within each 128 bits.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void TransposeFourColumns(D d, const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  const hn::Repartition<uint64_t, D> d64;
  const auto r0 = GatherBlocks(d, from, from_stride);
  const auto r1 = GatherBlocks(d, from + from_stride, from_stride);
  const auto r2 = GatherBlocks(d, from + 2 * from_stride, from_stride);
  const auto r3 = GatherBlocks(d, from + 3 * from_stride, from_stride);
  const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), d, to + to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), d, to + 2 * to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), d, to + 3 * to_stride);
}
#endif

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
