#include "fovea/backends/cpu/tile_product.h"

#include <algorithm>
#include <cstring>

#include "fovea/backends/cpu/round_up.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/tile_product.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/tiles-inl.h"
#include "fovea/backends/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2
namespace {

using Floats = hn::ScalableTag<float>;
constexpr auto lanes = static_cast<int64_t>(hn::MaxLanes(Floats()));
// A tile's sums fill the registers but for a row of the panel and one number of the left operand.
constexpr int most_rows = many_registers ? 8 : 6, most_vectors = many_registers ? 3 : 2;
// A block of the right operand stays in the second-level cache, the rows of a tile in the first.
constexpr int64_t most_depth = 512, most_columns = 12 * most_vectors * lanes, group_rows = 12 * most_rows;

// How many vectors wide the next panel of so many columns is: never one where there are more.
int64_t panel_vectors(int64_t columns) {
  const int64_t vectors = (columns + lanes - 1) / lanes;
  return vectors == most_vectors + 1 ? (vectors + 1) / 2 : std::min<int64_t>(vectors, most_vectors);
}

// to [depth, R] = the transpose of from [R, depth].
template <int R>
void pack_tile(int64_t depth, Matrix<float> from, float* to) {
  if (from.row == 1) {
    for (int64_t k = 0; k < depth; ++k) std::memcpy(to + k * R, from.data + k * from.column, R * sizeof(float));
    return;
  }
  int r = 0;
  for (; r + 4 <= R; r += 4) {
    const float* x = from.data + r * from.row;
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4) {
      if (k % 16 == 0) {  // a line of each of the four rows that come next
        for (int i = 4; i < 8; ++i) hwy::Prefetch(x + i * from.row + k);
      }
      TransposeFourColumns(hn::FixedTag<float, 4>(), x + k, from.row, to + k * R + r, int64_t{R});
    }
    for (; k < depth; ++k) {
      for (int i = 0; i < 4; ++i) to[k * R + r + i] = x[i * from.row + k];
    }
  }
  for (; r < R; ++r) {
    for (int64_t k = 0; k < depth; ++k) to[k * R + r] = from.data[r * from.row + k];
  }
}

// The tiles of rows that lie side by side, in the order of memory: each step of the depth may be a page away from the
// last.
void pack_tiles(int64_t rows, int64_t depth, Matrix<float> from, float* to) {
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t r = 0; r < rows; r += most_rows)
      std::memcpy(to + r * depth + k * most_rows, from.data + k * from.column + r, most_rows * sizeof(float));
  }
}

// Panels [depth, panel_vectors * lanes] one behind the other; zeros stand behind the last column.
void pack_panels(int64_t depth, int64_t columns, Matrix<float> from, float* to) {
  const Floats d;
  int64_t first = 0;
  if (from.column == 1) {
    // In the order of memory as far as panels are equally wide.
    constexpr int64_t width = most_vectors * lanes;
    int64_t full = 0;
    while (columns - full >= width && panel_vectors(columns - full) == most_vectors) full += width;
    for (int64_t k = 0; k < depth; ++k) {
      const float* x = from.data + k * from.row;
      for (int64_t j = 0; j < full; j += width) {
        for (int v = 0; v < most_vectors; ++v) {
          hwy::Prefetch(x + j + v * lanes + 2 * from.row);
          hn::StoreU(hn::LoadU(d, x + j + v * lanes), d, to + j * depth + k * width + v * lanes);
        }
      }
    }
    first = full;
  }
  for (int64_t vectors; first < columns; first += vectors * lanes) {
    vectors = panel_vectors(columns - first);
    const int64_t width = vectors * lanes;
    float* panel = to + first * depth;
    for (int64_t j = 0; j < width; j += lanes) {
      const float* x = from.at(0, first + j).data;
      const int64_t here = std::min(lanes, columns - first - j);
      int64_t k = 0;
      if (here == lanes && from.column == 1) {
        for (; k < depth; ++k) hn::StoreU(hn::LoadU(d, x + k * from.row), d, panel + k * width + j);
      } else if (here == lanes && from.row == 1) {
        for (; k + 4 <= depth; k += 4) TransposeFourColumns(d, x + k, from.column, panel + k * width + j, width);
      }
      for (; k < depth; ++k) {
        for (int64_t i = 0; i < lanes; ++i)
          panel[k * width + j + i] = i < here ? x[k * from.row + i * from.column] : 0.0f;
      }
    }
  }
}

// Rows that lie a multiple of a page apart share a few places of the first-level cache, too few for a tile of them.
bool is_readable_as_it_lies(Matrix<float> a) { return a.column == 1 && a.row % 1024 != 0; }

