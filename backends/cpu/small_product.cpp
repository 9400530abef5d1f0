#include "fovea/backends/cpu/small_product.h"

#include <algorithm>

#include "fovea/backends/cpu/product_blocks.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/small_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/math_lanes-inl.h"
#include "fovea/backends/cpu/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2
namespace {

// R rows of c against up to a vector of columns, rows of which lie `b_row` apart.
template <int R>
HWY_INLINE void multiply_rows(Matrix<float> a, const float* b, int64_t b_row, int64_t depth, int64_t columns, float* c,
                              Addend addend, int64_t stride) {
  const Floats d;
  hn::Vec<Floats> sums[R];
  for (int r = 0; r < R; ++r) sums[r] = hn::Zero(d);
  for (int64_t k = 0; k < depth; ++k) {
    const auto right = LoadUpTo(d, b + k * b_row, columns);
    for (int r = 0; r < R; ++r) {
      const auto left = hn::Set(d, a.data[r * a.row + k * a.column]);
      sums[r] = hn::MulAdd(left, right, sums[r]);
    }
  }
  for (int r = 0; r < R; ++r) {
    if (addend.data) sums[r] = hn::Add(LoadUpTo(d, addend.data + r * addend.row, columns), sums[r]);
    StoreUpTo(d, sums[r], c + r * stride, columns);
  }
}

}  // namespace

void multiply_small(int64_t m, int64_t n, int64_t depth, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                    Addend addend) {
  HWY_ALIGN float turned[most_small_depth * float_lanes];
  for (int64_t j = 0; j < n; j += float_lanes) {
    const int64_t columns = std::min(float_lanes, n - j);
    const float* right = b.data + j;
    int64_t right_row = b.row;
    if (b.column != 1 && columns > 1) {
      for (int64_t k = 0; k < depth; ++k) {
        for (int64_t i = 0; i < columns; ++i) turned[k * float_lanes + i] = b.data[k * b.row + (j + i) * b.column];
      }
      right = turned;
      right_row = float_lanes;
    } else if (columns == 1) {
      right = b.data + j * b.column;
    }
    each_tile<8>(m, [&]<int R>(std::integral_constant<int, R>, int64_t row) HWY_ATTR {
      multiply_rows<R>(a.at(row, 0), right, right_row, depth, columns, c + row * stride + j, addend.at(row, j), stride);
    });
  }
}
#else
void multiply_small(int64_t, int64_t, int64_t, Matrix<float>, Matrix<float>, float*, int64_t, Addend) {}
#endif

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(multiply_small);

void small_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                   bool accumulate, const float* bias) {
  FOVEA_DISPATCH(multiply_small)(m, n, k, a, b, c, stride, accumulate ? Addend{c, stride} : Addend{bias, 0});
}

}  // namespace fovea::cpu
#endif
