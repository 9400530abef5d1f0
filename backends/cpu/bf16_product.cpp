#include "fovea/backends/cpu/bf16_product.h"

#include <algorithm>

#include "fovea/backends/cpu/bf16_pair.h"
#include "fovea/backends/cpu/map_copy.h"
#include "fovea/backends/cpu/matrix_tiles.h"
#include "fovea/backends/cpu/product_blocks.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/tile_product.h"
#include "fovea/backends/cpu/tile_strips.h"
#include "fovea/backends/round_up.h"

#ifdef FOVEA_HAS_BF16
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

// AMX: eight tiles of 16 rows by 64 bytes, and an instruction that adds to 16 by 16 sums the products of 16 rows of 32
// numbers and as many columns, whose numbers lie in pairs: [16 pairs][16 columns][2].
// AVX512-BF16 reads the same tiles: an instruction adds to 16 sums the products of one pair and those of 16 columns.
namespace fovea::cpu {

#ifdef FOVEA_HAS_BF16
namespace {

using matrix_tiles::deep, matrix_tiles::side, matrix_tiles::tile_words, matrix_tiles::first_lanes;

constexpr int lines_at_once = 8;  // of a tile, where vectors multiply: their sums fill half of the registers

Bf16Unit unit_of_this_machine() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vl") ||
      !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq"))
    return Bf16Unit::none;
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool has_tiles =
      __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 1) && (d >> 22 & 1);  // AMX-TILE, AMX-BF16
  // The kernel saves tiles only for processes that asked (x86/xstate.rst): ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA.
  return has_tiles && syscall(SYS_arch_prctl, 0x1023, 18) == 0 ? Bf16Unit::tiles : Bf16Unit::vectors;
}

Bf16Unit& unit() {
  static Bf16Unit unit = unit_of_this_machine();
  return unit;
}

FOVEA_BF16 inline __m256i load_bf16(const float* x, __mmask16 lanes) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, x)));
}
FOVEA_BF16 inline __m256i load_bf16(const BFloat16* x, __mmask16 lanes) { return _mm256_maskz_loadu_epi16(lanes, x); }

/// 32 of them.
FOVEA_BF16 inline __m512i load_bf16(const float* x) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x)));
}
FOVEA_BF16 inline __m512i load_bf16(const BFloat16* x) { return _mm512_loadu_si512(x); }

/// Up to 16 lines (rows of the left operand, columns of the right) that are dense along the depth, one after the other, as a
/// machine foresees it: tile after tile of [line][pair]. Zeros fill the last one up.
template <class T>
FOVEA_BF16 void pack_lines(const T* x, int64_t line, int64_t lines, int64_t depth, uint32_t* to) {
  for (int64_t i = 0; i < side; ++i, x += line) {
    auto* row = reinterpret_cast<__m256i*>(to + i * side);
    const bool here = i < lines;
    int64_t k = 0;
    for (; here && k + deep <= depth; k += deep, row += tile_words / 8) _mm512_store_si512(row, load_bf16(x + k));
    for (; k < depth; k += deep, row += tile_words / 8) {
      const __mmask16 low = here ? first_lanes(depth - k) : 0, high = here ? first_lanes(depth - k - 16) : 0;
      _mm256_store_si256(row, load_bf16(x + k, low));
      _mm256_store_si256(row + 1, load_bf16(x + k + 16, high));
    }
  }
}

