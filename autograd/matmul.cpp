#include "fovea/autograd/matmul.h"

#include "fovea/autograd/autocast.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/int8.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"

namespace fovea {
namespace {

Shape leading(const Shape& shape) {
  Shape out;
  for (int axis = 0; axis < shape.rank() - 2; ++axis) out.push_back(shape[axis]);
  return out;
}

/// How many rows all axes but the last make together.
int64_t row_count(const Shape& shape) {
  int64_t rows = 1;
  for (int axis = 0; axis < shape.rank() - 1; ++axis) rows *= shape[axis];
  return rows;
}

/// [..., n] as [rows, n]; n may be 0.
Tensor as_rows(const Tensor& x) { return x.reshape({row_count(x.shape()), x.shape().back()}); }

Shape with_matrix(Shape leading, int64_t rows, int64_t columns) {
  leading.push_back(rows);
  leading.push_back(columns);
  return leading;
}

void check_operands(const char* name, const Tensor& a, const Tensor& b, Caller caller) {
  raw::check_defined(name, b, caller);
  raw::check_alike(name, {&a, &b}, caller);
  raw::check_floating(name, a, caller);
}

/// Whether products of x are to be computed with copies of their operands in a smaller dtype.
bool casts(const Tensor& x) {
  return x.dtype() == f32 && Autocast::product_dtype() != f32 && !autograd::rounds_operands(x);
}

/// What both have in front of their matrices, broadcast.
Shape batch_of(const Tensor& a, const Tensor& b, Caller caller) {
  try {
    return broadcast_shapes(leading(a.shape()), leading(b.shape()), "matmul", caller);
  } catch (const ShapeError&) {
    raise<ShapeError>(caller, "matmul: leading sizes do not broadcast: {} x {}", a.shape(), b.shape());
  }
}

/// Whether a matrix lies column by column, as that of `w.mT()`.
bool lies_by_columns(const Tensor& x) {
  const int last = x.rank() - 1;
  return x.strides()[last - 1] == 1 && x.strides()[last] > 1 && x.shape()[last - 1] > 1;
}

/// a b, in the layout of `like`: the gradient of a transposed view is what was transposed then, without a copy.
Tensor product_like(const Tensor& like, const Tensor& a, const Tensor& b) {
  return lies_by_columns(like) ? matmul(b.mT(), a.mT()).mT() : matmul(a, b);
}

/// Both of rank 2 or more.
Tensor product(const Tensor& a, const Tensor& b, Caller caller) {
  const Shape batch = batch_of(a, b, caller);
  const int64_t m = a.shape()[a.rank() - 2], k = a.shape().back(), n = b.shape().back();
  const bool rounds = autograd::rounds_operands(a);
  Tensor out;
  if (k == 1 && !rounds) {
    const NoGrad off;
    out = a * b;  // a column times a row: one pass over the result
  } else if (m == 1 && n == 1 && !rounds) {
    static const Elementwise products{"matmul", [](Expr x, Expr y) { return x * y; }};
    const NoGrad off;
    out = products.sum(-1, true, {a, b.mT()});  // a row times a column: one pass over both
  } else {
    out = raw::empty(with_matrix(batch, m, n), a.options());
    const Tensor wide_a = a.rank() == 2 && batch.rank() == 0 ? a : raw::expand(a, with_matrix(batch, m, k));
    const Tensor wide_b = b.rank() == 2 && batch.rank() == 0 ? b : raw::expand(b, with_matrix(batch, k, n));
    a.backend().matmul({.a = wide_a.view(), .b = wide_b.view(), .out = out.view(), .bf16_operands = rounds});
  }
  return record(
      "matmul", std::move(out), {a, b},
      [a = Saved(a), b = Saved(b), rounds](const Tensor& g, Needs needs) {
        const Autocast same(rounds ? bf16 : Autocast::product_dtype());
        Gradients gradients(2);
        if (needs[0]) gradients[0] = sum_to(product_like(*a, g, b->mT()), a->shape());
        if (needs[1]) {
          // One matrix for all rows: its gradient is one product, not a sum over the batch of products.
          if (b->rank() == 2 && a->rank() > 2) {
            gradients[1] = product_like(*b, as_rows(*a).mT(), as_rows(g));
          } else {
            gradients[1] = sum_to(product_like(*b, a->mT(), g), b->shape());
          }
        }
        return gradients;
      },
      caller);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, Caller caller) {
  const ErrorScope scope(caller);
  check_operands("matmul", a, b, caller);
  if (a.rank() == 0 || b.rank() == 0) {
    raise<ShapeError>(caller, "matmul: a scalar is no matrix: {} x {}", a.shape(), b.shape());
  }
  const int64_t inner = b.rank() == 1 ? b.shape()[0] : b.shape()[b.rank() - 2];
  if (a.shape().back() != inner) {
    raise<ShapeError>(caller, "matmul: inner sizes differ: {} x {}", a.shape(), b.shape());
  }
  if (casts(a)) {
    const DType small = Autocast::product_dtype();
    return matmul(a.to(small), b.to(small), caller).to(f32);
  }
  if (a.rank() > 1 && b.rank() > 1) return product(a, b, caller);
  Tensor out = product(a.rank() == 1 ? a.unsqueeze(0) : a, b.rank() == 1 ? b.unsqueeze(1) : b, caller);
  if (b.rank() == 1) out = out.squeeze(-1);
  return a.rank() == 1 ? out.squeeze(b.rank() == 1 ? -1 : -2) : out;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Caller caller) {
  const ErrorScope scope(caller);
  check_operands("linear", x, weight, caller);
  if (x.rank() == 0 || weight.rank() != 2 || x.shape().back() != weight.shape()[1] ||
      (bias.defined() && bias.shape() != Shape{weight.shape()[0]})) {
    raise<ShapeError>(caller, "linear: input {} does not fit weight {}{}", x.shape(), weight.shape(),
                      bias.defined() ? fmt::format(" and bias {}", bias.shape()) : "");
  }
  if (bias.defined()) check_operands("linear", x, bias, caller);
  if (Tensor y = autograd::int8_linear(x, weight, bias); y.defined()) return y;
  if (casts(x)) {
    const DType small = Autocast::product_dtype();
    return linear(x.to(small), weight.to(small), bias.defined() ? bias.to(small) : bias, caller).to(f32);
  }
  const Tensor rows = raw::try_reshape(raw::contiguous(x), {row_count(x.shape()), x.shape().back()});
  Shape shape = x.shape();
  shape[shape.rank() - 1] = weight.shape()[0];
  Tensor out = raw::empty(shape, x.options());
  const Tensor out_rows = raw::try_reshape(out, {row_count(shape), shape.back()});
  const Tensor transposed = raw::window(weight, {weight.shape()[1], weight.shape()[0]},
                                        {weight.strides()[1], weight.strides()[0]}, weight.view().offset);
  const bool rounds = autograd::rounds_operands(x);
  x.backend().matmul({.a = rows.view(),
                      .b = transposed.view(),
                      .out = out_rows.view(),
                      .bias = raw::view_or_null(bias),
                      .bf16_operands = rounds});
  return record(
      "linear", std::move(out), {x, weight, bias},
      [x = Saved(x), weight = Saved(weight), rounds](const Tensor& g, Needs needs) {
        const Autocast same(rounds ? bf16 : Autocast::product_dtype());
        Gradients gradients(3);
        const Tensor g_rows = as_rows(g);
        if (needs[0]) gradients[0] = matmul(g_rows, *weight).reshape(x->shape());
        if (needs[1]) gradients[1] = matmul(g_rows.mT(), as_rows(*x));
        if (needs[2]) gradients[2] = sum(g_rows, 0);
        return gradients;
      },
      caller);
}

}  // namespace fovea
