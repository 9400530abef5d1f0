#include "fovea/autograd/reductions.h"

#include <array>
#include <cmath>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

/// sqrt(s), whose gradient at 0 is 0.
constexpr auto flat_root = [](Expr s) {
  const Expr zero = s == 0;
  return where(zero, 0.0, sqrt(where(zero, 1.0, s)));
};

/// x's shape with the reduced axes of size 1.
Shape kept_shape(const Tensor& x, const Axes& axes, const char* name, Caller caller) {
  const auto reduced = chosen_axes(axes, x.rank(), name, caller);
  Shape kept = x.shape();
  for (int axis = 0; axis < kept.rank(); ++axis) {
    if (reduced[static_cast<size_t>(axis)]) kept[axis] = 1;
  }
  return kept;
}

/// `kept` without the reduced axes.
Shape dropped_shape(const Tensor& x, const Axes& axes, const char* name, Caller caller) {
  const auto reduced = chosen_axes(axes, x.rank(), name, caller);
  Shape out;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (!reduced[static_cast<size_t>(axis)]) out.push_back(x.shape()[axis]);
  }
  return out;
}

Tensor drop(const Tensor& kept, const Tensor& x, const Axes& axes, bool keepdim, const char* name, Caller caller) {
  return keepdim ? kept : kept.reshape(dropped_shape(x, axes, name, caller), caller);
}

double reduced_count(const Tensor& x, const Axes& axes, const char* name, Caller caller) {
  const Shape kept = kept_shape(x, axes, name, caller);
  double count = 1;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (kept[axis] != x.shape()[axis] || kept[axis] == 1) count *= static_cast<double>(x.shape()[axis]);
  }
  return count;
}

/// amax or amin with the reduced axes kept.
Tensor extreme(const Tensor& x, const Axes& axes, Combine combine, const char* name, Caller caller) {
  static const std::array<Program, 2> programs = [] {
    std::array<Program, 2> made;
    for (size_t i = 0; i < 2; ++i) {
      made[i].name = i == 0 ? "amax" : "amin";
      made[i].code = {{Op::input}};
      made[i].outputs = {{0, i == 0 ? Combine::maximum : Combine::minimum}};
      made[i].inputs = 1;
    }
    return made;
  }();
  raw::check_alike(name, {&x}, caller);
  Tensor out = raw::empty(kept_shape(x, axes, name, caller), x.options());
  raw::map(programs[combine == Combine::maximum ? 0 : 1], raw::compute_dtype(x.dtype()), x.shape(), {&x}, {&out});
  const Tensor value = out;
  return record(
      name, std::move(out), {x},
      [x = Saved(x), value = Saved(value), axes](const Tensor& g) {
        const Tensor ties = eq(*x, *value).to(g.dtype());
        return Gradients{g * ties / sum(ties, axes, true)};
      },
      caller);
}

/// Runs `f` on x with `axis` moved to the end and contiguous, and moves it back in what f returns.
template <class F>
Tensor along_last(const Tensor& x, int axis, F f) {
  if (axis == x.rank() - 1 || x.rank() == 0) return f(x.contiguous());
  return f(x.transpose(axis, -1).contiguous()).transpose(axis, -1);
}

Tensor arg_extreme(const Tensor& x, int axis, bool keepdim, bool minimum, const char* name, Caller caller) {
  raw::check_defined(name, x, caller);
  const int a = normalize_axis(axis, x.rank(), name, caller);
  if (x.dtype() == boolean) raise<DTypeError>(caller, "{}: needs numbers, not bool", name);
  const NoGrad off;
  if (x.rank() == 0) return zeros({}, {i32, x.device()});
  if (x.shape()[a] == 0) raise<ShapeError>(caller, "{}: axis {} of {} is empty", name, axis, x.shape());
  Tensor out = along_last(x, a, [&](const Tensor& dense) {
    Shape shape = dense.shape();
    shape[shape.rank() - 1] = 1;
    Tensor found = raw::empty(shape, {i32, x.device()});
    const Tensor squeezed = found.squeeze(-1);
    x.backend().arg_reduce({dense.view(), squeezed.view(), minimum});
    return found;
  });
  return keepdim ? out : out.squeeze(a, caller);
}

Tensor scan_sum(const Tensor& x, int axis, bool reverse) {
  return along_last(x, axis, [&](const Tensor& dense) {
    Tensor out = raw::empty(dense.shape(), dense.options());
    dense.backend().scan({.x = dense.view(), .out = out.view(), .reverse = reverse});
    return out;
  });
}

