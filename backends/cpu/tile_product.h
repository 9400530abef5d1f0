#pragma once

#include "fovea/backends/cpu/gemm.h"

namespace fovea::cpu {

/// Whether this machine's vectors are wide enough for tile_product() to beat OpenBLAS.
bool has_tile_product();

/// c [m, n], rows `stride` apart, = a [m, k] b [k, n] (+ c with `accumulate`) in tiles of registers, on the calling
/// thread; one axis of each operand is dense. Only where has_tile_product(). An element's terms are added in an order
/// that k alone decides, so a product may be cut anywhere along m and n.
void tile_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                  bool accumulate);

/// tile_product() with a right operand that a thread multiplies again and again: it stays packed with the thread under a
/// name until the thread packs another. It has at most most_kept_panels elements, so that a second-level cache holds it.
void tile_product(uint64_t name, int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c,
                  int64_t stride, bool accumulate);
inline constexpr int64_t most_kept_panels = int64_t{1} << 19;
/// A name that nobody has yet.
uint64_t name_panels();

}  // namespace fovea::cpu
