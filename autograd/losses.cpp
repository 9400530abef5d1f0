#include "fovea/autograd/losses.h"

#include "fovea/autograd/backward.h"
#include "fovea/autograd/by_index.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/loss_reduction.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

void check_pair(const Tensor& x, const Tensor& y, const char* name, Caller caller) {
  for (const Tensor* each : {&x, &y}) raw::check_defined(name, *each, caller);
  if (x.shape() == y.shape()) return;
  raise<ShapeError>(caller, "{}: targets {} for predictions {}", name, y.shape(), x.shape());
}

/// How many losses x and y have. One of them may be repeated to the other's shape; that both are, as [n, 1] and [n] to
/// [n, n], is a mistake.
int64_t pair_count(const Tensor& x, const Tensor& y, const char* name, Caller caller) {
  for (const Tensor* each : {&x, &y}) raw::check_defined(name, *each, caller);
  const Shape all = broadcast_shapes(x.shape(), y.shape(), name, caller);
  if (all != x.shape() && all != y.shape()) check_pair(x, y, name, caller);
  return all.numel();
}

void check_smoothing(const CrossEntropyOptions& options, const char* name, Caller caller) {
  if (options.label_smoothing >= 0 && options.label_smoothing <= 1) return;
  raise<ValueError>(caller, "{}: label_smoothing {} is not from 0 to 1", name, options.label_smoothing);
}

void check_class_weight(const Tensor& logits, const Tensor& weight, const char* name, Caller caller) {
  if (!weight.defined()) return;
  if (weight.shape() != Shape{logits.shape().back()}) {
    raise<ShapeError>(caller, "{}: class weights {} for logits {}", name, weight.shape(), logits.shape());
  }
  raw::check_alike(name, {&logits, &weight}, caller);
}

void check_targets(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options, const char* name,
                   Caller caller) {
  for (const Tensor* each : {&logits, &targets}) raw::check_defined(name, *each, caller);
  Shape rows = logits.shape();
  if (rows.rank() > 0) rows.erase(rows.rank() - 1);
  if (logits.rank() > 0 && targets.shape() == logits.shape()) {
    raise<ShapeError>(caller, "{}: targets {} are no classes {}; argmax(targets, -1) makes them of one-hot rows", name,
                      targets.shape(), rows);
  }
  if (logits.rank() > 2 && targets.shape() != rows && targets.rank() == rows.rank() && targets.shape()[0] == rows[0]) {
    raise<ShapeError>(
        caller, "{}: targets {} do not fit logits {}, whose last axis are the classes; permute() brings them there",
        name, targets.shape(), logits.shape());
  }
  if (logits.rank() == 0 || targets.shape() != rows) {
    raise<ShapeError>(caller, "{}: targets {} do not fit logits {}", name, targets.shape(), logits.shape());
  }
  if (targets.dtype() != i32) {
    raise<DTypeError>(caller, "{}: targets must be i32, not {}; convert with .to(i32)", name, targets.dtype());
  }
  if (!is_floating(logits.dtype())) {
    raise<DTypeError>(caller, "{}: logits must have a floating dtype, not {}", name, logits.dtype());
  }
  if (&logits.backend() != &targets.backend()) {
    raise<DeviceError>(caller, "{}: logits are on {}, targets on {}; move one with .to()", name, logits.device(),
                       targets.device());
  }
  check_class_weight(logits, options.weight, name, caller);
}

Tensor takes_part(const Tensor& targets, const CrossEntropyOptions& options, Caller caller = {}) {
  return ne({targets, caller}, static_cast<double>(options.ignore_index));
}

