#pragma once

#include "fovea/backends/cpu/gemm.h"
#include "fovea/backends/cpu/product_blocks.h"
#include "fovea/backends/cpu/skinny.h"

namespace fovea::cpu {

/// Whether packing an operand of such a product would take longer than the product itself.
inline constexpr int64_t most_small_depth = 64, most_small_columns = 32, most_small_work = 8192;
inline bool is_small_product(int64_t m, int64_t n, int64_t k) {
  return k <= most_small_depth && n <= most_small_columns && m * n * k <= most_small_work;
}

/// From this much work on a right operand whose rows are dense is packed, which pays the sooner the more rows read it; up to
/// skinny_rows of them never do.
inline constexpr int64_t most_unpacked_rows = 47, least_packed_work = int64_t{5} << 17;
inline bool reads_as_it_lies(int64_t m, int64_t n, int64_t k) {
  return m <= skinny_rows ||
         (k <= most_depth && m * n * k < (m <= most_unpacked_rows ? 2 * least_packed_work : least_packed_work));
}

/// c [m, n], rows `stride` apart, = a [m, k] b [k, n] (+ c with `accumulate`, or + bias [n] where given instead) without
/// packing, on the calling thread; any strides of a, and of b where is_small_product(), else its rows are dense. Only where
/// has_tile_product(). An element's terms are added in the order of their steps, which is that of tile_product() up to
/// most_depth of them.
void unpacked_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                      bool accumulate, const float* bias);

}  // namespace fovea::cpu
