#pragma once

#include "fovea/backends/cpu/gemm.h"

namespace fovea::cpu {

/// How many floats this machine's vectors hold; 1 where they are too short for tile_product() to beat OpenBLAS.
int64_t vector_lanes();
inline bool has_tile_product() { return vector_lanes() > 1; }

/// c [m, n], rows `stride` apart, = a [m, k] b [k, n] (+ c with `accumulate`, or + bias [n] where given instead) in tiles of
/// registers, on the calling thread; one axis of each operand is dense. Only where has_tile_product(). An element's terms are
/// added in an order that k alone decides, so a product may be cut anywhere along m and n.
void tile_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                  bool accumulate, const float* bias = nullptr);

/// tile_product() with a right operand that was packed whole before: packed_for_tile_product() floats.
void tile_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, const float* packed, float* c, int64_t stride,
                  bool accumulate, const float* bias = nullptr);
int64_t packed_for_tile_product(int64_t n, int64_t k);
void pack_for_tile_product(int64_t n, int64_t k, Matrix<float> b, float* packed);

}  // namespace fovea::cpu
