#include "fovea/backends/cpu/split_product.h"

#include <algorithm>

#include "fovea/backends/cpu/bf16_parts.h"
#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/map_copy.h"
#include "fovea/backends/cpu/matrix_tiles.h"
#include "fovea/backends/cpu/product_blocks.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/tile_product.h"
#include "fovea/backends/cpu/tile_strips.h"
#include "fovea/backends/round_up.h"

// Henry, Tang and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations"
// (2019).
//
// A strip of 16 lines (rows of the left operand, columns of the right) holds, for each 32 steps of the depth, a tile of the
// greatest parts, one of the middle ones and one of the least; then a word that is not zero where a number is infinite, NaN or
// 2^63 and more. Word q of a line in a tile holds the numbers of the steps q and q + 16.
namespace fovea::cpu {

#ifdef FOVEA_HAS_BF16
namespace {

using matrix_tiles::as_floats, matrix_tiles::every_lane, matrix_tiles::upper_half;
using matrix_tiles::deep, matrix_tiles::first_lanes, matrix_tiles::side, matrix_tiles::tile_words;

constexpr int parts = 3;
constexpr int64_t step_words = parts * tile_words, mark_words = side;
constexpr int64_t group_rows = 96;  // packed together, since they may lie side by side

/// Lines of an operand, at least one of whose strides is 1.
struct Lines {
  const float* data;
  int64_t line, step;
  int64_t count, depth;