/// Per row the loss of log-probabilities, in ordinary operations.
Tensor rows_from_log(const Tensor& log_p, const Tensor& targets, const CrossEntropyOptions& options, Caller caller) {
  const Tensor taken = takes_part(targets, options, caller);
  const Tensor safe = where(taken, targets, 0.0);
  Tensor loss = -autograd::gather_elements(log_p, log_p.rank() - 1, safe.unsqueeze(-1), "nll_loss", caller).squeeze(-1);
  if (options.weight.defined()) loss = loss * target_weights(targets, options);
  if (options.label_smoothing > 0) {
    const Tensor all = options.weight.defined() ? log_p * options.weight.detach() : log_p;
    loss = loss * (1 - options.label_smoothing) -
           sum(all, -1) * (options.label_smoothing / static_cast<double>(log_p.shape().back()));
  }
  return where(taken, loss, 0.0);
}

/// cross_entropy with a share for each class.
Tensor shared_cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options,
                            Caller caller) {
  if (targets.shape() != logits.shape() || targets.dtype() != logits.dtype()) {
    raise<ShapeError>(caller, "cross_entropy: shares {} {} do not fit logits {} {}", targets.dtype(), targets.shape(),
                      logits.dtype(), logits.shape());
  }
  check_class_weight(logits, options.weight, "cross_entropy", caller);
  raw::check_alike("cross_entropy", {&logits, &targets}, caller);
  const double even = options.label_smoothing / static_cast<double>(logits.shape().back());
  const Tensor shares = options.label_smoothing > 0 ? targets * (1 - options.label_smoothing) + even : targets;
  Tensor terms = shares * log_softmax(logits, -1, caller);
  if (options.weight.defined()) terms = terms * options.weight;
  const Tensor rows = -sum(terms, -1);
  return reduce_losses(rows, options.reduction);
}

}  // namespace

Tensor target_weights(const Tensor& targets, const CrossEntropyOptions& options) {
  const NoGrad off;
  const Tensor taken = takes_part(targets, options);
  if (!options.weight.defined()) return taken;
  const Tensor each = index_select(options.weight, 0, where(taken, targets, 0.0).reshape({-1}));
  return where(taken, each.reshape(targets.shape()), 0.0);
}

Tensor reduce_rows(const Tensor& losses, const Tensor& targets, const CrossEntropyOptions& options) {
  if (options.reduction == Reduction::none) return losses;
  if (options.reduction == Reduction::sum) return sum(losses);
  // In halves the sums of many rows may overflow before they are divided.
  const Tensor wide = widened(losses), weights = target_weights(targets, options);
  const Tensor all = options.weight.defined() ? sum(widened(weights)) : sum(weights).to(wide.dtype());
  return (sum(wide) / all).to(losses.dtype());
}

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options, Caller caller) {
  const ErrorScope scope(caller);
  check_smoothing(options, "cross_entropy", caller);
  for (const Tensor* each : {&logits, &targets}) raw::check_defined("cross_entropy", *each, caller);
  if (logits.rank() > 0 && targets.rank() == logits.rank() && is_floating(targets.dtype())) {
    return shared_cross_entropy(logits, targets, options, caller);
  }
  check_targets(logits, targets, options, "cross_entropy", caller);
  const int64_t classes = logits.shape().back();
  const Tensor x = logits.reshape({targets.numel(), classes}, caller);
  const Tensor dense = raw::contiguous(x);
  const Tensor t = raw::contiguous(targets.reshape({-1}));
  const Saved w = raw::contiguous(options.weight);
  Tensor rows = raw::empty({x.shape()[0]}, x.options());
  x.backend().cross_entropy(
      {dense.view(), t.view(), raw::view_or_null(*w), rows.view(), options.label_smoothing, options.ignore_index});
  rows = record(
      "cross_entropy", std::move(rows), {x},
      [x = Saved(x), dense = Saved(dense), t = Saved(t), w, options](const Tensor& g, Needs needs) {
        if (grad_enabled()) {
          return autograd::differentiate(
              [&](const std::vector<Tensor>& in) {
                return std::vector<Tensor>{rows_from_log(log_softmax(in[0], -1), *t, options, {})};
              },
              {&*x, 1}, {&g, 1}, needs);
        }
        const Tensor dloss = raw::contiguous(g);
        Tensor dx = raw::empty(x->shape(), x->options());
        x->backend().cross_entropy_backward({dense->view(), t->view(), raw::view_or_null(*w), dloss.view(), dx.view(),
                                             options.label_smoothing, options.ignore_index});
        return Gradients{dx};
      },
      caller);
  return reduce_rows(rows.reshape(targets.shape()), targets, options);
}

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& targets, const CrossEntropyOptions& options,
                Caller caller) {
  const ErrorScope scope(caller);
  check_smoothing(options, "nll_loss", caller);
  check_targets(log_probabilities, targets, options, "nll_loss", caller);
  return reduce_rows(rows_from_log(log_probabilities, targets, options, caller), targets, options);
}

