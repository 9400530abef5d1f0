// Tiles of a product that are held in registers, for any SIMD target: include inside HWY_TARGET passes only.
#if defined(FOVEA_BACKENDS_CPU_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_BACKENDS_CPU_TILES_INL_H_
#undef FOVEA_BACKENDS_CPU_TILES_INL_H_
#else
#define FOVEA_BACKENDS_CPU_TILES_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "fovea/backends/cpu/simd_targets.h"
#include "fovea/backends/dtype.h"
#include "fovea/backends/round_up.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Registers to spare decide how many rows share one load of the right operand.
constexpr bool many_registers = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;

#if HWY_TARGET <= HWY_AVX2
using Floats = hn::ScalableTag<float>;
constexpr auto float_lanes = static_cast<int64_t>(hn::MaxLanes(Floats()));
/// A tile's sums fill the registers but for a row of the right operand and one number of the left one.
constexpr int most_rows = many_registers ? 8 : 6, most_vectors = many_registers ? 3 : 2;

/// How many vectors wide the next tile of so many columns is: never one where there are more.
inline int64_t tile_vectors(int64_t columns) {
  const int64_t vectors = divide_up(columns, float_lanes);
  return vectors == most_vectors + 1 ? (vectors + 1) / 2 : std::min<int64_t>(vectors, most_vectors);
}

/// Calls tile(integral_constant<V>, first) for tiles of V vectors that cover `columns`.
template <class F>
HWY_INLINE void each_column_tile(int64_t columns, F tile) {
  for (int64_t j = 0, vectors; j < columns; j += vectors * float_lanes) {
    vectors = tile_vectors(columns - j);
    if (HWY_LIKELY(vectors == most_vectors)) {
      tile(std::integral_constant<int, most_vectors>{}, j);
    } else if (vectors == 2) {
      tile(std::integral_constant<int, 2>{}, j);
    } else {
      tile(std::integral_constant<int, 1>{}, j);
    }
  }
}
#endif

/// R rows of a left operand that lie `stride` apart, each dense along the depth.
template <int R, class T>
class StridedRows {
 public:
  StridedRows(const T* x, int64_t stride) : stride_(stride) {
#pragma GCC unroll 16
    for (int g = 0; g < groups; ++g) starts_[g] = x + 3 * g * stride;
  }
  HWY_INLINE T operator[](int r) const { return starts_[r / 3][(r % 3) * stride_]; }
  HWY_INLINE void next(int64_t step = 1) {
#pragma GCC unroll 16
    for (int g = 0; g < groups; ++g) starts_[g] += step;
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

/// R rows of a left operand that lie `shifts` behind x. Each consists of pieces of `width` elements, `pitch` apart.
template <int R, class T>
class ShiftedRows {
 public:
  ShiftedRows(const T* x, const int64_t* shifts, int64_t width, int64_t pitch) : width_(width), gap_(pitch - width) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) starts_[r] = x + shifts[r];
  }
  HWY_INLINE T operator[](int r) const { return starts_[r][k_]; }
  HWY_INLINE void next() {
    ++k_;
    if (HWY_UNLIKELY(++column_ == width_)) {
      k_ += gap_;
      column_ = 0;
    }
  }

 private:
  const T* starts_[R];
  int64_t width_, gap_, k_ = 0, column_ = 0;
};

/// R rows of a left operand of bf16 that lie `shifts` behind x, two neighbours at each step.
template <int R>
class ShiftedPairs {
 public:
  ShiftedPairs(const BFloat16* x, const int64_t* shifts) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) starts_[r] = x + shifts[r];
  }
  HWY_INLINE uint32_t operator[](int r) const {
    uint32_t pair;
    std::memcpy(&pair, starts_[r] + k_, sizeof(pair));
    return pair;
  }
  HWY_INLINE void next() { k_ += 2; }
  HWY_INLINE void move_to(int64_t k) { k_ = k; }

 private:
  const BFloat16* starts_[R];
  int64_t k_ = 0;
};

