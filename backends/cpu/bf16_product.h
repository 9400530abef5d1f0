#pragma once

#include <type_traits>

#include "fovea/backends/cpu/gemm.h"

namespace fovea::cpu {

/// What this machine multiplies bf16 with: nothing that is faster than f32's instructions, vectors (AVX512-BF16), or matrix
/// tiles (AMX-BF16).
enum class Bf16Unit { none, vectors, tiles };
Bf16Unit bf16_unit();
inline bool has_bf16_product() { return bf16_unit() != Bf16Unit::none; }
/// Runs what follows as on a machine that has no more than this. For tests, before the first product.
void limit_bf16_unit(Bf16Unit most);

/// c [m, n], rows `stride` apart, = a [m, k] b [k, n] (+ c with `accumulate`, or + bias [n] where given instead) on the calling
/// thread: operands of f32 or bf16, rounded to bf16, subnormal ones to zero, sums in f32. Any strides. Only where
/// has_bf16_product(). An element's terms are added in an order that k alone decides.
template <class T>
void bf16_product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, float* c, int64_t stride, bool accumulate,
                  const float* bias = nullptr);

/// bf16_product() with a right operand that was packed whole before, into the room of packed_for_bf16_product() floats.
template <class T>
void bf16_product(int64_t m, int64_t n, int64_t k, Matrix<T> a, const float* packed, float* c, int64_t stride,
                  bool accumulate, const float* bias = nullptr);
int64_t packed_for_bf16_product(int64_t n, int64_t k);
template <class T>
void pack_for_bf16_product(int64_t n, int64_t k, Matrix<T> b, float* packed);

/// bf16_product() of f32 with `bf16_operands`, else gemm().
template <class T>
void gemm_or_bf16(bool bf16_operands, int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t stride,
                  bool accumulate, const T* bias = nullptr) {
  if constexpr (std::is_same_v<T, float>) {
    if (bf16_operands) return bf16_product(m, n, k, a, b, c, stride, accumulate, bias);
  }
  gemm(m, n, k, a, b, c, stride, accumulate, bias);
}

}  // namespace fovea::cpu
