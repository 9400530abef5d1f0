#pragma once

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>

#include "fovea/backends/cpu/product_blocks.h"

#if defined(__x86_64__) && defined(__linux__)
#define FOVEA_HAS_BF16 1
#include <immintrin.h>
// What functions on tiles use; none of them runs elsewhere.
#define FOVEA_BF16 \
  __attribute__((target("amx-tile,amx-bf16,avx,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

// AMX: eight tiles of 16 rows by 64 bytes, and an instruction that adds to 16 by 16 sums the products of 16 rows of 32
// numbers and as many columns, whose numbers lie in pairs: [16 pairs][16 columns][2].
namespace fovea::cpu::matrix_tiles {

inline constexpr int64_t side = 16, deep = 32;      // of a tile
inline constexpr int64_t tile_words = side * side;  // of 32 bits

/// A mask of the first n lanes of 16.
inline __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1); }

struct alignas(64) Shapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_of_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
/// Before and after the calling thread's work on tiles.
FOVEA_BF16 inline void shape() {
  static constexpr Shapes shapes;
  _tile_loadconfig(&shapes);
}
FOVEA_BF16 inline void release() { _tile_release(); }

/// Sums of R by V tiles, in the tiles 0 to 3, begin with the addend or with zeros.
template <int R, int V>
FOVEA_BF16 inline void begin_sums(Addend addend) {
  asm volatile("" ::: "memory");  // GCC does not know that loading a tile reads memory
  if (!addend.data) {
    _tile_zero(0);
    if constexpr (V > 1) _tile_zero(1);
    if constexpr (R > 1) _tile_zero(2);
    if constexpr (R > 1 && V > 1) _tile_zero(3);
    return;
  }
  const auto bytes = static_cast<size_t>(addend.row) * sizeof(float);
  const float* below = addend.at(side, 0).data;
  _tile_loadd(0, addend.data, bytes);
  if constexpr (V > 1) _tile_loadd(1, addend.data + side, bytes);
  if constexpr (R > 1) _tile_loadd(2, below, bytes);
  if constexpr (R > 1 && V > 1) _tile_loadd(3, below + side, bytes);
}
/// Adds the products of R tiles of rows, 4 and 5, by V tiles of columns, 6 and 7.
template <int R, int V>
FOVEA_BF16 inline void add_products() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (V > 1) _tile_dpbf16ps(1, 4, 7);
  if constexpr (R > 1) _tile_dpbf16ps(2, 5, 6);
  if constexpr (R > 1 && V > 1) _tile_dpbf16ps(3, 5, 7);
}
/// c, rows `stride` apart, = the sums.
template <int R, int V>
FOVEA_BF16 inline void store_sums(float* c, int64_t stride) {
  const auto bytes = static_cast<size_t>(stride) * sizeof(float);
  float* below = c + side * stride;
  _tile_stored(0, c, bytes);
  if constexpr (V > 1) _tile_stored(1, c + side, bytes);
  if constexpr (R > 1) _tile_stored(2, below, bytes);
  if constexpr (R > 1 && V > 1) _tile_stored(3, below + side, bytes);
}

/// f(i, k, next_i, next_k) for the tiles of so many lines and steps and what comes after each: all lines of a step first where they lie
/// side by side, else all steps of a line.
template <class F>
void each_packed_tile(int64_t lines, int64_t depth, bool lines_first, F f) {
  for (int64_t i = 0, k = 0; i < lines && k < depth;) {
    int64_t next_i = i + (lines_first ? side : 0), next_k = k + (lines_first ? 0 : deep);
    if (next_i >= lines && lines_first) next_i = 0, next_k += deep;
    if (next_k >= depth && !lines_first) next_k = 0, next_i += side;
    f(i, k, next_i, next_k);
    i = next_i, k = next_k;
  }
}

/// The results that come next, up to 32 by 32: a row of them may be a page away from the last.
inline void ask_for(int64_t m, int64_t n, const float* c, int64_t stride) {
  for (int64_t row = 0; row < m && n > 0; ++row) {
    hwy::Prefetch(c + row * stride);
    hwy::Prefetch(c + row * stride + std::min(side, n - 1));
  }
}

/// multiply(addend, c, stride) for up to 32 by 32 elements of c; by way of `edge`, rows 2 side apart, where they fill no whole
/// tiles, or always.
template <class F>
void in_whole_tiles(int64_t m, int64_t n, bool by_edge, Addend addend, float* c, int64_t stride, float* edge,
                    F multiply) {
  if (m % side == 0 && n % side == 0 && !by_edge) return multiply(addend, c, stride);
  if (addend.data) {
    for (int64_t i = 0; i < m; ++i) std::copy_n(addend.data + i * addend.row, n, edge + i * 2 * side);
    addend = {edge, 2 * side};
  }
  multiply(addend, edge, 2 * side);
  for (int64_t i = 0; i < m; ++i) std::copy_n(edge + i * 2 * side, n, c + i * stride);
}

}  // namespace fovea::cpu::matrix_tiles
#endif
