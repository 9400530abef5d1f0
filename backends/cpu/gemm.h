#pragma once

#include <cstdint>

#include "fovea/backends/dtype.h"

namespace fovea::cpu {

/// A matrix operand by strides: element (i, j) stands at data[i * row + j * column].
template <class T>
struct Matrix {
  const T* data;
  int64_t row;
  int64_t column;

  Matrix at(int64_t i, int64_t j) const { return {data + i * row + j * column, row, column}; }
  Matrix transposed() const { return {data, column, row}; }
  /// The stride of an axis of one element means nothing; let one axis be dense all the same.
  Matrix with_dense_axis(int64_t rows, int64_t columns) const {
    if (columns == 1) return {data, row, 1};
    return {data, rows == 1 && column != 1 ? 1 : row, column};
  }
  bool operator==(const Matrix&) const = default;
};

/// Whether rows are dense and do not overlap.
bool is_dense(int64_t rows, int64_t columns, int64_t row, int64_t column);
/// Whether gemm() takes such strides: rows or columns are dense.
bool is_blas_layout(int64_t rows, int64_t columns, int64_t row, int64_t column);

/// c [m, n], rows `stride` apart, = a [m, k] b [k, n] (+ c with `accumulate`, or + bias [n] where given instead), on the
/// calling thread alone.
void gemm(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride, bool accumulate,
          const float* bias = nullptr);
void gemm(int64_t m, int64_t n, int64_t k, Matrix<double> a, Matrix<double> b, double* c, int64_t stride,
          bool accumulate, const double* bias = nullptr);

/// The size of the blocks that a product of f32 or f64 is cut into, such that its result does not depend on the number of
/// threads.
struct Blocks {
  int64_t rows, columns;
};
Blocks cut_product(int64_t m, int64_t n, int64_t k, DType dtype);
/// Multiply-adds that are worth a thread's attention: about 10 us. What reads memory more than it multiplies, and what need
/// not be packed twice for it, is worth it sooner.
inline constexpr int64_t product_grain = int64_t{3} << 18, light_product_grain = product_grain / 4;

}  // namespace fovea::cpu
