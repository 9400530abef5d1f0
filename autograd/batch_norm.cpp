#include "fovea/autograd/batch_norm.h"

#include <array>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"

namespace fovea {
namespace {

void check(const char* name, const Tensor& x, std::initializer_list<const Tensor*> per_channel, double eps,
           Caller caller) {
  raw::check_floating(name, x, caller);
  if (!(eps >= 0)) raise<ValueError>(caller, "{}: eps {} is negative", name, eps);
  if (x.rank() < 2) raise<ShapeError>(caller, "{}: input {} is not [batch, channels, ...]", name, x.shape());
  for (const Tensor* p : per_channel) {
    if (!p->defined()) continue;
    if (p->shape() != Shape{x.shape()[1]}) {
      raise<ShapeError>(caller, "{}: {} for the {} channels of input {}", name, p->shape(), x.shape()[1], x.shape());
    }
    raw::check_alike(name, {&x, p}, caller);
  }
}

/// x as a norm sees it: over which axes mean and variance are taken, over which of them a channel's own sums, and which
/// shape a weight per channel has beside it.
struct Layout {
  Shape shape, channels;
  Axes folded, summed;
  bool rows;  // what mean and variance are taken of lies side by side

  /// [batch, channels, all other axes].
  static Layout batch(const Tensor& x) {
    const int64_t c = x.shape()[1];
    return {{x.shape()[0], c, places(x)}, {c, 1}, {0, 2}, {0, 2}, false};
  }
  /// [batch, groups, channels of a group, all other axes].
  static Layout groups(const Tensor& x, int64_t groups) {
    const int64_t c = x.shape()[1] / groups;
    return {{x.shape()[0], groups, c, places(x)}, {groups, c, 1}, {2, 3}, {3}, true};
  }
  Tensor beside(const Tensor& p) const { return p.defined() ? p.reshape(channels) : p; }

 private:
  static int64_t places(const Tensor& x) {
    int64_t product = 1;
    for (int axis = 2; axis < x.rank(); ++axis) product *= x.shape()[axis];
    return product;
  }
};

Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor y = weight.defined() ? x * weight : x;
  return bias.defined() ? y + bias : y;
}

/// In ordinary operations: what the derivative is differentiated through.
Tensor composed_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Layout& layout) {
  const Tensor given = x.reshape(layout.shape), centred = given - mean(given, layout.folded, true);
  const Tensor y = centred * rsqrt(mean(square(centred), layout.folded, true) + eps);
  return affine(y, layout.beside(weight), layout.beside(bias)).reshape(x.shape());
}

/// (x - mean) * rstd * weight + bias in one pass.
Tensor normalized(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& weight, const Tensor& bias) {
  static const Elementwise normalize{"norm", [](Expr x, Expr mean, Expr rstd) { return (x - mean) * rstd; }};
  static const Elementwise all{"norm", [](Expr x, Expr mean, Expr rstd, Expr weight, Expr bias) {
                                 return std::vector{(x - mean) * rstd * weight + bias};
                               }};
  if (weight.defined() && bias.defined()) return all.all({x, mean, rstd, weight, bias})[0];
  return affine(normalize(x, mean, rstd), weight, bias);
}

double share(const Tensor& x, const Tensor& mean) {
  return static_cast<double>(mean.numel()) / static_cast<double>(x.numel());
}

// With h = (x - mean) * rstd and f = g * weight: dweight = sum(g * h), dbias = sum(g), dx = rstd * (f - mean(f) -
// h * mean(f * h)), where the means are those of a channel's sums.
Gradients norm_backward(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                        const Layout& layout, Needs needs) {
  static const Elementwise product{"norm",
                                   [](Expr g, Expr x, Expr mean, Expr rstd) { return g * ((x - mean) * rstd); }};
  static const Elementwise combine{"norm", [](Expr f, Expr shift, Expr x, Expr mean, Expr slope, Expr rstd) {
                                     return std::vector{(f - shift - (x - mean) * slope) * rstd};
                                   }};
  static const Elementwise weighted{"norm",
                                    [](Expr g, Expr weight, Expr shift, Expr x, Expr mean, Expr slope, Expr rstd) {
                                      return std::vector{(g * weight - shift - (x - mean) * slope) * rstd};
                                    }};
  const Tensor sums = sum(g, layout.summed, true), along = product.sum(layout.summed, true, {g, x, mean, rstd});
  Gradients out(3);
  if (needs[0]) {
    const bool plain = !weight.defined();
    const auto mean_of = [&](const Tensor& s) {
      return sum(plain ? s : s * weight, layout.folded, true) * share(x, mean);
    };
    const Tensor shift = mean_of(sums), slope = mean_of(along) * rstd;
    out[0] = plain ? combine.all({g, shift, x, mean, slope, rstd})[0]
                   : weighted.all({g, weight, shift, x, mean, slope, rstd})[0];
  }
  if (needs[1]) out[1] = sum_to(along, layout.channels);
  if (needs[2]) out[2] = sum_to(sums, layout.channels);
  return out;
}

struct Normalized {
  Tensor y, mean, variance;
};

