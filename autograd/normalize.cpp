#include "fovea/autograd/normalize.h"

#include <array>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"

namespace fovea {
namespace {

/// Along the last axis of a contiguous x.
Tensor softmax_rows(const Tensor& x, bool log, Caller caller) {
  Tensor out = raw::empty(x.shape(), x.options());
  x.backend().softmax({x.view(), out.view(), log});
  const Tensor y = out;
  return record(
      log ? "log_softmax" : "softmax", std::move(out), {x},
      [x = Saved(x), y = Saved(y), log](const Tensor& g) {
        if (grad_enabled()) {
          // The same formulas in recorded operations, on y as a function of x.
          const Tensor again = softmax_rows(*x, log, {});
          if (log) return Gradients{g - exp(again) * sum(g, -1, true)};
          return Gradients{again * (g - sum(g * again, -1, true))};
        }
        const Tensor dense = raw::contiguous(g);
        Tensor dx = raw::empty(g.shape(), g.options());
        g.backend().softmax_backward({y->view(), dense.view(), dx.view(), log});
        return Gradients{dx};
      },
      caller);
}

/// Whether enough elements stand side by side behind an axis for passes over all of them.
bool is_across(const Tensor& x, int axis) {
  int64_t behind = 1;
  for (int i = axis + 1; i < x.rank(); ++i) behind *= x.shape()[i];
  return !is_half(x) && behind >= 256 && x.numel() > 0;
}

/// Along an axis that others stand behind: in passes over all of them side by side, which turn nothing around.
Tensor softmax_across(const Tensor& x, int axis, bool in_logs, Caller caller) {
  static const Elementwise exponential{"softmax", [](Expr x, Expr greatest) { return exp(x - greatest); }};
  static const Elementwise share{"softmax", [](Expr e, Expr total) { return e / total; }};
  static const Elementwise less{"log_softmax",
                                [](Expr x, Expr greatest, Expr total) { return (x - greatest) - log(total); }};
  static const Elementwise product{"softmax", [](Expr g, Expr y) { return g * y; }};
  static const Elementwise backward{"softmax", [](Expr g, Expr y, Expr total) { return y * (g - total); }};
  static const Elementwise log_backward{"log_softmax", [](Expr g, Expr y, Expr total) { return g - exp(y) * total; }};
  Tensor y = [&] {
    const NoGrad off;
    const Tensor greatest = amax(x, axis, true);
    if (in_logs) return less(x, greatest, exponential.sum(axis, true, {x, greatest}));
    const Tensor e = exponential(x, greatest);
    const Tensor total = sum(e, axis, true);
    share.into({&e}, {e, total});
    return e;
  }();
  const Tensor value = y;
  return record(
      in_logs ? "log_softmax" : "softmax", std::move(y), {x},
      [x = Saved(x), y = Saved(value), axis, in_logs](const Tensor& g) {
        const Tensor again = grad_enabled() ? softmax_across(*x, axis, in_logs, {}) : *y;
        if (in_logs) return Gradients{log_backward(g, again, sum(g, axis, true))};
        return Gradients{backward(g, again, product.sum(axis, true, {g, again}))};
      },
      caller);
}

Tensor softmax_along(const Tensor& x, int axis, bool log, const char* name, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_floating(name, x, caller);
  const int a = normalize_axis(axis, x.rank(), name, caller);
  if (x.rank() == 0) return softmax_rows(x.reshape({1}), log, caller).reshape({});
  if (a == x.rank() - 1) return softmax_rows(x.contiguous(caller), log, caller);
  if (is_across(x, a)) return softmax_across(x, a, log, caller);
  return softmax_rows(x.transpose(a, -1).contiguous(caller), log, caller).transpose(a, -1);
}

/// Layer norm, or RMS norm, in ordinary operations: what the kernels' derivative is differentiated through.
Tensor composed_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, bool rms) {
  const Tensor centred = rms ? x : x - mean(x, -1, true);
  Tensor y = centred * rsqrt(mean(square(centred), -1, true) + eps);
  if (weight.defined()) y = y * weight;
  return bias.defined() ? y + bias : y;
}

Tensor norm_rows(const Tensor& given, const Tensor& weight, const Tensor& bias, double eps, bool rms, const char* name,
                 Caller caller) {
  const ErrorScope scope(caller);
  raw::check_floating(name, given, caller);
  if (!(eps >= 0)) raise<ValueError>(caller, "{}: eps {} is negative", name, eps);
  if (given.rank() == 0) raise<ShapeError>(caller, "{}: a scalar has no axis to normalize over", name);
  for (const Tensor* p : {&weight, &bias}) {
    if (!p->defined()) continue;
    if (p->shape() != Shape{given.shape().back()}) {
      raise<ShapeError>(caller, "{}: input {} does not fit a weight or bias of shape {}", name, given.shape(),
                        p->shape());
    }
  }
  raw::check_alike(name, {&given, &weight, &bias}, caller);
  const Tensor x = given.contiguous(caller);
  Shape rows = x.shape();
  rows.erase(rows.rank() - 1);
  Tensor y = raw::empty(x.shape(), x.options());
  const DType kept = raw::compute_dtype(x.dtype());
  const Tensor mean = rms ? Tensor() : raw::empty(rows, {kept, x.device()});
  const Tensor rstd = raw::empty(rows, {kept, x.device()});
  const Tensor dense_weight = raw::contiguous(weight), dense_bias = raw::contiguous(bias);
  x.backend().layer_norm({x.view(), raw::view_or_null(dense_weight), raw::view_or_null(dense_bias), y.view(),
                          raw::view_or_null(mean), rstd.view(), eps, rms});
  return record(
      name, std::move(y), {x, weight, bias},
      [x = Saved(x), weight = Saved(weight), bias = Saved(bias), mean, rstd, eps, rms](const Tensor& g, Needs needs) {
        if (grad_enabled()) {
          return autograd::differentiate(
              [eps, rms](const std::vector<Tensor>& in) {
                return std::vector<Tensor>{composed_norm(in[0], in[1], in[2], eps, rms)};
              },
              std::array{*x, *weight, *bias}, {&g, 1}, needs);
        }
        Gradients out(3);
        for (size_t i = 0; i < 3; ++i) {
          const Tensor& like = i == 0 ? *x : i == 1 ? *weight : *bias;
          if (needs[i]) out[i] = raw::empty(like.shape(), like.options());
        }
        const Tensor dense = raw::contiguous(g);
        const Tensor w = raw::contiguous(*weight);
        x->backend().layer_norm_backward({x->view(), raw::view_or_null(w), raw::view_or_null(mean), rstd.view(),
                                          dense.view(), raw::view_or_null(out[0]), raw::view_or_null(out[1]),
                                          raw::view_or_null(out[2]), rms});
        return out;
      },
      caller);
}

}  // namespace