// R rows of c against one panel; columns that no whole vector covers go by way of `edge`, added up in the same order.
template <int R, int V, class Rows>
HWY_INLINE void multiply_panel(Rows rows, const float* panel, int64_t depth, int64_t columns, float* c, int64_t stride,
                               bool accumulate, float* edge) {
  const Floats d;
  // So that the results are in the cache by the time that the sums are made.
  for (int r = 0; r < R; ++r) {
    for (int64_t j = 0; j < columns; j += 16) hwy::Prefetch(c + r * stride + j);
  }
  if (HWY_LIKELY(columns == V * lanes)) {
    multiply_tile<R, V>(d, rows, panel, depth, accumulate ? c : nullptr, stride, c, stride);
    return;
  }
  for (int r = 0; r < R && accumulate; ++r) std::copy_n(c + r * stride, columns, edge + r * V * lanes);
  multiply_tile<R, V>(d, rows, panel, depth, accumulate ? edge : nullptr, V * lanes, edge, V * lanes);
  for (int r = 0; r < R; ++r) std::copy_n(edge + r * V * lanes, columns, c + r * stride);
}

// R rows of c against all panels of a block.
template <int R, class Rows>
HWY_NOINLINE void multiply_rows(Rows rows, const float* panels, int64_t depth, int64_t columns, float* c,
                                int64_t stride, bool accumulate, float* edge) {
  for (int64_t j = 0, vectors; j < columns; j += vectors * lanes) {
    vectors = panel_vectors(columns - j);
    const auto panel = [&]<int V>(std::integral_constant<int, V>) HWY_ATTR {
      multiply_panel<R, V>(rows, panels + j * depth, depth, std::min(V * lanes, columns - j), c + j, stride, accumulate,
                           edge);
    };
    if (HWY_LIKELY(vectors == most_vectors)) {
      panel(std::integral_constant<int, most_vectors>{});
    } else if (vectors == 2) {
      panel(std::integral_constant<int, 2>{});
    } else {
      panel(std::integral_constant<int, 1>{});
    }
  }
}

}  // namespace

void multiply_f32(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                  bool accumulate) {
  // The stride of an axis of one element means nothing; let one axis be dense all the same.
  if (k == 1) a.column = 1;
  if (m == 1 && a.column != 1) a.row = 1;
  const int64_t parts = (k + most_depth - 1) / most_depth;
  const int64_t block = round_up((k + parts - 1) / parts, 4);
  // Rows that few panels read are not worth packing.
  const bool direct = is_readable_as_it_lies(a) && n <= 256;
  const int64_t panels_size = block * round_up(std::min(n, most_columns), lanes);
  constexpr int64_t edge_size = most_rows * most_vectors * lanes;
  float* panels = thread_room(panels_size + edge_size + (direct ? 0 : block * std::min(m, group_rows)));
  float *edge = panels + panels_size, *packed = edge + edge_size;
  for (int64_t column = 0; column < n; column += most_columns) {
    const int64_t columns = std::min(most_columns, n - column);
    for (int64_t p = 0; p < k; p += block) {
      const int64_t depth = std::min(block, k - p);
      const bool adds = accumulate || p > 0;
      pack_panels(depth, columns, b.at(p, column), panels);
      for (int64_t group = 0; group < m; group += group_rows) {
        const Matrix<float> left = a.at(group, p);
        const int64_t rows = std::min(group_rows, m - group);
        const int64_t packed_rows = !direct && left.row == 1 ? rows / most_rows * most_rows : 0;
        pack_tiles(packed_rows, depth, left, packed);
        each_tile<most_rows>(rows, [&]<int R>(std::integral_constant<int, R>, int64_t row) HWY_ATTR {
          float* to = c + (group + row) * stride + column;
          if (direct) {
            const StridedRows<R, float> from(left.data + row * left.row, left.row);
            multiply_rows<R>(from, panels, depth, columns, to, stride, adds, edge);
          } else {
            const bool is_packed = row < packed_rows;
            float* tile = packed + (is_packed ? row * depth : 0);
            if (!is_packed) pack_tile<R>(depth, left.at(row, 0), tile);
            const PackedRows<R, float> from(tile);
            multiply_rows<R>(from, panels, depth, columns, to, stride, adds, edge);
          }
        });
      }
    }
  }
}
bool are_vectors_wide() { return true; }
#else
void multiply_f32(int64_t, int64_t, int64_t, Matrix<float>, Matrix<float>, float*, int64_t, bool) {}
bool are_vectors_wide() { return false; }
#endif

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(multiply_f32);
FOVEA_VERSIONS(are_vectors_wide);

bool has_tile_product() {
  static const bool wide = FOVEA_DISPATCH(are_vectors_wide)();
  return wide;
}

void tile_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                  bool accumulate) {
  FOVEA_DISPATCH(multiply_f32)(m, n, k, a, b, c, stride, accumulate);
}

}  // namespace fovea::cpu
#endif
