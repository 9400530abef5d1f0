#pragma once

#include "fovea/tensor/tensor.h"

// Gradients by rows (RowSparse) as tensors, outside the graph.
namespace fovea::autograd {

/// The indices i32 [count] and the values [count, width] of a gradient of `parameter`, sharing its memory.
Tensor row_index(const RowSparse& gradient);
Tensor row_values(const RowSparse& gradient, const Tensor& parameter);

/// Rows of a matrix: table[index]; whatever for an index of absent_row.
Tensor gather_rows(const Tensor& table, const Tensor& index);
/// table[index] += scale * values, in place, but for an index of absent_row; the others are distinct.
void add_rows(const Tensor& table, const Tensor& index, const Tensor& values, double scale = 1);

/// The gradient of a parameter whose rows `index` i32 [n] get `values` [n, width]: rows that stand there several times are
/// added up, those of absent_row left out.
RowSparse from_rows(const Tensor& index, const Tensor& values, const Tensor& parameter);

/// The sum of two gradients of one parameter.
RowSparse add_up(const RowSparse& a, const RowSparse& b, const Tensor& parameter);

/// The gradient as an ordinary tensor of the parameter's shape.
Tensor to_dense(const RowSparse& gradient, const Tensor& parameter);

}  // namespace fovea::autograd
