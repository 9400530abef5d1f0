#include "fovea/nn/losses.h"

#include <cmath>
#include <numbers>

#include "fovea/autograd/by_index.h"
#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/loss_reduction.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/backends/recording.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {
namespace {

void same_shape(const char* name, const Tensor& a, const Tensor& b, Caller caller) {
  for (const Tensor* x : {&a, &b}) raw::check_defined(name, *x, caller);
  if (a.shape() != b.shape()) raise<ShapeError>(caller, "{}: shapes differ: {} and {}", name, a.shape(), b.shape());
}

// What is left of 1 - p is held above this: a power below 1 is infinitely steep at 0.
constexpr double least_miss = 1e-37;

void check_gamma(const char* name, double gamma, Caller caller) {
  if (!(gamma >= 0)) raise<ValueError>(caller, "{}: gamma {} is negative", name, gamma);
}

}  // namespace

Tensor margin_ranking_loss(const Tensor& a, const Tensor& b, const Tensor& y, double margin, Reduction reduction,
                           Caller caller) {
  static const Elementwise f{"margin_ranking_loss", [](Expr a, Expr b, Expr y, Scalar margin, Scalar part) {
                               return part * relu(margin - y * (a - b));
                             }};
  const ErrorScope scope(caller);
  same_shape("margin_ranking_loss", a, b, caller);
  same_shape("margin_ranking_loss", a, y, caller);
  return pointwise_loss(f, a.numel(), reduction, a, b, y, margin);
}

Tensor soft_margin_loss(const Tensor& x, const Tensor& y, Reduction reduction, Caller caller) {
  static const Elementwise f{"soft_margin_loss", [](Expr x, Expr y, Scalar part) { return part * softplus(-(y * x)); }};
  const ErrorScope scope(caller);
  same_shape("soft_margin_loss", x, y, caller);
  return pointwise_loss(f, x.numel(), reduction, x, y);
}

Tensor hinge_embedding_loss(const Tensor& x, const Tensor& y, double margin, Reduction reduction, Caller caller) {
  static const Elementwise f{"hinge_embedding_loss", [](Expr x, Expr y, Scalar margin, Scalar part) {
                               return part * where(y > 0, x, relu(margin - x));
                             }};
  const ErrorScope scope(caller);
  same_shape("hinge_embedding_loss", x, y, caller);
  return pointwise_loss(f, x.numel(), reduction, x, y, margin);
}

Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& y, double margin, Reduction reduction,
                             Caller caller) {
  static const Elementwise product{"mul", [](Expr a, Expr b) { return a * b; }};
  static const Elementwise f{"cosine_embedding_loss",
                             [](Expr ab, Expr aa, Expr bb, Expr y, Scalar margin, Scalar part) {
                               const Expr cosine = ab / sqrt((aa + 1e-12) * (bb + 1e-12));
                               return part * where(y > 0, 1 - cosine, relu(cosine - margin));
                             }};
  const ErrorScope scope(caller);
  same_shape("cosine_embedding_loss", a, b, caller);
  const Tensor ab = product.sum(-1, false, {a, b}), aa = sum(square(a), -1), bb = sum(square(b), -1);
  same_shape("cosine_embedding_loss", ab, y, caller);
  return pointwise_loss(f, y.numel(), reduction, ab, aa, bb, y, margin);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, TripletOptions options,
                           Caller caller) {
  static const Elementwise gap{"square_distance", [](Expr a, Expr b) { return square(a - b + 1e-6); }};
  static const Elementwise f{"triplet_margin_loss",
                             [](Expr p, Expr n, Scalar margin, Scalar part) { return part * relu(p - n + margin); }};
  const ErrorScope scope(caller);
  same_shape("triplet_margin_loss", anchor, positive, caller);
  same_shape("triplet_margin_loss", anchor, negative, caller);
  raw::check_alike("triplet_margin_loss", {&anchor, &positive, &negative}, caller);
  if (is_half(anchor)) {  // f16 holds no square of more than 255, nor that of 1e-6
    return triplet_margin_loss(widened(anchor), widened(positive), widened(negative), options, caller)
        .to(anchor.dtype());
  }
  const auto distance = [](const Tensor& a, const Tensor& b) { return sqrt(gap.sum(-1, false, {a, b})); };
  const Tensor p = distance(anchor, positive);
  Tensor n = distance(anchor, negative);
  if (options.swap) n = minimum(n, distance(positive, negative));
  return pointwise_loss(f, p.numel(), options.reduction, p, n, options.margin);
}

