#pragma once

#include <cstdint>

#include "fovea/backends/cpu/gemm.h"

namespace fovea::cpu {

/// c [m, n], rows `stride` apart, = a [m, k] b [k, n] (+ c with `accumulate`) by OpenBLAS on the calling thread alone.
/// Operands as is_blas_layout() has them, no size over 2^30. The library is loaded by the first product that needs it:
/// with what it brings it costs 2 ms and 2.5 MiB, and models in f32 do without on machines with wide vectors
/// (tile_product.h). Throws DeviceError where it is missing.
void blas_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                  bool accumulate);
void blas_product(int64_t m, int64_t n, int64_t k, Matrix<double> a, Matrix<double> b, double* c, int64_t stride,
                  bool accumulate);

}  // namespace fovea::cpu
