#include "fovea/autograd/reductions.h"

#include <array>
#include <cmath>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/axis_order.h"
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
  const ErrorScope scope(caller);
  raw::check_alike(name, {&x}, caller);
  Tensor out = raw::empty(kept_shape(x, axes, name, caller), x.options());
  const Tensor* const input = &x;
  const auto order = AxisOrder::of_inputs(x.shape(), {&input, 1});
  const View from = order ? order->of(x.view()) : x.view(), to = order ? order->of(out.view()) : out.view();
  const View *const from_view = &from, *const to_view = &to;
  x.backend().map({programs[combine == Combine::maximum ? 0 : 1],
                   raw::compute_dtype(x.dtype()),
                   from.shape,
                   {&from_view, 1},
                   {&to_view, 1},
                   {}});
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
  const ErrorScope scope(caller);
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
  static const Elementwise squares{"var", [](Expr x, Expr m) { return square(x - m); }};
  const ErrorScope scope(caller);
  const double count = reduced_count(x, axes, name, caller);
  if (count == 0) return sum(x, axes, keepdim, caller) + NAN;
  if (count <= correction) {
    return drop(var_of_few(x, axes, count - correction), x, axes, keepdim, name, caller);
  }
  const Tensor m = mean(x, axes, true, caller);
  return div({squares.sum(axes, keepdim, {{x, caller}, {m, caller}}), caller}, {count - correction, caller});
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
  const ErrorScope scope(caller);
  raw::check_defined(name, x, caller);
  const int a = normalize_axis(axis, x.rank(), name, caller);
  if (x.rank() == 0) {
    if (k != 1) raise<ValueError>(caller, "{}: {} elements of a scalar", name, k);
    const Sorted only = sorted(x.reshape({1}, caller), 1, 0, descending, name, caller);
    return {only.values.reshape({}, caller), only.indices.reshape({}, caller)};
  }
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
  return sorted(x, x.rank() > 0 ? x.size(axis, caller) : 1, axis, descending, "sort", caller);
}

Sorted topk(const Tensor& x, int64_t k, int axis, Caller caller) { return sorted(x, k, axis, true, "topk", caller); }

Tensor cumsum(const Tensor& x, int axis, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("cumsum", x, caller);
  const int a = normalize_axis(axis, x.rank(), "cumsum", caller);
  if (x.dtype() == boolean) return cumsum(x.to(i32, caller), axis, caller);
  if (x.rank() == 0) return x;
  return cumulative(x, a, false, caller);
}

}  // namespace fovea
