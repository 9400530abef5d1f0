#include "fovea/autograd/sparse_rows.h"

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/backends/row_sparse.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea::autograd {
namespace {

Tensor over(const BufferRef& buffer, DType dtype, const Shape& shape) {
  auto* impl = new TensorImpl;
  Tensor out(impl);
  impl->buffer = buffer;
  impl->view = {impl->buffer.get(), 0, dtype, shape, contiguous_strides(shape)};
  return out;
}

}  // namespace

Tensor row_index(const RowSparse& gradient) { return over(gradient.rows, i32, {gradient.count}); }

Tensor row_values(const RowSparse& gradient, const Tensor& parameter) {
  return over(gradient.values, parameter.dtype(), {gradient.count, parameter.shape()[1]});
}

Tensor gather_rows(const Tensor& table, const Tensor& index) {
  static const Elementwise present{"row_index", [](Expr row, Scalar last) { return minimum(row, last); }};
  const Tensor rows = present(index, static_cast<double>(table.shape()[0] - 1));
  Tensor out = raw::empty({index.numel(), table.shape()[1]}, table.options());
  table.backend().gather({table.view(), rows.view(), out.view(), 0, true});
  return out;
}

void add_rows(const Tensor& table, const Tensor& index, const Tensor& values, double scale) {
  table.backend().scatter_add({values.view(), index.view(), table.view(), 0, true, absent_row, scale});
  ++table.buffer()->version;
}

RowSparse from_rows(const Tensor& index, const Tensor& values, const Tensor& parameter) {
  // Each row is a bag of one; the gradient of their sum is by distinct row.
  const Tensor offsets = arange(0, static_cast<double>(index.numel()), 1, index.options());
  return parameter.backend().bag_backward(
      {.index = index.view(), .offsets = offsets.view(), .dout = values.view(), .skip = absent_row});
}

RowSparse add_up(const RowSparse& a, const RowSparse& b, const Tensor& parameter) {
  const NoGrad off;
  const Tensor index = concat({row_index(a), row_index(b)}, 0);
  const Tensor values = concat({row_values(a, parameter), row_values(b, parameter)}, 0);
  return from_rows(index, values, parameter);
}

Tensor to_dense(const RowSparse& gradient, const Tensor& parameter) {
  Tensor out = zeros(parameter.shape(), parameter.options());
  add_rows(out, row_index(gradient), row_values(gradient, parameter));
  return out;
}

}  // namespace fovea::autograd
