#include "fovea/backends/cpu/unpacked_product.h"

#include <algorithm>

#include "fovea/backends/cpu/product_blocks.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/unpacked_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2
namespace {

// R rows of a left operand whose steps lie `step` apart.
template <int R>
class SteppedRows {
 public:
  SteppedRows(const Matrix<float>& a, int64_t row) : rows_(a.at(row, 0).data, a.row), step_(a.column) {}
  HWY_INLINE float operator[](int r) const { return rows_[r]; }
  HWY_INLINE void next() { rows_.next(step_); }

 private:
  StridedRows<R, float> rows_;
  int64_t step_;
};

// A right operand whose rows lie `row` apart, the last of V vectors in part.
template <int V>
class StridedPanel {
 public:
  StridedPanel(const float* x, int64_t row, hn::Mask<Floats> last) : x_(x), row_(row), last_(last) {}
  HWY_INLINE hn::Vec<Floats> load(Floats d, int v) const {
    const float* x = x_ + v * float_lanes;
    return v + 1 < V ? hn::LoadU(d, x) : hn::MaskedLoad(last_, d, x);
  }
  HWY_INLINE void next(Floats) { x_ += row_; }

 private:
  const float* x_;
  int64_t row_;
  hn::Mask<Floats> last_;
};

// R rows of c against up to V vectors of columns, rows of which lie `b_row` apart.
template <int R, int V>
HWY_INLINE void multiply_rows(SteppedRows<R> rows, const float* b, int64_t b_row, int64_t depth, int64_t columns,
                              float* c, Addend addend, int64_t stride) {
  const Floats d;
  constexpr int64_t before = (V - 1) * float_lanes;  // in whole vectors
  const auto last = hn::FirstN(d, static_cast<size_t>(columns - before));
  hn::Vec<Floats> sums[R][V];
  clear_tile(d, sums);
  StridedPanel<V> panel(b, b_row, last);
  add_to_tile(d, rows, panel, depth, sums);
  for (int r = 0; r < R; ++r) {
    const float* more = addend.data + r * addend.row;
    float* to = c + r * stride;
#pragma GCC unroll 8
    for (int v = 0; v + 1 < V; ++v) {
      if (addend.data) sums[r][v] = hn::Add(hn::LoadU(d, more + v * float_lanes), sums[r][v]);
      hn::StoreU(sums[r][v], d, to + v * float_lanes);
    }
    if (addend.data) sums[r][V - 1] = hn::Add(hn::MaskedLoad(last, d, more + before), sums[r][V - 1]);
    hn::BlendedStore(sums[r][V - 1], last, d, to + before);
  }
}

// tile(integral_constant<R>, first) for all R rows from `first` on, which are at most Most.
template <int Most, class F>
HWY_INLINE void last_tile(int64_t rows, int64_t first, F tile) {
  if constexpr (Most > 0) {
    if (rows == Most) return tile(std::integral_constant<int, Most>{}, first);
    last_tile<Most - 1>(rows, first, tile);
  }
}

// As each_tile(), but for what is left a tile of that many rows.
template <class F>
HWY_INLINE void each_whole_tile(int64_t rows, F tile) {
  int64_t row = 0;
  for (; rows - row >= most_rows; row += most_rows) tile(std::integral_constant<int, most_rows>{}, row);
  last_tile<most_rows - 1>(rows - row, row, tile);
}

// So few rows leave registers for tiles of twice the width.
constexpr int few_rows = many_registers ? most_rows / 2 : 2, wide_vectors = 2 * most_vectors;

}  // namespace

void multiply_unpacked(int64_t m, int64_t n, int64_t depth, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                       Addend addend) {
  int64_t done = 0;
  if (m <= few_rows && b.column == 1) {
    for (constexpr int64_t width = wide_vectors * float_lanes; n - done >= width; done += width) {
      last_tile<few_rows>(m, 0, [&]<int R>(std::integral_constant<int, R>, int64_t) HWY_ATTR {
        multiply_rows<R, wide_vectors>(SteppedRows<R>(a, 0), b.data + done, b.row, depth, width, c + done,
                                       addend.at(0, done), stride);
      });
    }
  }
  HWY_ALIGN float turned[most_small_depth * most_small_columns];
  each_column_tile(n - done, [&]<int V>(std::integral_constant<int, V>, int64_t behind) HWY_ATTR {
    const int64_t j = done + behind, columns = std::min(V * float_lanes, n - j);
    const float* right = b.data + j * b.column;
    int64_t right_row = b.row;
    if (b.column != 1 && columns > 1) {
      for (int64_t k = 0; k < depth; ++k) {
        for (int64_t i = 0; i < columns; ++i) turned[k * V * float_lanes + i] = right[k * b.row + i * b.column];
      }
      right = turned;
      right_row = V * float_lanes;
    }
    each_whole_tile(m, [&]<int R>(std::integral_constant<int, R>, int64_t row) HWY_ATTR {
      multiply_rows<R, V>(SteppedRows<R>(a, row), right, right_row, depth, columns, c + row * stride + j,
                          addend.at(row, j), stride);
    });
  });
}
#else
void multiply_unpacked(int64_t, int64_t, int64_t, Matrix<float>, Matrix<float>, float*, int64_t, Addend) {}
#endif

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(multiply_unpacked);

void unpacked_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                      bool accumulate, const float* bias) {
  FOVEA_DISPATCH(multiply_unpacked)(m, n, k, a, b, c, stride, accumulate ? Addend{c, stride} : Addend{bias, 0});
}

}  // namespace fovea::cpu
#endif