Tensor softmax(const Tensor& x, int axis, Caller caller) { return softmax_along(x, axis, false, "softmax", caller); }

Tensor log_softmax(const Tensor& x, int axis, Caller caller) {
  return softmax_along(x, axis, true, "log_softmax", caller);
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, Caller caller) {
  return norm_rows(x, weight, bias, eps, false, "layer_norm", caller);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, Caller caller) {
  return norm_rows(x, weight, {}, eps, true, "rms_norm", caller);
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, int axis, double eps, Caller caller) {
  static const Elementwise f{"cosine_similarity", [](Expr a, Expr b, Expr of_a, Expr of_b, Scalar eps) {
                               return a / where(of_a < eps, eps, of_a) * (b / where(of_b < eps, eps, of_b));
                             }};
  const ErrorScope scope(caller);
  for (const Tensor* each : {&a, &b}) raw::check_floating("cosine_similarity", *each, caller);
  const Shape shape = broadcast_shapes(a.shape(), b.shape(), "cosine_similarity", caller);
  const int last = normalize_axis(axis, shape.rank(), "cosine_similarity", caller);
  const Tensor x = a.expand(shape, caller), y = b.expand(shape, caller);
  return f.sum(last, false,
               {{x, caller},
                {y, caller},
                {norm(x, last, true, caller), caller},
                {norm(y, last, true, caller), caller},
                {eps, caller}});
}

Tensor l2_normalize(const Tensor& x, int axis, double eps, Caller caller) {
  static const Elementwise at_least{"l2_normalize",
                                    [](Expr length, Scalar eps) { return where(length < eps, eps, length); }};
  const ErrorScope scope(caller);
  raw::check_floating("l2_normalize", x, caller);
  if (is_half(x)) return l2_normalize(widened(x), axis, eps, caller).to(x.dtype());  // to f16 such an eps is 0
  const int a = normalize_axis(axis, x.rank(), "l2_normalize", caller);
  return div({x, caller}, {at_least({norm(x, a, true, caller), caller}, {eps, caller}), caller});
}

}  // namespace fovea