Tensor mse_loss(const Tensor& x, const Tensor& y, Reduction reduction, Caller caller) {
  const ErrorScope scope(caller);
  static const Elementwise f{"mse_loss", [](Expr x, Expr y, Scalar part) { return part * square(x - y); }};
  return pointwise_loss(f, pair_count(x, y, "mse_loss", caller), reduction, Operand(x, caller), Operand(y, caller));
}

Tensor l1_loss(const Tensor& x, const Tensor& y, Reduction reduction, Caller caller) {
  const ErrorScope scope(caller);
  static const Elementwise f{"l1_loss", [](Expr x, Expr y, Scalar part) { return part * abs(x - y); }};
  return pointwise_loss(f, pair_count(x, y, "l1_loss", caller), reduction, Operand(x, caller), Operand(y, caller));
}

Tensor huber_loss(const Tensor& x, const Tensor& y, double delta, Reduction reduction, Caller caller) {
  const ErrorScope scope(caller);
  if (!(delta > 0)) raise<ValueError>(caller, "huber_loss: delta {} is not positive", delta);
  // Half a square up to delta, then a line: both are m (d - m / 2) with m = min(d, delta).
  static const Elementwise f{"huber_loss", [](Expr x, Expr y, Scalar delta, Scalar part) {
                               const Expr d = abs(x - y), m = minimum(d, delta);
                               return m * (d - 0.5 * m) * part;
                             }};
  // What is derived from that has twice the instructions.
  static const Elementwise slope{"huber_loss_backward", [](Expr g, Expr x, Expr y, Scalar delta, Scalar part) {
                                   const Expr e = x - y;
                                   return g * part * where(e >= delta, delta, where(e <= -delta, -delta, e));
                                 }};
  const int64_t count = pair_count(x, y, "huber_loss", caller);
  Tensor out = [&] {
    const NoGrad off;
    return pointwise_loss(f, count, reduction, Operand(x, caller), Operand(y, caller), Operand(delta, caller));
  }();
  const double part = reduction == Reduction::mean ? 1 / static_cast<double>(count) : 1;
  return record(
      "huber_loss", std::move(out), {x, y},
      [x = Saved(x), y = Saved(y), delta, part](const Tensor& g, Needs needs) {
        const Tensor all = slope.all({g, *x, *y, delta, part})[0];
        return Gradients{needs[0] ? sum_to(all, x->shape()) : Tensor(), needs[1] ? sum_to(-all, y->shape()) : Tensor()};
      },
      caller);
}