/// Up to 16 lines by up to 32 steps of the depth into a tile: [line][pair] or, with `by_pairs`, [pair][line]. `next` is asked
/// for: what will be packed after it.
template <class T>
FOVEA_BF16 void pack_tile(const T* x, int64_t line, int64_t step, int64_t lines, int64_t depth, const T* next,
                          bool by_pairs, uint32_t* to) {
  alignas(64) uint32_t turned[tile_words];
  if (step == 1) {
    for (int64_t i = 0; i < side; ++i) hwy::Prefetch(next + i * line);
    pack_lines(x, line, lines, depth, by_pairs ? turned : to);
    if (by_pairs) transpose_square(turned, side, to, side);
    return;
  }
  const __mmask16 here = first_lanes(lines);
  alignas(64) T gathered[side] = {};
  for (int64_t pair = 0; pair < side; ++pair) {
    __m256i halves[2];
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t k = 2 * pair + half;
      const T* from = x + k * step;
      hwy::Prefetch(next + k * step);
      if (line != 1 && k < depth) {
        for (int64_t i = 0; i < lines; ++i) gathered[i] = from[i * line];
        from = gathered;
      }
      halves[half] = load_bf16(from, k < depth ? here : 0);
    }
    const __m256i low = _mm256_unpacklo_epi16(halves[0], halves[1]);  // lines 0 to 3 and 8 to 11
    const __m256i high = _mm256_unpackhi_epi16(halves[0], halves[1]);
    auto* row = reinterpret_cast<__m256i*>((by_pairs ? to : turned) + pair * side);
    _mm256_store_si256(row, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_store_si256(row + 1, _mm256_permute2x128_si256(low, high, 0x31));
  }
  if (!by_pairs) transpose_square(turned, side, to, side);
}

/// Tiles of `lines` lines, 16 at a time, each with all of the depth: [lines / 16][depth / 32]. In the order of memory.
template <class T>
void pack_tiles(const T* x, int64_t line, int64_t step, int64_t lines, int64_t depth, bool by_pairs, uint32_t* to) {
  const int64_t steps = divide_up(depth, deep);
  if (step == 1 && line != 1 && !by_pairs) {
    for (int64_t i = 0; i < lines; i += side)
      pack_lines(x + i * line, line, std::min(side, lines - i), depth, to + i / side * steps * tile_words);
    return;
  }
  matrix_tiles::each_packed_tile(lines, depth, line == 1, [&](int64_t i, int64_t k, int64_t next_i, int64_t next_k) {
    pack_tile(x + i * line + k * step, line, step, std::min(side, lines - i), std::min(deep, depth - k),
              x + next_i * line + next_k * step, by_pairs, to + (i / side * steps + k / deep) * tile_words);
  });
}

/// R by V tiles of c, rows `stride` apart: `steps` tiles of each of R strips of rows by V panels.
template <int R, int V>
FOVEA_BF16 void multiply_tiles(const uint32_t* rows, const uint32_t* panels, int64_t steps, Addend addend, float* c,
                               int64_t stride) {
  const int64_t strip = steps * tile_words;
  matrix_tiles::begin_sums<R, V>(addend);
  for (int64_t i = 0; i < steps; ++i, rows += tile_words, panels += tile_words) {
    matrix_tiles::load<4>(rows, 64);
    matrix_tiles::load<6>(panels, 64);
    if (V > 1) matrix_tiles::load<7>(panels + strip, 64);
    if (R > 1) matrix_tiles::load<5>(rows + strip, 64);
    matrix_tiles::add_products<R, V>();
  }
  matrix_tiles::store_sums<R, V>(c, stride);
}

/// Eight rows of c by V times 16 columns: `steps` tiles of as many lines of a strip of rows by V panels.
template <int V>
FOVEA_BF16 void multiply_lines(const uint32_t* rows, const uint32_t* panels, int64_t steps, Addend addend, float* c,
                               int64_t stride) {
  const int64_t strip = steps * tile_words;
  __m512 sums[lines_at_once][V];
  for (int r = 0; r < lines_at_once; ++r) {
    for (int v = 0; v < V; ++v)
      sums[r][v] = addend.data ? _mm512_loadu_ps(addend.data + r * addend.row + v * side) : _mm512_setzero_ps();
  }
  for (int64_t i = 0; i < steps; ++i, rows += tile_words, panels += tile_words) {
    for (int64_t pair = 0; pair < side; ++pair) {
      __m512bh right[V];
      for (int v = 0; v < V; ++v)
        right[v] = reinterpret_cast<__m512bh>(_mm512_load_si512(panels + v * strip + pair * side));
      for (int r = 0; r < lines_at_once; ++r) {
        const auto left = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(rows[r * side + pair])));
        for (int v = 0; v < V; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], left, right[v]);
      }
    }
  }
  for (int r = 0; r < lines_at_once; ++r) {
    for (int v = 0; v < V; ++v) _mm512_storeu_ps(c + r * stride + v * side, sums[r][v]);
  }
}

