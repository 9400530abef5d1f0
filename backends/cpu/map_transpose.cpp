#include "fovea/backends/cpu/map_copy.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/map_transpose.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "fovea/backends/cpu/transpose-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The transpose of 16 by 16 words, four columns at a time: 4 by 4 squares within each 128 bits of a vector.
void Transpose32(const uint32_t* from, int64_t from_stride, uint32_t* to, int64_t to_stride) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t i = 0; i < 16; ++i) {
    for (int64_t j = 0; j < 16; ++j) to[j * to_stride + i] = from[i * from_stride + j];
  }
#else
  const hn::CappedTag<uint32_t, 16> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t column = 0; column < 16; column += 4) {
    for (int64_t row = 0; row < 16; row += lanes) {
      TransposeFourColumns(d, from + row * from_stride + column, from_stride, to + column * to_stride + row, to_stride);
    }
  }
#endif
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {
namespace {

FOVEA_VERSIONS(Transpose32);

template <class T>
void plain_transpose(const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  constexpr int64_t side = 64 / sizeof(T);
  for (int64_t j = 0; j < side; ++j) {
    for (int64_t i = 0; i < side; ++i) to[j * to_stride + i] = from[i * from_stride + j];
  }
}

}  // namespace

void transpose_square(const uint8_t* from, int64_t from_stride, uint8_t* to, int64_t to_stride) {
  plain_transpose(from, from_stride, to, to_stride);
}
void transpose_square(const uint16_t* from, int64_t from_stride, uint16_t* to, int64_t to_stride) {
  plain_transpose(from, from_stride, to, to_stride);
}
void transpose_square(const uint32_t* from, int64_t from_stride, uint32_t* to, int64_t to_stride) {
  FOVEA_DISPATCH(Transpose32)(from, from_stride, to, to_stride);
}
void transpose_square(const uint64_t* from, int64_t from_stride, uint64_t* to, int64_t to_stride) {
  plain_transpose(from, from_stride, to, to_stride);
}

}  // namespace fovea::cpu
#endif
