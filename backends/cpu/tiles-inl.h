// Tiles of a product that are held in registers, for any SIMD target: include inside HWY_TARGET passes only.
#if defined(FOVEA_BACKENDS_CPU_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_BACKENDS_CPU_TILES_INL_H_
#undef FOVEA_BACKENDS_CPU_TILES_INL_H_
#else
#define FOVEA_BACKENDS_CPU_TILES_INL_H_
#endif

#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Registers to spare decide how many rows share one load of the right operand.
constexpr bool many_registers = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;

/// R rows of a left operand that lie `stride` apart, each dense along the depth.
template <int R, class T>
class StridedRows {
 public:
  StridedRows(const T* x, int64_t stride) : stride_(stride) {
#pragma GCC unroll 16
    for (int g = 0; g < groups; ++g) starts_[g] = x + 3 * g * stride;
  }
  HWY_INLINE T operator[](int r) const { return starts_[r / 3][(r % 3) * stride_]; }
  HWY_INLINE void next() {
#pragma GCC unroll 16
    for (int g = 0; g < groups; ++g) ++starts_[g];
  }

 private:
  // x86 addresses a pointer, and one or two strides behind it: a third as many pointers as rows fit in its registers.
  static constexpr int groups = (R + 2) / 3;
  const T* starts_[groups];
  int64_t stride_;
};

/// R rows of a left operand side by side: a column of them for each step of the depth.
template <int R, class T>
class PackedRows {
 public:
  explicit PackedRows(const T* x) : x_(x) {}
  HWY_INLINE T operator[](int r) const { return x_[r]; }
  HWY_INLINE void next() { x_ += R; }

 private:
  const T* x_;
};

/// out[r][v] = sum over k of rows[r][k] * panel[k][v] for R rows by V vectors, plus addend[r][v] where that is not null.
template <int R, int V, class D, class Rows, class T = hn::TFromD<D>>
HWY_INLINE void multiply_tile(D d, Rows rows, const T* HWY_RESTRICT panel, int64_t depth, const T* addend,
                              int64_t addend_stride, T* out, int64_t out_stride) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<D> sums[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sums[r][v] = hn::Zero(d);
  }
  for (int64_t k = 0; k < depth; ++k, panel += V * lanes) {
    hn::Vec<D> right[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) right[v] = hn::LoadU(d, panel + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto left = hn::Set(d, rows[r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[r][v] = hn::MulAdd(left, right[v], sums[r][v]);
    }
    rows.next();
  }
  if (addend) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v)
        sums[r][v] = hn::Add(hn::LoadU(d, addend + r * addend_stride + v * lanes), sums[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) hn::StoreU(sums[r][v], d, out + r * out_stride + v * lanes);
  }
}

/// Calls tile(integral_constant<R>, first) over `rows` rows in steps of Most, then of 8, 4, 2 and 1.
template <int Most, class F>
HWY_INLINE void each_tile(int64_t rows, F tile) {
  int64_t row = 0;
  for (; rows - row >= Most; row += Most) tile(std::integral_constant<int, Most>{}, row);
  if constexpr (Most > 8) {
    for (; rows - row >= 8; row += 8) tile(std::integral_constant<int, 8>{}, row);
  }
  if constexpr (Most > 4) {
    for (; rows - row >= 4; row += 4) tile(std::integral_constant<int, 4>{}, row);
  }
  if constexpr (Most > 2) {
    for (; rows - row >= 2; row += 2) tile(std::integral_constant<int, 2>{}, row);
  }
  for (; row < rows; ++row) tile(std::integral_constant<int, 1>{}, row);
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