  Lines at(int64_t i, int64_t k) const {
    return {data + i * line + k * step, line, step, std::min(side, count - i), std::min(deep, depth - k)};
  }
};

/// Up to 16 lines by up to 32 steps that lie side by side, as [line][pair]. `next` is asked for: what will be packed after it.
FOVEA_BF16 void pack_lines(const Lines& of, const float* next, uint32_t* to, uint32_t& marked) {
  const __mmask16 low = first_lanes(of.depth), high = first_lanes(of.depth - side);
  for (int64_t i = 0; i < side; ++i) {
    const float* x = of.data + i * of.line;
    const bool here = i < of.count;
    hwy::Prefetch(next + i * of.line);
    hwy::Prefetch(next + i * of.line + side);
    const __m512 first = _mm512_maskz_loadu_ps(here ? low : 0, x);
    matrix_tiles::store_words<parts>(first, _mm512_maskz_loadu_ps(here ? high : 0, x + side), to + i * side, tile_words,
                                     marked);
  }
}

/// Up to 16 lines that lie side by side by up to 32 steps, as [pair][line].
FOVEA_BF16 void pack_pairs(const Lines& of, const float* next, uint32_t* to, uint32_t& marked) {
  const __mmask16 here = first_lanes(of.count);
  for (int64_t k = 0; k < side; ++k) {
    const float* x = of.data + k * of.step;
    const int64_t later = side * of.step;
    hwy::Prefetch(next + k * of.step);
    hwy::Prefetch(next + k * of.step + later);
    const __m512 first = _mm512_maskz_loadu_ps(k < of.depth ? here : 0, x);
    const __m512 second = _mm512_maskz_loadu_ps(k + side < of.depth ? here : 0, x + later);
    matrix_tiles::store_words<parts>(first, second, to + k * side, tile_words, marked);
  }
}

/// The tiles of up to 16 lines by up to 32 steps: [line][pair] or, with `by_pairs`, [pair][line].
void pack_step(const Lines& of, const float* next, bool by_pairs, uint32_t* to, uint32_t& marked) {
  alignas(64) uint32_t turned[step_words];
  const bool dense = of.step == 1;
  uint32_t* made = dense == by_pairs ? turned : to;
  if (dense) {
    pack_lines(of, next, made, marked);
  } else {
    pack_pairs(of, next, made, marked);
  }
  for (int part = 0; part < parts && made == turned; ++part)
    transpose_square(turned + part * tile_words, side, to + part * tile_words, side);
}

uint32_t& mark_of(uint32_t* strip, int64_t depth) { return strip[TileWord<parts>::strip(depth) - mark_words]; }

/// Strips of lines one behind the other. In the order of memory.
void pack_strips(const Lines& of, bool by_pairs, uint32_t* to) {
  const int64_t strip = TileWord<parts>::strip(of.depth);
  for (int64_t i = 0; i < of.count; i += side) mark_of(to + i / side * strip, of.depth) = 0;
  const auto pack = [&](int64_t i, int64_t k, int64_t next_i, int64_t next_k) {
    uint32_t* const strip_to = to + i / side * strip;
    pack_step(of.at(i, k), of.data + next_i * of.line + next_k * of.step, by_pairs, strip_to + k / deep * step_words,
              mark_of(strip_to, of.depth));
  };
  matrix_tiles::each_packed_tile(of.count, of.depth, of.step != 1, pack);
}

/// R strips of rows by V panels, one `strip` behind the other.
struct Strips {
  const uint32_t *rows, *panels;
  int64_t strip, steps;
};

/// R by V tiles of c, rows `stride` apart.
template <int R, int V>
FOVEA_BF16 void multiply_tiles(const Strips& of, Addend addend, float* c, int64_t stride) {
  matrix_tiles::begin_sums<R, V>(addend);
  matrix_tiles::WakefulStores<parts> stores;
  const uint32_t *rows = of.rows, *panels = of.panels;
  for (int64_t i = 0; i < of.steps; ++i, rows += step_words, panels += step_words) {
    matrix_tiles::add_step<parts, R, V>(
        [&](int part) FOVEA_BF16 {
          matrix_tiles::load<4>(rows + part * tile_words, 64);
          if constexpr (R > 1) matrix_tiles::load<5>(rows + part * tile_words + of.strip, 64);
        },
        [&](int part) FOVEA_BF16 {
          matrix_tiles::load<6>(panels + part * tile_words, 64);
          if constexpr (V > 1) matrix_tiles::load<7>(panels + part * tile_words + of.strip, 64);
        });
    stores.after_step(i);
  }
  matrix_tiles::store_sums<R, V>(c, stride);
}

/// The numbers whose parts stand in the words of three tiles: of the lower halves or the upper ones.
FOVEA_BF16 inline __m512 joined(__m512i greatest, __m512i middle, __m512i least, bool upper) {
  __m512 x[parts];
  const __m512i words[parts] = {greatest, middle, least};
  for (int part = 0; part < parts; ++part)
    x[part] = as_floats(upper ? upper_half(words[part]) : _mm512_maskz_slli_epi32(every_lane, words[part], 16));
  return _mm512_add_ps(x[0], _mm512_add_ps(x[1], x[2]));
}

/// Computes anew, as f32's own instructions do, what is infinite or NaN among m by n elements of an edge: parts of
/// infinities are zero, and times an infinity that is NaN.
FOVEA_BF16 void repair(int64_t m, int64_t n, const Strips& of, Addend addend, float* c) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; j += side) {
      float* to = c + i * matrix_tiles::edge_row + j;
      const auto wrong =
          static_cast<__mmask16>(matrix_tiles::which_are_infinite_or_nan(_mm512_loadu_ps(to)) & first_lanes(n - j));
      if (!wrong) continue;
      const uint32_t* row = of.rows + i / side * of.strip + i % side * side;
      const uint32_t* panel = of.panels + j / side * of.strip;
      __m512 sum = _mm512_setzero_ps();
      __mmask16 is_number = wrong;  // NaN stay what they are
      for (int64_t step = 0; step < of.steps && is_number; ++step, row += step_words, panel += step_words) {
        for (int64_t k = 0; k < deep; ++k) {
          const uint32_t *x = row + k % side, *y = panel + k % side * side;
          const auto word = [](uint32_t w) { return static_cast<int>(w); };
          const __m512 left = joined(_mm512_set1_epi32(word(x[0])), _mm512_set1_epi32(word(x[tile_words])),
                                     _mm512_set1_epi32(word(x[2 * tile_words])), k >= side);
          const __m512 right = joined(_mm512_load_si512(y), _mm512_load_si512(y + tile_words),
                                      _mm512_load_si512(y + 2 * tile_words), k >= side);
          sum = _mm512_fmadd_ps(left, right, sum);
        }
        is_number = _mm512_mask_cmp_ps_mask(wrong, sum, sum, _CMP_ORD_Q);
      }
      if (addend.data) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(wrong, addend.data + i * addend.row + j), sum);
      _mm512_mask_storeu_ps(to, wrong, sum);
    }
  }
}

