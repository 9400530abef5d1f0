#pragma once

#include "fovea/backends/cpu/gemm.h"

namespace fovea::cpu {

/// Whether packing an operand of such a product would take longer than the product itself.
inline constexpr int64_t most_small_depth = 64, most_small_columns = 32, most_small_work = 8192;
inline bool is_small_product(int64_t m, int64_t n, int64_t k) {
  return k <= most_small_depth && n <= most_small_columns && m * n * k <= most_small_work;
}

/// c [m, n], rows `stride` apart, = a [m, k] b [k, n] (+ c with `accumulate`, or + bias [n] where given instead) without
/// packing, on the calling thread; any strides. Only where is_small_product() and has_tile_product(). An element's terms are
/// added in the order of tile_product().
void small_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                   bool accumulate, const float* bias);

}  // namespace fovea::cpu
