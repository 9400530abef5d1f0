#pragma once

#include "fovea/backends/cpu/gemm.h"

namespace fovea::cpu {

/// Whether this machine multiplies bf16 far faster than f32: it has matrix tiles for it (Intel's AMX-BF16).
bool has_bf16_product();

/// c [m, n], rows `stride` apart, = a [m, k] b [k, n] (+ c with `accumulate`) on the calling thread: operands rounded to
/// bf16, subnormal ones to zero, sums in f32. Any strides. Only where has_bf16_product(). An element's terms are added in an
/// order that k alone decides.
void bf16_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                  bool accumulate);
void bf16_product(int64_t m, int64_t n, int64_t k, Matrix<BFloat16> a, Matrix<BFloat16> b, float* c, int64_t stride,
                  bool accumulate);

}  // namespace fovea::cpu
