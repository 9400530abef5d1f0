#pragma once

#include "fovea/backends/cpu/gemm.h"

namespace fovea::cpu {

/// Whether a product of this size goes by split_product(): where matrix tiles (AMX) multiply bf16 at more than six times the
/// rate of f32. Lines are rows or columns; with fewer, packing them takes what tiles save.
bool splits_product(int64_t m, int64_t n, int64_t k);
inline constexpr int64_t least_split_rows = 48, least_split_columns = 32;

/// c [m, n], rows `stride` apart, = a [m, k] b [k, n] (+ c with `accumulate`, or + bias [n] where given instead) by matrix
/// tiles, on the calling thread; one axis of each operand is dense. Each f32 is three bf16 that add up to it, and of their nine
/// products the six greatest are added in f32; what the other three come to is below 2^-23 of an element's terms. Parts below
/// 2^-126 count as zero, so numbers below 2^-102 keep fewer digits. Infinities and NaN go where f32's own instructions take
/// them. An element's terms are added in an order that k alone decides. Only where splits_product().
void split_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                   bool accumulate, const float* bias);

/// split_product() with a right operand that was packed whole before: packed_for_split_product() floats.
void split_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, const float* packed, float* c, int64_t stride,
                   bool accumulate, const float* bias);
int64_t packed_for_split_product(int64_t n, int64_t k);
void pack_for_split_product(int64_t n, int64_t k, Matrix<float> b, float* packed);

}  // namespace fovea::cpu