Tensor smooth_l1_loss(const Tensor& x, const Tensor& y, double beta, Reduction reduction, Caller caller) {
  const ErrorScope scope(caller);
  if (!(beta >= 0)) raise<ValueError>(caller, "smooth_l1_loss: beta {} is negative", beta);
  if (beta == 0) return l1_loss(x, y, reduction, caller);
  return huber_loss(x, y, beta, reduction, caller) * (1 / beta);
}

Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& y, Reduction reduction, Caller caller) {
  const ErrorScope scope(caller);
  check_pair(x, y, "binary_cross_entropy_with_logits", caller);
  // softplus(x) - x y, but without the difference of two large numbers.
  static const Elementwise f{"binary_cross_entropy_with_logits",
                             [](Expr x, Expr y, Scalar part) { return part * ((1.0 - y) * x + softplus(-x)); }};
  return pointwise_loss(f, pair_count(x, y, "binary_cross_entropy_with_logits", caller), reduction, Operand(x, caller),
                        Operand(y, caller));
}

Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& y, const BceWithLogitsOptions& options,
                                        Caller caller) {
  const ErrorScope scope(caller);
  constexpr const char* name = "binary_cross_entropy_with_logits";
  if (!options.weight.defined() && !options.pos_weight.defined()) {
    return binary_cross_entropy_with_logits(x, y, options.reduction, caller);
  }
  static const Elementwise f{name, [](Expr x, Expr y, Expr weight, Expr pos_weight, Scalar part) {
                               return part * weight * ((1.0 - y) * x + (1.0 + (pos_weight - 1.0) * y) * softplus(-x));
                             }};
  check_pair(x, y, name, caller);
  for (const Tensor* each : {&options.weight, &options.pos_weight}) {
    if (!each->defined() || broadcast_shapes(x.shape(), each->shape(), name, caller) == x.shape()) continue;
    raise<ShapeError>(caller, "{}: weights {} for predictions {}", name, each->shape(), x.shape());
  }
  const auto given = [&](const Tensor& weight) {
    return weight.defined() ? Operand(weight, caller) : Operand(1.0, caller);
  };
  return pointwise_loss(f, x.numel(), options.reduction, Operand(x, caller), Operand(y, caller), given(options.weight),
                        given(options.pos_weight));
}

Tensor binary_cross_entropy(const Tensor& p, const Tensor& y, Reduction reduction, Caller caller) {
  const ErrorScope scope(caller);
  check_pair(p, y, "binary_cross_entropy", caller);
  static const Elementwise f{"binary_cross_entropy", [](Expr p, Expr y) {
                               return -(y * maximum(log(p), -100.0) + (1.0 - y) * maximum(log1p(-p), -100.0));
                             }};
  // PyTorch's gradients: of p (p - y) / (p (1 - p)), whose divisor is 1e-12 at the least, of y the bounded logarithms.
  static const Elementwise dp{"binary_cross_entropy_backward",
                              [](Expr g, Expr p, Expr y) { return g * (p - y) / maximum(p * (1.0 - p), 1e-12); }};
  static const Elementwise dy{"binary_cross_entropy_backward", [](Expr g, Expr p) {
                                return g * (maximum(log1p(-p), -100.0) - maximum(log(p), -100.0));
                              }};
  Tensor each = [&] {
    const NoGrad off;
    return f({p, caller}, {y, caller});
  }();
  each = record(
      "binary_cross_entropy", std::move(each), {p, y},
      [p = Saved(p), y = Saved(y)](const Tensor& g, Needs needs) {
        return Gradients{needs[0] ? dp(g, *p, *y) : Tensor(), needs[1] ? dy(g, *p) : Tensor()};
      },
      caller);
  return reduce_losses(each, reduction);
}

Tensor kl_div(const Tensor& x, const Tensor& y, Reduction reduction, Caller caller) {
  const ErrorScope scope(caller);
  static const Elementwise f{"kl_div", [](Expr x, Expr y, Scalar part) {
                               const Expr none = y == 0;
                               return part * where(none, 0.0, y * (log(where(none, 1.0, y)) - x));
                             }};
  return pointwise_loss(f, pair_count(x, y, "kl_div", caller), reduction, Operand(x, caller), Operand(y, caller));
}

Tensor hinge_loss(const Tensor& x, const Tensor& y, Reduction reduction, Caller caller) {
  const ErrorScope scope(caller);
  static const Elementwise f{"hinge_loss", [](Expr x, Expr y, Scalar part) { return part * relu(1.0 - x * y); }};
  return pointwise_loss(f, pair_count(x, y, "hinge_loss", caller), reduction, Operand(x, caller), Operand(y, caller));
}

}  // namespace fovea