/// As multiply_tiles<2, 2> and its like without tiles, of m rows.
void multiply_strips(int64_t m, bool wide, const uint32_t* rows, const uint32_t* panels, int64_t steps, Addend addend,
                     float* c, int64_t stride) {
  const auto multiply = wide ? multiply_lines<2> : multiply_lines<1>;
  for (int64_t i = 0; i < m; i += lines_at_once) {
    multiply(rows + i / side * steps * tile_words + i % side * side, panels, steps, addend.at(i, 0), c + i * stride,
             stride);
  }
}

int64_t block_depth(int64_t k) { return depth_of_block(k, true); }
/// How many words a right operand takes.
int64_t packed_words(int64_t n, int64_t k) { return round_up(n, side) * round_up(k, deep) / 2; }
/// Where a block stands in one of depth k.
int64_t place_of(const ProductBlock& block, int64_t k) {
  return packed_words(block.column, k) + packed_words(block.columns, block.p);
}

template <class T>
void pack(const ProductBlock& block, Matrix<T> b, uint32_t* to) {
  pack_tiles(b.at(block.p, block.column).data, b.column, b.row, block.columns, block.depth, true, to);
}

/// panels(block): where a block of the right operand is packed.
template <class T, class Panels>
void multiply_in_tiles(int64_t m, int64_t n, int64_t k, Matrix<T> a, float* c, int64_t stride, bool accumulate,
                       const float* bias, Panels panels) {
  for (int64_t i = 0; i < m && k == 0 && !accumulate; ++i) {
    if (bias) {
      std::copy_n(bias, n, c + i * stride);
    } else {
      std::fill_n(c + i * stride, n, 0.0f);
    }
  }
  float* edge = thread_room<PackedPart::bf16_edge>(matrix_tiles::edge_size + 2 * packed_words(side, block_depth(k)));
  auto* rows = reinterpret_cast<uint32_t*>(edge + matrix_tiles::edge_size);
  const bool tiles = unit() == Bf16Unit::tiles;
  if (tiles) matrix_tiles::shape();
  each_block(n, k, most_columns_bf16, block_depth(k), [&](const ProductBlock& block) {
    const uint32_t* right = panels(block);
    const int64_t steps = divide_up(block.depth, deep), strip = steps * tile_words;
    const Addend addend = addend_of(block, c, stride, accumulate, bias);
    for (int64_t i = 0; i < m; i += 2 * side) {
      const int64_t here = std::min(2 * side, m - i);
      pack_tiles(a.at(i, block.p).data, a.row, a.column, here, block.depth, false, rows);
      for (int64_t j = 0; j < block.columns; j += 2 * side) {
        float* to = c + i * stride + block.column + j;
        matrix_tiles::ask_for(here, block.columns - j - 2 * side, to + 2 * side, stride);
        const int64_t across = std::min(2 * side, block.columns - j);
        const uint32_t* panel = right + j / side * strip;
        const bool tall = here > side, wide = across > side;
        matrix_tiles::in_whole_tiles(
            here, across, false, addend.at(i, j), to, stride, edge, [&](Addend added, float* c, int64_t row) {
              if (tiles) {
                const auto multiply = tall ? (wide ? multiply_tiles<2, 2> : multiply_tiles<2, 1>)
                                           : (wide ? multiply_tiles<1, 2> : multiply_tiles<1, 1>);
                multiply(rows, panel, steps, added, c, row);
              } else {
                multiply_strips(here, wide, rows, panel, steps, added, c, row);
              }
            });
      }
    }
  });
  if (tiles) matrix_tiles::release();
}

}  // namespace