Tensor multi_margin_loss(const Tensor& x, const Tensor& targets, double margin, Reduction reduction, Caller caller) {
  static const Elementwise f{"multi_margin_loss", [](Expr x, Expr own, Expr is_own, Scalar margin, Scalar part) {
                               return part * where(is_own, 0.0, relu(margin - own + x));
                             }};
  const ErrorScope scope(caller);
  for (const Tensor* each : {&x, &targets}) raw::check_defined("multi_margin_loss", *each, caller);
  Shape expected = x.shape();
  if (x.rank() > 0) expected.erase(x.rank() - 1);
  if (x.rank() == 0 || targets.shape() != expected) {
    raise<ShapeError>(caller, "multi_margin_loss: targets {} do not fit {}", targets.shape(), x.shape());
  }
  autograd::check_index(x, targets, "multi_margin_loss", caller);
  const Tensor own = autograd::gather_elements(x, x.rank() - 1, targets.unsqueeze(-1), "multi_margin_loss", caller);
  const Tensor is_own = one_hot(targets, x.shape().back(), x.dtype());
  const double part = 1 / static_cast<double>(std::max<int64_t>(x.shape().back(), 1));
  return reduce_losses(f.sum(-1, false, {x, own, is_own, margin, part}), reduction);
}

Tensor gaussian_nll_loss(const Tensor& mean, const Tensor& y, const Tensor& variance, GaussianNLLOptions options,
                         Caller caller) {
  static const Elementwise f{
      "gaussian_nll_loss", [](Expr mean, Expr y, Expr variance, Expr fixed, Scalar eps, Scalar constant, Scalar part) {
        const Expr v = variance + relu(eps - fixed);
        return part * (0.5 * (log(v) + square(mean - y) / v) + constant);
      }};
  const ErrorScope scope(caller);
  same_shape("gaussian_nll_loss", mean, y, caller);
  same_shape("gaussian_nll_loss", mean, variance, caller);
  const Tensor fixed = variance.detach();  // what lifts a variance to eps has no gradient
  if (fixed.numel() > 0 && !is_recording()) {
    if (const double least = amin(fixed).item(caller); least < 0) {
      raise<ValueError>(caller, "gaussian_nll_loss: a variance of {} is negative", least);
    }
  }
  return pointwise_loss(f, y.numel(), options.reduction, mean, y, variance, fixed, options.eps,
                        options.full ? 0.5 * std::log(2 * std::numbers::pi) : 0.0);
}

Tensor poisson_nll_loss(const Tensor& x, const Tensor& y, PoissonNLLOptions options, Caller caller) {
  static const Elementwise from_log{"poisson_nll_loss",
                                    [](Expr x, Expr y, Scalar, Scalar part) { return part * (exp(x) - y * x); }};
  static const Elementwise from_rate{
      "poisson_nll_loss", [](Expr x, Expr y, Scalar eps, Scalar part) { return part * (x - y * log(x + eps)); }};
  static const Elementwise stirling{
      "poisson_stirling", [](Expr y, Scalar part) {
        const Expr safe = maximum(y, 1.0);
        return part * where(y > 1, safe * log(safe) - safe + 0.5 * log(2 * std::numbers::pi * safe), 0.0);
      }};
  const ErrorScope scope(caller);
  same_shape("poisson_nll_loss", x, y, caller);
  const Tensor loss =
      pointwise_loss(options.log_input ? from_log : from_rate, y.numel(), options.reduction, x, y, options.eps);
  return options.full ? loss + pointwise_loss(stirling, y.numel(), options.reduction, y) : loss;
}

