#include <array>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

/// What is multiplied in one step along an axis: elements [0, ways * many) in `ways` parts; the rest is left as it is.
struct ProductStep {
  int axis;
  int64_t ways, many, rest;

  ProductStep(const Tensor& x, int axis)
      : axis(axis), ways(x.shape()[axis] < 8 ? 2 : 8), many(x.shape()[axis] / ways), rest(x.shape()[axis] % ways) {}
  Tensor part(const Tensor& x, int64_t i) const { return x.slice(axis, i * many, (i + 1) * many); }
  Tensor rest_of(const Tensor& x) const { return x.slice(axis, ways * many); }
  Tensor products_of(const Tensor& y) const { return y.slice(axis, 0, many); }
  Tensor rest_behind(const Tensor& y) const { return y.slice(axis, many); }
};

/// Uninitialised, without gaps; neighbours along `axis` lie furthest apart.
Tensor axis_outermost(const Shape& shape, int axis, TensorOptions options) {
  Strides strides = shape;
  int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    if (i == axis) continue;
    strides[i] = step;
    step *= shape[i];
  }
  strides[axis] = step;
  return raw::window(raw::empty(shape, options), shape, strides, 0);
}

Tensor multiply_parts(const Tensor& x, int axis) {
  static const Elementwise two{"prod", [](Expr a, Expr b) { return a * b; }};
  static const Elementwise eight{"prod", [](Expr a, Expr b, Expr c, Expr d, Expr e, Expr f, Expr g, Expr h) {
                                   return ((a * e) * (c * g)) * ((b * f) * (d * h));
                                 }};
  const ProductStep step(x, axis);
  Shape shape = x.shape();
  shape[axis] = step.many + step.rest;
  // Short rows would be walked one by one: from then on the axis lies outermost.
  Tensor y = shape[axis] > 32 ? raw::empty(shape, x.options()) : axis_outermost(shape, axis, x.options());
  std::array<Tensor, 8> part;
  for (int64_t i = 0; i < step.ways; ++i) part[static_cast<size_t>(i)] = step.part(x, i);
  const Tensor products = step.products_of(y);
  if (step.ways == 2) {
    two.into({&products}, {part[0], part[1]});
  } else {
    eight.into({&products}, {part[0], part[1], part[2], part[3], part[4], part[5], part[6], part[7]});
  }
  if (step.rest > 0) raw::copy(step.rest_of(x), step.rest_behind(y));
  return y;
}

/// From the gradient of multiply_parts(x, axis) that of x, written to dx.
Tensor part_gradients(const Tensor& x, int axis, const Tensor& g, const Tensor& dx) {
  static const Elementwise two{"prod_backward", [](Expr dy, Expr a, Expr b) {
                                 return std::vector<Expr>{dy * b, dy * a};
                               }};
  static const Elementwise eight{
      "prod_backward", [](Expr dy, Expr a, Expr b, Expr c, Expr d, Expr e, Expr f, Expr g, Expr h) {
        const Expr ae = a * e, bf = b * f, cg = c * g, dh = d * h;
        const Expr even = dy * (bf * dh), odd = dy * (ae * cg);
        const Expr dae = even * cg, dcg = even * ae, dbf = odd * dh, ddh = odd * bf;
        return std::vector<Expr>{dae * e, dbf * f, dcg * g, ddh * h, dae * a, dbf * b, dcg * c, ddh * d};
      }};
  const ProductStep step(x, axis);
  std::array<Tensor, 8> part, out;
  for (int64_t i = 0; i < step.ways; ++i) {
    part[static_cast<size_t>(i)] = step.part(x, i);
    out[static_cast<size_t>(i)] = step.part(dx, i);
  }
  const Tensor dy = step.products_of(g);
  if (step.ways == 2) {
    two.into({&out[0], &out[1]}, {dy, part[0], part[1]});
  } else {
    eight.into({&out[0], &out[1], &out[2], &out[3], &out[4], &out[5], &out[6], &out[7]},
               {dy, part[0], part[1], part[2], part[3], part[4], part[5], part[6], part[7]});
  }
  if (step.rest > 0) raw::copy(step.rest_behind(g), step.rest_of(dx));
  return dx;
}

/// The product along an axis in ordinary operations: halves are multiplied until one element is left.
Tensor product_by_halves(Tensor out, int axis) {
  while (out.shape()[axis] > 1) {
    const int64_t half = out.shape()[axis] / 2;
    Tensor product = out.slice(axis, 0, half) * out.slice(axis, half, 2 * half);
    if (out.shape()[axis] % 2 == 1) product = concat({product, out.slice(axis, 2 * half)}, axis);
    out = product;
  }
  return out;
}

/// No derivative of it divides, so zeros need no special case.
Tensor product_along(const Tensor& x, int axis, Caller caller) {
  std::vector<Tensor> levels{x.detach()};
  {
    const NoGrad off;
    while (levels.back().shape()[axis] > 1) levels.push_back(multiply_parts(levels.back(), axis));
  }
  Tensor out = levels.back();
  levels.pop_back();
  if (!levels.empty()) levels.erase(levels.begin());  // x is saved as it is
  return record(
      "prod", std::move(out), {x},
      [x = Saved(x), levels = std::move(levels), axis](const Tensor& given, Needs needs) {
        if (grad_enabled()) {
          return autograd::differentiate(
              [&](const std::vector<Tensor>& in) { return std::vector<Tensor>{product_by_halves(in[0], axis)}; },
              {&*x, 1}, {&given, 1}, needs);
        }
        Tensor g = given;
        for (size_t i = levels.size(); i-- > 0;) {
          const Tensor& level = levels[i];
          g = part_gradients(
              level, axis, g,
              raw::window(raw::empty(level.shape(), level.options()), level.shape(), level.strides(), 0));
        }
        return Gradients{part_gradients(*x, axis, g, raw::empty(x->shape(), x->options()))};
      },
      caller);
}

}  // namespace

Tensor prod(const Tensor& x, const Axes& axes, bool keepdim, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("prod", x, caller);
  if (x.dtype() == boolean) return prod(x.to(i32, caller), axes, keepdim, caller);
  const auto reduced = chosen_axes(axes, x.rank(), "prod", caller);
  Tensor out = x;
  Shape left;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int64_t size = x.shape()[axis];
    if (!reduced[static_cast<size_t>(axis)]) {
      left.push_back(size);
    } else if (size == 0) {
      Shape one = out.shape();
      one[axis] = 1;
      out = ones(one, x.options());
    } else if (size > 1) {
      out = product_along(out, axis, caller);
    }
  }
  if (out.impl() == x.impl()) out = x.clone(caller);  // products of one element each have memory of their own
  return keepdim ? out : out.reshape(left, caller);
}

}  // namespace fovea