/// The first of each two.
template <class Pairs>
class FirstOfPairs {
 public:
  explicit FirstOfPairs(const Pairs& pairs) : pairs_(pairs) {}
  HWY_INLINE uint32_t operator[](int r) const { return pairs_[r] & 0xffffu; }
  HWY_INLINE void next() {}

 private:
  const Pairs& pairs_;
};

/// A right operand whose rows of V vectors lie one behind the other.
template <int V, class T>
class PackedPanel {
 public:
  explicit PackedPanel(const T* x) : x_(x) {}
  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, int v) const {
    return hn::LoadU(d, x_ + v * static_cast<int64_t>(hn::Lanes(d)));
  }
  template <class D>
  HWY_INLINE void next(D d) {
    x_ += V * static_cast<int64_t>(hn::Lanes(d));
  }

 private:
  const T* x_;
};

/// A right operand whose row k lies shifts[k] behind x.
template <class T>
class ShiftedPanel {
 public:
  ShiftedPanel(const T* x, const int64_t* shifts) : x_(x), shift_(shifts) {}
  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, int v) const {
    return hn::LoadU(d, x_ + *shift_ + v * static_cast<int64_t>(hn::Lanes(d)));
  }
  template <class D>
  HWY_INLINE void next(D) {
    ++shift_;
  }

 private:
  const T* x_;
  const int64_t* shift_;
};

/// sum + left * right.
template <class Vector>
HWY_INLINE Vector add_products(Vector left, Vector right, Vector sum) {
  return hn::MulAdd(left, right, sum);
}

#if FOVEA_BF16_PAIRS
/// sum + the products of both halves of words of two bf16. Only where a machine has the instruction (Bf16Unit).
HWY_INLINE hn::Vec512<float> add_products(hn::Vec512<uint32_t> left, hn::Vec512<uint32_t> right,
                                          hn::Vec512<float> sum) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(left.raw), "v"(right.raw));
  return sum;
}
#endif

template <int R, int V, class D>
HWY_INLINE void clear_tile(D d, hn::Vec<D> (&sums)[R][V]) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sums[r][v] = hn::Zero(d);
  }
}

/// sums[r][v] += sum over k of rows[r][k] * panel[k][v] for R rows by V vectors; both operands step on.
template <int R, int V, class D, class Rows, class Panel>
HWY_INLINE void add_to_tile(D, Rows& rows, Panel& panel, int64_t depth, hn::Vec<D> (&sums)[R][V]) {
  const hn::Rebind<decltype(rows[0]), D> words;
  for (int64_t k = 0; k < depth; ++k) {
    hn::Vec<decltype(words)> right[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) right[v] = panel.load(words, v);
    panel.next(words);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto left = hn::Set(words, rows[r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[r][v] = add_products(left, right[v], sums[r][v]);
    }
    rows.next();
  }
}

/// out[r][v] = sums[r][v] for R rows by V vectors, plus addend[r][v] where that is not null.
template <int R, int V, class D, class T = hn::TFromD<D>>
HWY_INLINE void store_tile(D d, hn::Vec<D> (&sums)[R][V], const T* addend, int64_t addend_stride, T* out,
                           int64_t out_stride) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
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

/// out[r][v] = sum over k of rows[r][k] * panel[k][v] for R rows by V vectors, plus addend[r][v] where that is not null.
template <int R, int V, class D, class Rows, class Panel, class T = hn::TFromD<D>>
HWY_INLINE void multiply_tile(D d, Rows rows, Panel panel, int64_t depth, const T* addend, int64_t addend_stride,
                              T* out, int64_t out_stride) {
  hn::Vec<D> sums[R][V];
  clear_tile(d, sums);
  add_to_tile(d, rows, panel, depth, sums);
  store_tile(d, sums, addend, addend_stride, out, out_stride);
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