Tensor focal_loss(const Tensor& logits, const Tensor& targets, FocalOptions options, Caller caller) {
  static const Elementwise f{"focal_loss", [](Expr loss, Expr weight, Scalar gamma) {
                               return weight * pow(maximum(-expm1(-loss), least_miss), gamma) * loss;
                             }};
  const ErrorScope scope(caller);
  for (const Tensor* each : {&logits, &targets}) raw::check_defined("focal_loss", *each, caller);
  check_gamma("focal_loss", options.gamma, caller);
  if (targets.dtype() != i32) {
    raise<DTypeError>(caller, "focal_loss: targets must be i32, not {}; convert with .to(i32)", targets.dtype());
  }
  const Tensor loss =
      cross_entropy(logits, targets, {.ignore_index = options.ignore_index, .reduction = Reduction::none}, caller);
  const CrossEntropyOptions weighted{
      .weight = options.weight, .ignore_index = options.ignore_index, .reduction = options.reduction};
  if (!options.weight.defined()) return reduce_rows(f(loss, 1.0, options.gamma), targets, weighted);
  if (options.weight.shape() != Shape{logits.shape().back()}) {
    raise<ShapeError>(caller, "focal_loss: weights {} for logits {}", options.weight.shape(), logits.shape());
  }
  raw::check_alike("focal_loss", {&logits, &options.weight}, caller);
  return reduce_rows(f(loss, target_weights(targets, weighted), options.gamma), targets, weighted);
}

Tensor sigmoid_focal_loss(const Tensor& x, const Tensor& y, SigmoidFocalOptions options, Caller caller) {
  static const Elementwise f{
      "sigmoid_focal_loss", [](Expr x, Expr y, Scalar of_one, Scalar of_zero, Scalar gamma, Scalar part) {
        const Expr miss = sigmoid(x) * (1.0 - y) + sigmoid(-x) * y;
        const Expr loss = softplus(-x) + (1.0 - y) * x;
        return part * (of_one * y + of_zero * (1.0 - y)) * pow(maximum(miss, least_miss), gamma) * loss;
      }};
  const ErrorScope scope(caller);
  check_gamma("sigmoid_focal_loss", options.gamma, caller);
  if (!(options.alpha <= 1)) raise<ValueError>(caller, "sigmoid_focal_loss: alpha {} is above 1", options.alpha);
  same_shape("sigmoid_focal_loss", x, y, caller);
  const bool alike = options.alpha < 0;
  return pointwise_loss(f, x.numel(), options.reduction, x, y, alike ? 1.0 : options.alpha,
                        alike ? 1.0 : 1 - options.alpha, options.gamma);
}

Tensor dice_loss(const Tensor& p, const Tensor& y, DiceOptions options, Caller caller) {
  static const Elementwise product{"mul", [](Expr a, Expr b) { return a * b; }};
  static const Elementwise squares{"sum_of_squares", [](Expr a, Expr b) { return square(a) + square(b); }};
  static const Elementwise f{"dice_loss", [](Expr both, Expr either, Scalar smooth, Scalar part) {
                               return part * (1.0 - (2.0 * both + smooth) / (either + smooth));
                             }};
  const ErrorScope scope(caller);
  same_shape("dice_loss", p, y, caller);
  raw::check_alike("dice_loss", {&p, &y}, caller);
  if (p.rank() < 3) raise<ShapeError>(caller, "dice_loss: {} is not [batch, classes, space...]", p.shape());
  if (!(options.smooth >= 0)) raise<ValueError>(caller, "dice_loss: smooth {} is negative", options.smooth);
  if (is_half(p)) return dice_loss(widened(p), widened(y), options, caller).to(p.dtype());  // sums of many squares
  const Tensor of_p = p.flatten(2, -1), of_y = y.flatten(2, -1);
  const Tensor both = product.sum(-1, false, {of_p, of_y}), either = squares.sum(-1, false, {of_p, of_y});
  return pointwise_loss(f, both.numel(), options.reduction, both, either, options.smooth);
}

}  // namespace fovea::nn