/// Up to 32 by 32 elements of c.
void multiply_corner(int64_t m, int64_t n, const Strips& of, Addend addend, float* c, int64_t stride, float* edge) {
  const bool tall = m > side, wide = n > side;
  const auto multiply = tall ? (wide ? multiply_tiles<2, 2> : multiply_tiles<2, 1>)
                             : (wide ? multiply_tiles<1, 2> : multiply_tiles<1, 1>);
  const uint32_t *rows_mark = of.rows + of.strip - mark_words, *panels_mark = of.panels + of.strip - mark_words;
  const bool marked =
      rows_mark[0] | panels_mark[0] | (tall ? rows_mark[of.strip] : 0) | (wide ? panels_mark[of.strip] : 0);
  matrix_tiles::in_whole_tiles(m, n, marked, addend, c, stride, edge, [&](Addend added, float* to, int64_t to_stride) {
    multiply(of, added, to, to_stride);
    if (marked) repair(m, n, of, addend, to);
  });
}

int64_t block_depth(int64_t k) { return depth_of_block(k, true); }
/// How many words `lines` lines take.
int64_t packed_words(int64_t lines, int64_t depth) { return divide_up(lines, side) * TileWord<parts>::strip(depth); }

/// Where a block stands in a right operand packed whole.
int64_t place_of(const ProductBlock& block, int64_t k) {
  const int64_t depth = block_depth(k);
  const auto words = [&](int64_t steps) {
    return divide_up(steps, deep) * step_words + divide_up(steps, depth) * mark_words;
  };
  return block.column / side * words(k) + divide_up(block.columns, side) * words(block.p);
}

void pack(const ProductBlock& block, Matrix<float> b, uint32_t* to) {
  pack_strips({b.at(block.p, block.column).data, b.column, b.row, block.columns, block.depth}, true, to);
}

uint32_t* words_of(float* x) { return reinterpret_cast<uint32_t*>(x); }

/// panels(block): where a block of the right operand is packed.
template <class Panels>
void multiply_blocks(int64_t m, int64_t n, int64_t k, Matrix<float> a, float* c, int64_t stride, bool accumulate,
                     const float* bias, Panels panels) {
  a = a.with_dense_axis(m, k);
  // Rows that several blocks of columns read are packed for the first of them, unless that is more than a cache holds.
  const bool keeps_rows = n > most_columns_split && m * block_depth(k) <= most_packed / 2;
  const int64_t group = std::min(m, group_rows);
  float* edge = thread_room<PackedPart::split_edge>(matrix_tiles::edge_size);
  uint32_t* room = words_of(thread_room<PackedPart::split_rows>(packed_words(keeps_rows ? m : group, block_depth(k))));
  matrix_tiles::shape();
  each_block(n, k, most_columns_split, block_depth(k), [&](const ProductBlock& block) {
    const uint32_t* right = panels(block);
    const int64_t strip = TileWord<parts>::strip(block.depth);
    const Addend addend = addend_of(block, c, stride, accumulate, bias);
    for (int64_t i = 0; i < m; i += 2 * side) {
      const int64_t place = keeps_rows ? i : i % group_rows, down = std::min(2 * side, m - i);
      if (i % group_rows == 0 && (!keeps_rows || block.column == 0)) {
        const Lines lines{a.at(i, block.p).data, a.row, a.column, std::min(group_rows, m - i), block.depth};
        pack_strips(lines, false, room + place / side * strip);
      }
      for (int64_t j = 0; j < block.columns; j += 2 * side) {
        float* to = c + i * stride + block.column + j;
        matrix_tiles::ask_for(down, block.columns - j - 2 * side, to + 2 * side, stride);
        multiply_corner(down, std::min(2 * side, block.columns - j),
                        {room + place / side * strip, right + j / side * strip, strip, divide_up(block.depth, deep)},
                        addend.at(i, j), to, stride, edge);
      }
    }
  });
  matrix_tiles::release();
}

}  // namespace