Tensor cumulative(const Tensor& x, int axis, bool reverse, Caller caller) {
  Tensor out = [&] {
    const NoGrad off;
    return scan_sum(x, axis, reverse);
  }();
  return record(
      "cumsum", std::move(out), {x},
      [axis, reverse, caller](const Tensor& g) { return Gradients{cumulative(g, axis, !reverse, caller)}; }, caller);
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim, Caller caller) {
  static const Elementwise f{"sum", [](Expr x) { return x; }};
  raw::check_defined("sum", x, caller);
  if (x.dtype() == boolean) return sum(x.to(i32, caller), axes, keepdim, caller);
  return f.sum(axes, keepdim, {{x, caller}});
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim, Caller caller) {
  static const Elementwise f{"mean", [](Expr x, Scalar scale) { return x * scale; }};
  raw::check_floating("mean", x, caller);
  const double count = reduced_count(x, axes, "mean", caller);
  if (count == 0) return sum(x, axes, keepdim, caller) + NAN;
  if (is_half(x)) return f.sum(axes, keepdim, {{x, caller}, {1 / count, caller}});  // whose sum may be too large for it
  // A sum alone is folded where it lies.
  Tensor out = [&] {
    const NoGrad off;
    return div({sum(x, axes, keepdim, caller), caller}, {count, caller});
  }();
  return record(
      "mean", std::move(out), {x},
      [shape = x.shape(), kept = kept_shape(x, axes, "mean", caller), count](const Tensor& g) {
        return Gradients{(g / count).reshape(kept).expand(shape)};
      },
      caller);
}

Tensor amax(const Tensor& x, const Axes& axes, bool keepdim, Caller caller) {
  return drop(extreme(x, axes, Combine::maximum, "amax", caller), x, axes, keepdim, "amax", caller);
}

Tensor amin(const Tensor& x, const Axes& axes, bool keepdim, Caller caller) {
  return drop(extreme(x, axes, Combine::minimum, "amin", caller), x, axes, keepdim, "amin", caller);
}

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim, Caller caller) {
  static const Elementwise shifted{"logsumexp", [](Expr x, Expr shift) { return exp(x - shift); }};
  static const Elementwise finish{"logsumexp", [](Expr total, Expr shift) {
                                    const Expr nothing = total == 0.0;  // every x is -inf: no gradient
                                    return where(nothing, -INFINITY, log(where(nothing, 1.0, total)) + shift);
                                  }};
  static const Elementwise finite{"logsumexp", [](Expr m) { return where(abs(m) < INFINITY, m, 0.0); }};
  raw::check_floating("logsumexp", x, caller);
  // Any shift gives the same value, so none of its gradient is needed; an infinite one would make inf - inf.
  const Tensor shift = finite({amax(x.detach(), axes, true, caller), caller});
  const Tensor total = shifted.sum(axes, true, {{x, caller}, {shift, caller}});
  return drop(finish({total, caller}, {shift, caller}), x, axes, keepdim, "logsumexp", caller);
}

Tensor norm(const Tensor& x, const Axes& axes, bool keepdim, Caller caller) {
  static const Elementwise squares{"norm", [](Expr x) { return square(x); }};
  static const Elementwise root{"norm", flat_root};
  raw::check_floating("norm", x, caller);
  if (is_half(x)) return norm(widened(x), axes, keepdim, caller).to(x.dtype());  // squares may be too large for it
  return root({squares.sum(axes, keepdim, {{x, caller}}), caller});
}

namespace {

/// var with n - correction = `degrees` that are 0 or negative. As PyTorch's: inf, NaN where all elements are equal, and a
/// gradient that is divided by the degrees as they are.
Tensor var_of_few(const Tensor& x, const Axes& axes, double degrees) {
  Tensor out = [&] {
    const NoGrad off;
    return sum(square(x - mean(x, axes, true)), axes, true) * INFINITY;
  }();
  return record("var", std::move(out), {x}, [x = Saved(x), axes, degrees](const Tensor& g) {
    return Gradients{(*x - mean(*x, axes, true)) * (g * (2 / degrees))};
  });
}

/// var of what is no half, for the operation `name`.
Tensor variance(const Tensor& x, const Axes& axes, double correction, bool keepdim, const char* name, Caller caller) {
  static const Elementwise f{"var", [](Expr x, Expr m, Scalar scale) { return square(x - m) * scale; }};
  const ErrorScope scope(caller);
  const double count = reduced_count(x, axes, name, caller);
  if (count == 0) return sum(x, axes, keepdim, caller) + NAN;
  if (count <= correction) {
    return drop(var_of_few(x, axes, count - correction), x, axes, keepdim, name, caller);
  }
  const Tensor m = mean(x, axes, true, caller);
  return f.sum(axes, keepdim, {{x, caller}, {m, caller}, {1 / (count - correction), caller}});
}

}  // namespace

Tensor var(const Tensor& x, const Axes& axes, double correction, bool keepdim, Caller caller) {
  raw::check_floating("var", x, caller);
  return variance(widened(x), axes, correction, keepdim, "var", caller).to(x.dtype());
}