/// `result` but for the variance, and rstd, of what is normalized in rows: each while a cache holds it.
Tensor normalize_rows(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Layout& layout,
                      Normalized& result) {
  static const Elementwise scaled{"norm", [](Expr y, Expr weight, Expr bias) { return y * weight + bias; }};
  const int64_t rows = layout.shape[0] * layout.shape[1];
  const Tensor given = raw::contiguous(x).reshape({rows, x.numel() / rows});
  const Tensor y = raw::empty(given.shape(), x.options());
  const Tensor mean = raw::empty({rows}, x.options()), rstd = raw::empty({rows}, x.options());
  x.backend().layer_norm({.x = given.view(),
                          .weight = nullptr,
                          .bias = nullptr,
                          .y = y.view(),
                          .mean = &mean.view(),
                          .rstd = rstd.view(),
                          .eps = eps});
  const Shape kept{layout.shape[0], layout.shape[1], 1, 1};
  result.mean = mean.reshape(kept);
  const Tensor normal = y.reshape(layout.shape);
  if (weight.defined() && bias.defined()) {
    scaled.into({&normal}, {normal, layout.beside(weight), layout.beside(bias)});
    result.y = normal.reshape(x.shape());
  } else {
    result.y = affine(normal, layout.beside(weight), layout.beside(bias)).reshape(x.shape());
  }
  return rstd.reshape(kept);
}

Normalized norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Layout& layout,
                const char* name, Caller caller) {
  static const Elementwise squares{"norm", [](Expr x, Expr mean) { return square(x - mean); }};
  Normalized result;
  Tensor rstd;
  {
    const NoGrad off;
    if (layout.rows) {
      rstd = normalize_rows(x, weight, bias, eps, layout, result);
    } else {
      const Tensor given = x.reshape(layout.shape);
      result.mean = mean(given, layout.folded, true);
      result.variance = squares.sum(layout.folded, true, {given, result.mean}) * share(given, result.mean);
      rstd = rsqrt(result.variance + eps);
      result.y = normalized(given, result.mean, rstd, layout.beside(weight), layout.beside(bias)).reshape(x.shape());
    }
  }
  result.y = record(
      name, std::move(result.y), {x, weight, bias},
      [x = Saved(x), weight = Saved(weight), bias = Saved(bias), mean = Saved(result.mean), rstd, eps, layout](
          const Tensor& g, Needs needs) {
        if (grad_enabled()) {
          return autograd::differentiate(
              [eps, layout](const std::vector<Tensor>& in) {
                return std::vector<Tensor>{composed_norm(in[0], in[1], in[2], eps, layout)};
              },
              std::array{*x, *weight, *bias}, {&g, 1}, needs);
        }
        Gradients out = norm_backward(g.reshape(layout.shape), x->reshape(layout.shape), layout.beside(*weight), *mean,
                                      rstd, layout, needs);
        const Saved* inputs[] = {&x, &weight, &bias};
        for (size_t i = 0; i < 3; ++i) {
          if (needs[i]) out[i] = out[i].reshape((*inputs[i])->shape());
        }
        return out;
      },
      caller);
  return result;
}

}  // namespace

BatchNormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, Caller caller) {
  const ErrorScope scope(caller);
  check("batch_norm", x, {&weight, &bias}, eps, caller);
  if (x.shape()[1] > 0 && x.numel() == 0) {
    raise<ValueError>(caller, "batch_norm: input {} has no element to take a mean of", x.shape());
  }
  if (is_half(x)) {  // whose squares may be too large for it
    const BatchNormResult wide = batch_norm(widened(x), widened(weight), widened(bias), eps, caller);
    return {wide.y.to(x.dtype()), wide.mean.to(x.dtype()), wide.variance.to(x.dtype())};
  }
  const Normalized result = norm(x, weight, bias, eps, Layout::batch(x), "batch_norm", caller);
  return {result.y, result.mean.reshape({-1}), result.variance.reshape({-1})};
}

Tensor batch_norm_eval(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                       const Tensor& bias, double eps, Caller caller) {
  const ErrorScope scope(caller);
  for (const Tensor* each : {&mean, &variance}) raw::check_defined("batch_norm_eval", *each, caller);
  check("batch_norm_eval", x, {&mean, &variance, &weight, &bias}, eps, caller);
  if (is_half(x)) {  // in which 1 / sqrt(variance) would lose digits
    return batch_norm_eval(widened(x), widened(mean), widened(variance), widened(weight), widened(bias), eps, caller)
        .to(x.dtype());
  }
  const Layout layout = Layout::batch(x);
  return normalized(x.reshape(layout.shape), layout.beside(mean), rsqrt(layout.beside(variance) + eps),
                    layout.beside(weight), layout.beside(bias))
      .reshape(x.shape());
}

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                  Caller caller) {
  const ErrorScope scope(caller);
  check("group_norm", x, {&weight, &bias}, eps, caller);
  if (groups < 1 || x.shape()[1] % groups != 0) {
    raise<ShapeError>(caller, "group_norm: the {} channels of input {} are not in {} even groups", x.shape()[1],
                      x.shape(), groups);
  }
  const Layout layout = Layout::groups(x, groups);
  if (x.numel() == 0) {
    return affine(x.reshape(layout.shape), layout.beside(weight), layout.beside(bias)).reshape(x.shape());
  }
  if (is_half(x)) return group_norm(widened(x), groups, widened(weight), widened(bias), eps, caller).to(x.dtype());
  return norm(x, weight, bias, eps, layout, "group_norm", caller).y;
}

}  // namespace fovea
