#include "fovea/backends/cpu/tile_product.h"

#include <algorithm>
#include <cstring>

#include "fovea/backends/cpu/round_up.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/tile_product.cpp"
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
constexpr int64_t panel_width = 2 * lanes;
constexpr int most_rows = many_registers ? 12 : 6;
// Blocks of the right operand and groups of rows of the left one stay in the second-level cache, a tile's rows in the
// first.
constexpr int64_t most_depth = 320, most_columns = 512, group_rows = 8 * most_rows;

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
    for (; k + 4 <= depth; k += 4)
      TransposeFourColumns(hn::FixedTag<float, 4>(), x + k, from.row, to + k * R + r, int64_t{R});
    for (; k < depth; ++k) {
      for (int i = 0; i < 4; ++i) to[k * R + r + i] = x[i * from.row + k];
    }
  }
  for (; r < R; ++r) {
    for (int64_t k = 0; k < depth; ++k) to[k * R + r] = from.data[r * from.row + k];
  }
}

// The tiles of a group of rows, one behind the other.
void pack_rows(int64_t rows, int64_t depth, Matrix<float> from, float* to) {
  if (rows == group_rows && from.row == 1) {
    // In the order of memory: each step of the depth may be a page away from the last.
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t r = 0; r < group_rows; r += most_rows)
        std::memcpy(to + r * depth + k * most_rows, from.data + k * from.column + r, most_rows * sizeof(float));
    }
    return;
  }
  each_tile<most_rows>(rows, [&]<int R>(std::integral_constant<int, R>, int64_t row)
                                 HWY_ATTR { pack_tile<R>(depth, from.at(row, 0), to + row * depth); });
}

// Panels [depth, panel_width] one behind the other; the last is a vector narrower where that holds its columns, and
// zeros stand behind them.
void pack_panels(int64_t depth, int64_t columns, Matrix<float> from, float* to) {
  const Floats d;
  const int64_t whole = columns / lanes * lanes;
  const auto width = [&](int64_t j) {
    return std::min(panel_width, round_up(columns - j / panel_width * panel_width, lanes));
  };
  const auto place = [&](int64_t k, int64_t j) {
    return to + j / panel_width * panel_width * depth + k * width(j) + j % panel_width;
  };
  if (from.column == 1) {
    for (int64_t k = 0; k < depth; ++k) {
      const float* x = from.data + k * from.row;
      for (int64_t j = 0; j < whole; j += lanes) hn::StoreU(hn::LoadU(d, x + j), d, place(k, j));
    }
  } else {
    for (int64_t j = 0; j < whole; j += lanes) {
      const float* x = from.data + j * from.column;
      int64_t k = 0;
      for (; k + 4 <= depth; k += 4) TransposeFourColumns(d, x + k, from.column, place(k, j), width(j));
      for (; k < depth; ++k) {
        for (int64_t i = 0; i < lanes; ++i) place(k, j)[i] = x[i * from.column + k];
      }
    }
  }
  if (whole == columns) return;
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t i = 0; i < lanes; ++i) place(k, whole)[i] = whole + i < columns ? *from.at(k, whole + i).data : 0.0f;
  }
}

// Rows that lie a multiple of a page apart share a few places of the first-level cache, too few for a tile of them.
bool is_readable_as_it_lies(Matrix<float> a) { return a.column == 1 && a.row % 1024 != 0; }

// R rows of c against one panel; columns that no whole vector covers go by way of `edge`, added up in the same order.
template <int R, int V, class Rows>
HWY_INLINE void multiply_panel(Rows rows, const float* panel, int64_t depth, int64_t columns, float* c, int64_t stride,
                               bool accumulate, float* edge) {
  const Floats d;
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
  for (int64_t j = 0; j < columns; j += panel_width) {
    const int64_t here = std::min(panel_width, columns - j);
    if (HWY_LIKELY(here > lanes)) {
      multiply_panel<R, 2>(rows, panels + j * depth, depth, here, c + j, stride, accumulate, edge);
    } else {
      multiply_panel<R, 1>(rows, panels + j * depth, depth, here, c + j, stride, accumulate, edge);
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
  const bool direct = is_readable_as_it_lies(a);
  const int64_t panels_size = block * round_up(std::min(n, most_columns), lanes);
  float* panels = thread_room(panels_size + most_rows * panel_width + (direct ? 0 : block * std::min(m, group_rows)));
  float *edge = panels + panels_size, *packed = edge + most_rows * panel_width;
  for (int64_t column = 0; column < n; column += most_columns) {
    const int64_t columns = std::min(most_columns, n - column);
    for (int64_t p = 0; p < k; p += block) {
      const int64_t depth = std::min(block, k - p);
      const bool adds = accumulate || p > 0;
      pack_panels(depth, columns, b.at(p, column), panels);
      for (int64_t group = 0; group < m; group += group_rows) {
        const Matrix<float> left = a.at(group, p);
        const int64_t rows = std::min(group_rows, m - group);
        if (!direct) pack_rows(rows, depth, left, packed);
        each_tile<most_rows>(rows, [&]<int R>(std::integral_constant<int, R>, int64_t row) HWY_ATTR {
          float* to = c + (group + row) * stride + column;
          if (direct) {
            const StridedRows<R, float> from(left.data + row * left.row, left.row);
            multiply_rows<R>(from, panels, depth, columns, to, stride, adds, edge);
          } else {
            const PackedRows<R, float> from(packed + row * depth);
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
