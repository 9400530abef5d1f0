#pragma once

#include "fovea/backends/cpu/gemm.h"

namespace fovea::cpu {

/// Products with a matrix of at most this many rows (or columns) are bound by reading the other operand once.
inline constexpr int64_t skinny_rows = 8;

/// out[r * out_row + j * out_column] = sum over k of x[r, k] * y[k, j] (+ out with `accumulate`) for x [rows, depth]
/// and y [depth, columns], where rows <= skinny_rows and one axis of y is dense. One thread.
void skinny_product(int64_t rows, int64_t columns, int64_t depth, Matrix<float> x, Matrix<float> y, float* out,
                    int64_t out_row, int64_t out_column, bool accumulate);

}  // namespace fovea::cpu