void pack_strip(const float* x, int64_t line, int64_t step, int64_t lines, int64_t depth, bool columns,
                TileWord<1>* to) {
  pack_tiles(x, line, step, lines, depth, columns, &to->bits);
}

void multiply_strips(int64_t m, int64_t n, int64_t depth, const TileWord<1>* rows, const TileWord<1>* columns,
                     Addend addend, float* c, int64_t stride) {
  float* edge = thread_room<PackedPart::bf16_edge>(matrix_tiles::edge_size);
  matrix_tiles::in_whole_tiles(m, n, false, addend, c, stride, edge, [&](Addend added, float* to, int64_t to_stride) {
    matrix_tiles::multiply_strip<1>(n, &rows->bits, &columns->bits, TileWord<1>::strip(depth), divide_up(depth, deep),
                                    added, to, to_stride);
  });
}

TileUse::TileUse() { matrix_tiles::shape(); }
TileUse::~TileUse() { matrix_tiles::release(); }

Bf16Unit bf16_unit() { return unit(); }
void limit_bf16_unit(Bf16Unit most) { unit() = std::min(unit(), most); }

template <class T>
void bf16_product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, float* c, int64_t stride, bool accumulate,
                  const float* bias) {
  auto* panels = reinterpret_cast<uint32_t*>(
      thread_room<PackedPart::bf16_panels>(packed_words(std::min(n, most_columns_bf16), block_depth(k))));
  multiply_in_tiles(m, n, k, a, c, stride, accumulate, bias, [&](const ProductBlock& block) {
    pack(block, b, panels);
    return panels;
  });
}

template <class T>
void bf16_product(int64_t m, int64_t n, int64_t k, Matrix<T> a, const float* packed, float* c, int64_t stride,
                  bool accumulate, const float* bias) {
  const auto* words = reinterpret_cast<const uint32_t*>(packed);
  multiply_in_tiles(m, n, k, a, c, stride, accumulate, bias,
                    [&](const ProductBlock& block) { return words + place_of(block, k); });
}

int64_t packed_for_bf16_product(int64_t n, int64_t k) { return packed_words(n, k); }

template <class T>
void pack_for_bf16_product(int64_t n, int64_t k, Matrix<T> b, float* packed) {
  auto* words = reinterpret_cast<uint32_t*>(packed);
  each_block(n, k, most_columns_bf16, block_depth(k),
             [&](const ProductBlock& block) { pack(block, b, words + place_of(block, k)); });
}

#else
TileUse::TileUse() = default;
TileUse::~TileUse() = default;
void pack_strip(const float*, int64_t, int64_t, int64_t, int64_t, bool, TileWord<1>*) {}
void multiply_strips(int64_t, int64_t, int64_t, const TileWord<1>*, const TileWord<1>*, Addend, float*, int64_t) {}
Bf16Unit bf16_unit() { return Bf16Unit::none; }
void limit_bf16_unit(Bf16Unit) {}
template <class T>
void bf16_product(int64_t, int64_t, int64_t, Matrix<T>, Matrix<T>, float*, int64_t, bool, const float*) {}
template <class T>
void bf16_product(int64_t, int64_t, int64_t, Matrix<T>, const float*, float*, int64_t, bool, const float*) {}
int64_t packed_for_bf16_product(int64_t, int64_t) { return 0; }
template <class T>
void pack_for_bf16_product(int64_t, int64_t, Matrix<T>, float*) {}
#endif

bool multiplies_bf16_pairs() { return bf16_unit() == Bf16Unit::vectors && vector_lanes() == 16; }

#define FOVEA_OPERANDS_OF(T)                                                                                           \
  template void bf16_product(int64_t, int64_t, int64_t, Matrix<T>, Matrix<T>, float*, int64_t, bool, const float*);    \
  template void bf16_product(int64_t, int64_t, int64_t, Matrix<T>, const float*, float*, int64_t, bool, const float*); \
  template void pack_for_bf16_product(int64_t, int64_t, Matrix<T>, float*)
FOVEA_OPERANDS_OF(float);
FOVEA_OPERANDS_OF(BFloat16);

}  // namespace fovea::cpu