void pack_strip(const float* x, int64_t line, int64_t step, int64_t lines, int64_t depth, bool columns,
                TileWord<parts>* to) {
  pack_strips({x, line, step, lines, depth}, columns, &to->bits);
}

void multiply_strips(int64_t m, int64_t n, int64_t depth, const TileWord<parts>* rows, const TileWord<parts>* columns,
                     Addend addend, float* c, int64_t stride) {
  const Strips of{&rows->bits, &columns->bits, TileWord<parts>::strip(depth), divide_up(depth, deep)};
  uint32_t marks = of.rows[of.strip - mark_words];
  for (int64_t j = 0; j < n; j += side) marks |= of.panels[(j / side + 1) * of.strip - mark_words];
  float* edge = thread_room<PackedPart::split_edge>(matrix_tiles::edge_size);
  matrix_tiles::in_whole_tiles(m, n, marks, addend, c, stride, edge, [&](Addend added, float* to, int64_t to_stride) {
    matrix_tiles::multiply_strip<parts>(n, of.rows, of.panels, of.strip, of.steps, added, to, to_stride);
    if (marks) repair(m, n, of, addend, to);
  });
}

bool splits_product(int64_t m, int64_t n, int64_t k) {
  return m >= least_split_rows && n >= least_split_columns && k >= deep && bf16_unit() == Bf16Unit::tiles &&
         vector_lanes() == side;
}

void split_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                   bool accumulate, const float* bias) {
  uint32_t* to =
      words_of(thread_room<PackedPart::split_panels>(packed_words(std::min(n, most_columns_split), block_depth(k))));
  b = b.with_dense_axis(k, n);
  multiply_blocks(m, n, k, a, c, stride, accumulate, bias, [&](const ProductBlock& block) {
    pack(block, b, to);
    return to;
  });
}

void split_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, const float* packed, float* c, int64_t stride,
                   bool accumulate, const float* bias) {
  const auto* words = reinterpret_cast<const uint32_t*>(packed);
  multiply_blocks(m, n, k, a, c, stride, accumulate, bias,
                  [&](const ProductBlock& block) { return words + place_of(block, k); });
}

int64_t packed_for_split_product(int64_t n, int64_t k) { return place_of({round_up(n, side), 0, 0, 0}, k); }

void pack_for_split_product(int64_t n, int64_t k, Matrix<float> b, float* packed) {
  b = b.with_dense_axis(k, n);
  each_block(n, k, most_columns_split, block_depth(k),
             [&](const ProductBlock& block) { pack(block, b, words_of(packed) + place_of(block, k)); });
}

#else
void pack_strip(const float*, int64_t, int64_t, int64_t, int64_t, bool, TileWord<3>*) {}
void multiply_strips(int64_t, int64_t, int64_t, const TileWord<3>*, const TileWord<3>*, Addend, float*, int64_t) {}
bool splits_product(int64_t, int64_t, int64_t) { return false; }
void split_product(int64_t, int64_t, int64_t, Matrix<float>, Matrix<float>, float*, int64_t, bool, const float*) {}
void split_product(int64_t, int64_t, int64_t, Matrix<float>, const float*, float*, int64_t, bool, const float*) {}
int64_t packed_for_split_product(int64_t, int64_t) { return 0; }
void pack_for_split_product(int64_t, int64_t, Matrix<float>, float*) {}
#endif

}  // namespace fovea::cpu
