#include "fovea/autograd/batch_norm.h"

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"

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

/// [channels] so that it broadcasts to x.
Tensor along_channels(const Tensor& p, const Tensor& x) {
  Shape shape{p.shape()[0]};
  for (int axis = 2; axis < x.rank(); ++axis) shape.push_back(1);
  return p.reshape(shape);
}

Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  static const Elementwise both{"affine", [](Expr x, Expr w, Expr b) { return x * w + b; }};
  if (weight.defined() && bias.defined()) return both(x, along_channels(weight, x), along_channels(bias, x));
  if (weight.defined()) return x * along_channels(weight, x);
  return bias.defined() ? x + along_channels(bias, x) : x;
}

}  // namespace

BatchNormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, Caller caller) {
  static const Elementwise normalize{
      "batch_norm", [](Expr centred, Expr variance, Scalar eps) { return centred * rsqrt(variance + eps); }};
  check("batch_norm", x, {&weight, &bias}, eps, caller);
  if (x.shape()[1] > 0 && x.numel() == 0) {
    raise<ValueError>(caller, "batch_norm: input {} has no element to take a mean of", x.shape());
  }
  if (is_half(x)) {  // whose squares may be too large for it
    const BatchNormResult wide = batch_norm(widened(x), widened(weight), widened(bias), eps, caller);
    return {wide.y.to(x.dtype()), wide.mean.to(x.dtype()), wide.variance.to(x.dtype())};
  }
  Axes others{0};
  for (int axis = 2; axis < x.rank(); ++axis) others.list.push_back(axis);
  const Tensor centre = mean(x, others, true);
  const Tensor centred = x - centre;
  const Tensor variance = mean(square(centred), others, true);
  return {affine(normalize(centred, variance, eps), weight, bias), centre.detach().reshape({-1}),
          variance.detach().reshape({-1})};
}

Tensor batch_norm_eval(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                       const Tensor& bias, double eps, Caller caller) {
  static const Elementwise normalize{"batch_norm_eval", [](Expr x, Expr mean, Expr variance, Scalar eps) {
                                       return (x - mean) * rsqrt(variance + eps);
                                     }};
  for (const Tensor* each : {&mean, &variance}) raw::check_defined("batch_norm_eval", *each, caller);
  check("batch_norm_eval", x, {&mean, &variance, &weight, &bias}, eps, caller);
  return affine(normalize(x, along_channels(mean, x), along_channels(variance, x), eps), weight, bias);
}

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                  Caller caller) {
  check("group_norm", x, {&weight, &bias}, eps, caller);
  if (groups < 1 || x.shape()[1] % groups != 0) {
    raise<ShapeError>(caller, "group_norm: the {} channels of input {} are not in {} even groups", x.shape()[1],
                      x.shape(), groups);
  }
  if (x.numel() == 0) return affine(x, weight, bias);
  return affine(layer_norm(x.reshape({x.shape()[0], groups, -1}), {}, {}, eps, caller).reshape(x.shape()), weight,
                bias);
}

}  // namespace fovea