Tensor stddev(const Tensor& x, const Axes& axes, double correction, bool keepdim, Caller caller) {
  static const Elementwise root{"stddev", flat_root};
  raw::check_floating("stddev", x, caller);
  return root({variance(widened(x), axes, correction, keepdim, "stddev", caller), caller}).to(x.dtype());
}

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
  raw::check_defined("prod", x, caller);
  if (x.dtype() == boolean) return prod(x.to(i32, caller), axes, keepdim, caller);
  const Shape kept = kept_shape(x, axes, "prod", caller);
  if (kept == x.shape()) return drop(x.clone(caller), x, axes, keepdim, "prod", caller);
  Tensor out = x;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (kept[axis] == x.shape()[axis]) continue;
    if (x.shape()[axis] == 0) {
      Shape one = out.shape();
      one[axis] = 1;
      out = ones(one, x.options());
    } else {
      out = product_along(out, axis, caller);
    }
  }
  return drop(out, x, axes, keepdim, "prod", caller);
}

Tensor any(const Tensor& x, const Axes& axes, bool keepdim, Caller caller) {
  raw::check_defined("any", x, caller);
  if (x.dtype() != boolean) return any(ne({x, caller}, 0.0), axes, keepdim, caller);
  return gt({sum(x, axes, keepdim, caller), caller}, 0.0);
}

Tensor all(const Tensor& x, const Axes& axes, bool keepdim, Caller caller) {
  raw::check_defined("all", x, caller);
  return logical_not({any(logical_not({x, caller}), axes, keepdim, caller), caller});
}

bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan, Caller caller) {
  static const Elementwise f{"allclose", [](Expr a, Expr b, Scalar rtol, Scalar atol, Scalar equal_nan) {
                               const Expr gap = abs(a - b);
                               return a == b || (gap < INFINITY && gap <= atol + rtol * abs(b)) ||
                                      (equal_nan != 0.0 && isnan(a) && isnan(b));
                             }};
  refuse_while_recording("allclose", caller);
  if (!(rtol >= 0) || !(atol >= 0)) raise<ValueError>(caller, "allclose: rtol {} or atol {} is negative", rtol, atol);
  raw::check_defined("allclose", b, caller);
  raw::check_alike("allclose", {&a, &b}, caller);
  const NoGrad off;
  // Integers are compared as such numbers as hold them all, which not every device has.
  const auto floating = [](const Tensor& x) { return is_floating(x.dtype()) ? x : x.to(Device::cpu()).to(f64); };
  const Tensor x = floating(a), y = floating(b);
  return all(f.all({{x, caller}, {y, caller}, rtol, atol, equal_nan ? 1.0 : 0.0})[0]).item<bool>(caller);
}

Tensor argmax(const Tensor& x, int axis, bool keepdim, Caller caller) {
  return arg_extreme(x, axis, keepdim, false, "argmax", caller);
}

Tensor argmin(const Tensor& x, int axis, bool keepdim, Caller caller) {
  return arg_extreme(x, axis, keepdim, true, "argmin", caller);
}

namespace {

Sorted sorted(const Tensor& x, int64_t k, int axis, bool descending, const char* name, Caller caller) {
  raw::check_defined(name, x, caller);
  const int a = normalize_axis(axis, x.rank(), name, caller);
  if (x.rank() == 0) raise<ShapeError>(caller, "{}: a scalar has nothing to sort", name);
  if (k < 0 || k > x.shape()[a]) raise<ValueError>(caller, "{}: {} of {} elements", name, k, x.shape()[a]);
  Tensor values;
  const Tensor indices = [&] {
    const NoGrad off;
    return along_last(x, a, [&](const Tensor& dense) {
      Shape shape = dense.shape();
      shape[shape.rank() - 1] = k;
      Tensor found = raw::empty(shape, {i32, x.device()});
      values = raw::empty(shape, x.options());
      x.backend().sort({dense.view(), values.view(), found.view(), descending});
      if (a != x.rank() - 1) values = values.transpose(a, -1).contiguous();
      return found;
    });
  }();
  values = record(
      name, std::move(values), {x},
      [a, indices = Saved(indices), shape = x.shape()](const Tensor& g) {
        return Gradients{scatter_add(zeros(shape, g.options()), a, *indices, g)};
      },
      caller);
  return {values, indices};
}

}  // namespace

Sorted sort(const Tensor& x, int axis, bool descending, Caller caller) {
  raw::check_defined("sort", x, caller);
  return sorted(x, x.rank() > 0 ? x.size(axis, caller) : 0, axis, descending, "sort", caller);
}

Sorted topk(const Tensor& x, int64_t k, int axis, Caller caller) { return sorted(x, k, axis, true, "topk", caller); }

Tensor cumsum(const Tensor& x, int axis, Caller caller) {
  raw::check_defined("cumsum", x, caller);
  const int a = normalize_axis(axis, x.rank(), "cumsum", caller);
  if (x.rank() == 0) return x;
  if (x.dtype() == boolean) return cumsum(x.to(i32, caller), axis, caller);
  return cumulative(x, a, false, caller);
}

}  // namespace fovea
