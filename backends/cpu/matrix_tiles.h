#pragma once

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

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

// The compilers' own intrinsics take no number of a tile that a template knows.
template <int tile>
FOVEA_BF16 inline void load(const void* from, int64_t row_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(row_bytes), "i"(tile));
}
template <int tile>
FOVEA_BF16 inline void clear() {
  asm volatile("tilezero %%tmm%c0" : : "i"(tile));
}
template <int tile>
FOVEA_BF16 inline void store(void* to, int64_t row_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(row_bytes), "i"(tile) : "memory");
}
/// The tile `sum` += the products of a tile of rows and one of columns.
template <int sum, int rows, int columns>
FOVEA_BF16 inline void add_product() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sum), "i"(rows), "i"(columns));
}

/// For loops of so many steps that a store waits for two thirds of a microsecond, during which none is stored: then it takes a
/// quarter of a microsecond more. Stores a tile of columns where nobody reads it, at the loop's first step and now and then.
template <int parts>
class WakefulStores {
 public:
  FOVEA_BF16 void after_step(int64_t i) {
    if (i % (parts == 1 ? 16 : 4) == 0) store<6>(unread_, 64);
  }

 private:
  alignas(64) uint32_t unread_[tile_words];
};

/// f(integral_constant<int, i>) for i from 0 to n - 1.
template <int n, class F>
FOVEA_BF16 inline void unroll(F f) {
  [&]<int... i>(std::integer_sequence<int, i...>) FOVEA_BF16 { (f(std::integral_constant<int, i>{}), ...); }
  (std::make_integer_sequence<int, n>{});
}

/// Sums of R by V tiles, in the first tiles row by row, begin with the addend or with zeros.
template <int R, int V>
FOVEA_BF16 inline void begin_sums(Addend addend) {
  asm volatile("" ::: "memory");  // loading a tile reads it
  const int64_t bytes = addend.row * static_cast<int64_t>(sizeof(float));
  unroll<R * V>([&](auto i) FOVEA_BF16 {
    if (addend.data) {
      load<i>(addend.at(i / V * side, i % V * side).data, bytes);
    } else {
      clear<i>();
    }
  });
}
/// c, rows `stride` apart, = the sums.
template <int R, int V>
FOVEA_BF16 inline void store_sums(float* c, int64_t stride) {
  const int64_t bytes = stride * static_cast<int64_t>(sizeof(float));
  unroll<R * V>([&](auto i) FOVEA_BF16 { store<i>(c + i / V * side * stride + i % V * side, bytes); });
}
/// Adds the products of R tiles of rows, 4 and 5, by V tiles of columns, 6 and 7.
template <int R, int V>
FOVEA_BF16 inline void add_products() {
  unroll<R * V>([](auto i) FOVEA_BF16 { add_product<i, 4 + i / V, 6 + i % V>(); });
}

/// The same of a step's parts, the greatest of which is part 0: rows(part) and columns(part) load their tiles. The least
/// products first, each pair of parts one load away from the last; those that reach below the least part are left out.
template <int parts, int R, int V, class Rows, class Columns>
FOVEA_BF16 inline void add_step(Rows rows, Columns columns) {
  if constexpr (parts == 1) {
    rows(0), columns(0), add_products<R, V>();
  } else {
    rows(2), columns(0), add_products<R, V>();
    rows(1), add_products<R, V>();
    columns(1), add_products<R, V>();
    rows(0), add_products<R, V>();
    columns(2), add_products<R, V>();
    columns(0), add_products<R, V>();
  }
}

/// One strip of rows by V of columns, `strip` words apart: c [16, 16 V], rows `stride` apart. A step of a strip is a tile of
/// each part, the greatest first; the products of parts that reach below the least part are left out.
template <int parts, int V>
FOVEA_BF16 void multiply_strip(const uint32_t* rows, const uint32_t* columns, int64_t strip, int64_t steps,
                               Addend addend, float* c, int64_t stride) {
  begin_sums<1, V>(addend);
  for (int64_t i = 0; i < steps; ++i, rows += parts * tile_words, columns += parts * tile_words) {
    unroll<parts>([&](auto part) FOVEA_BF16 { load<4 + part>(rows + part * tile_words, 64); });
    unroll<parts>([&](auto greater) FOVEA_BF16 {  // the least products first
      constexpr int part = parts - 1 - greater;
      unroll<V>([&](auto v) FOVEA_BF16 {
        load<7>(columns + v * strip + part * tile_words, 64);
        unroll<parts - part>([&](auto less) FOVEA_BF16 { add_product<v, 4 + greater - less, 7>(); });
      });
    });
  }
  store_sums<1, V>(c, stride);
}

/// The same of n columns, up to 64 in whole tiles.
template <int parts>
void multiply_strip(int64_t n, const uint32_t* rows, const uint32_t* columns, int64_t strip, int64_t steps,
                    Addend addend, float* c, int64_t stride) {
  const auto multiply = n > 3 * side   ? multiply_strip<parts, 4>
                        : n > 2 * side ? multiply_strip<parts, 3>
                        : n > side     ? multiply_strip<parts, 2>
                                       : multiply_strip<parts, 1>;
  multiply(rows, columns, strip, steps, addend, c, stride);
}

/// f(i, k, next_i, next_k) for the tiles of so many lines and steps and what comes after each: all lines of a step first where
/// they lie side by side, else all steps of a line.
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

inline constexpr int64_t edge_row = 4 * side, edge_size = 2 * side * edge_row;

/// multiply(addend, c, stride) for up to 32 by 64 elements of c; by way of `edge`, whatever stands in it, where they fill no
/// whole tiles, or always.
template <class F>
void in_whole_tiles(int64_t m, int64_t n, bool by_edge, Addend addend, float* c, int64_t stride, float* edge,
                    F multiply) {
  if (m % side == 0 && n % side == 0 && !by_edge) return multiply(addend, c, stride);
  if (addend.data) {
    for (int64_t i = 0; i < m; ++i) std::copy_n(addend.data + i * addend.row, n, edge + i * edge_row);
    addend = {edge, edge_row};
  }
  multiply(addend, edge, edge_row);
  for (int64_t i = 0; i < m; ++i) std::copy_n(edge + i * edge_row, n, c + i * stride);
}

}  // namespace fovea::cpu::matrix_tiles
#endif
