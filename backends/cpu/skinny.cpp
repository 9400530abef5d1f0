#include "fovea/backends/cpu/skinny.h"

#include <algorithm>

#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/skinny.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/math_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// C columns of y, each dense along k, times R dense rows of x.
template <int R, int C>
HWY_INLINE void dot_tile(int64_t depth, const float* x, int64_t x_row, const float* y, int64_t y_column, float* out,
                         int64_t out_row, int64_t out_column, bool accumulate) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<decltype(d)> sums[R][C];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) sums[r][c] = hn::Zero(d);
  }
  int64_t k = 0;
  for (; k + lanes <= depth; k += lanes) {
    hn::Vec<decltype(d)> left[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) left[r] = hn::LoadU(d, x + r * x_row + k);
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      const auto right = hn::LoadU(d, y + c * y_column + k);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) sums[r][c] = hn::MulAdd(left[r], right, sums[r][c]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      float sum = hn::GetLane(hn::SumOfLanes(d, sums[r][c]));
      for (int64_t rest = k; rest < depth; ++rest) sum += x[r * x_row + rest] * y[c * y_column + rest];
      float& to = out[r * out_row + c * out_column];
      to = accumulate ? to + sum : sum;
    }
  }
}

// As many rows at a time as registers hold sums of; the next ones find the columns in the first-level cache.
template <int R, int C>
HWY_INLINE void dot_tiles(int64_t depth, const float* x, int64_t x_row, const float* y, int64_t y_column, float* out,
                          int64_t out_row, int64_t out_column, bool accumulate) {
  constexpr int together = R < 4 ? R : 4;
  dot_tile<together, C>(depth, x, x_row, y, y_column, out, out_row, out_column, accumulate);
  if constexpr (R > together)
    dot_tile<R - together, C>(depth, x + together * x_row, x_row, y, y_column, out + together * out_row, out_row,
                              out_column, accumulate);
}

template <int R>
void dot_form(int64_t columns, int64_t depth, const float* x, int64_t x_row, const float* y, int64_t y_column,
              float* out, int64_t out_row, int64_t out_column, bool accumulate) {
  int64_t c = 0;
  for (; c + 4 <= columns; c += 4)
    dot_tiles<R, 4>(depth, x, x_row, y + c * y_column, y_column, out + c * out_column, out_row, out_column, accumulate);
  for (; c < columns; ++c)
    dot_tiles<R, 1>(depth, x, x_row, y + c * y_column, y_column, out + c * out_column, out_row, out_column, accumulate);
}

// Adds P rows of y, dense along the columns, times P columns of x to the R rows of out.
template <int R, int P>
HWY_INLINE void add_rows(int64_t columns, const float* x, int64_t x_row, const float* HWY_RESTRICT y, int64_t y_row,
                         float* HWY_RESTRICT out, int64_t out_row) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t j = 0;
  for (; j + lanes <= columns; j += lanes) {
    hn::Vec<decltype(d)> rows[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) rows[p] = hn::LoadU(d, y + p * y_row + j);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      auto sum = hn::LoadU(d, out + r * out_row + j);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sum = hn::MulAdd(hn::Set(d, x[r * x_row + p]), rows[p], sum);
      hn::StoreU(sum, d, out + r * out_row + j);
    }
  }
  const int64_t rest = columns - j;
  for (int r = 0; r < R && rest > 0; ++r) {
    auto sum = LoadFirst(d, out + r * out_row + j, rest);
    for (int p = 0; p < P; ++p)
      sum = hn::MulAdd(hn::Set(d, x[r * x_row + p]), LoadFirst(d, y + p * y_row + j, rest), sum);
    StoreFirst(d, sum, out + r * out_row + j, rest);
  }
}

template <int R>
void row_form(int64_t columns, int64_t depth, const float* x, int64_t x_row, const float* y, int64_t y_row, float* out,
              int64_t out_row) {
  // A strip of the output, in whole vectors, that stays in the first-level cache.
  constexpr int64_t strip = 8192 / sizeof(float) / R / 64 * 64;
  for (int64_t j = 0; j < columns; j += strip) {
    const int64_t here = std::min(strip, columns - j);
    int64_t k = 0;
    // Of one row what comes and goes counts most.
    for (; R == 1 && k + 8 <= depth; k += 8)
      add_rows<R, 8>(here, x + k, x_row, y + k * y_row + j, y_row, out + j, out_row);
    for (; k + 4 <= depth; k += 4) add_rows<R, 4>(here, x + k, x_row, y + k * y_row + j, y_row, out + j, out_row);
    for (; k < depth; ++k) add_rows<R, 1>(here, x + k, x_row, y + k * y_row + j, y_row, out + j, out_row);
  }
}

// Calls f(integral_constant<R>) for R to skinny_rows rows.
template <int R = 1, class F>
void visit_rows(int64_t rows, F f) {
  if constexpr (R < skinny_rows) {
    if (rows > R) return visit_rows<R + 1>(rows, f);
  }
  f(std::integral_constant<int, R>{});
}

void dots_f32(int64_t rows, int64_t columns, int64_t depth, const float* x, int64_t x_row, const float* y,
              int64_t y_column, float* out, int64_t out_row, int64_t out_column, bool accumulate) {
  visit_rows(rows, [&]<int R>(std::integral_constant<int, R>) {
    dot_form<R>(columns, depth, x, x_row, y, y_column, out, out_row, out_column, accumulate);
  });
}
void rows_f32(int64_t rows, int64_t columns, int64_t depth, const float* x, int64_t x_row, const float* y,
              int64_t y_row, float* out, int64_t out_row) {
  visit_rows(rows, [&]<int R>(std::integral_constant<int, R>) {
    row_form<R>(columns, depth, x, x_row, y, y_row, out, out_row);
  });
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(dots_f32);
FOVEA_VERSIONS(rows_f32);

void skinny_product(int64_t rows, int64_t columns, int64_t depth, Matrix<float> x, Matrix<float> y, float* out,
                    int64_t out_row, int64_t out_column, bool accumulate) {
  Scratch<float> dense;
  if (x.column != 1 && depth > 1) {
    dense = Scratch<float>(rows * depth);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t k = 0; k < depth; ++k) dense[r * depth + k] = x.data[r * x.row + k * x.column];
    }
    x = {dense.data(), depth, 1};
  }
  if ((y.row == 1 || depth <= 1) && (y.column != 1 || columns <= 1))
    return FOVEA_DISPATCH(dots_f32)(rows, columns, depth, x.data, x.row, y.data, y.column, out, out_row, out_column,
                                    accumulate);
  if (out_column == 1) {
    for (int64_t r = 0; r < rows && !accumulate; ++r) std::fill_n(out + r * out_row, columns, 0.0f);
    return FOVEA_DISPATCH(rows_f32)(rows, columns, depth, x.data, x.row, y.data, y.row, out, out_row);
  }
  const Scratch<float> sums(rows * columns);
  std::fill_n(sums.data(), rows * columns, 0.0f);
  FOVEA_DISPATCH(rows_f32)(rows, columns, depth, x.data, x.row, y.data, y.row, sums.data(), columns);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < columns; ++j) {
      float& to = out[r * out_row + j * out_column];
      to = accumulate ? to + sums[r * columns + j] : sums[r * columns + j];
    }
  }
}

}  // namespace fovea::cpu
#endif
