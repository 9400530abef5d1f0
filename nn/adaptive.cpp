#include "fovea/nn/adaptive.h"

#include <cmath>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/nn/init.h"

namespace fovea::nn {

AdaptiveTemperature::AdaptiveTemperature(int64_t dim, double base, Caller caller) : base_(base) {
  if (dim < 1 || !(base > 1)) {
    raise<ValueError>(caller, "AdaptiveTemperature: size {} must be positive and base {} above 1", dim, base);
  }
  weight = zeros({1, dim}, {}, caller);
  bias = zeros({1});
  add("weight", weight);
  add("bias", bias);
}

Tensor AdaptiveTemperature::forward(const Tensor& q, Caller caller) const {
  static const Elementwise power{"adaptive_temperature", [](Expr x, Scalar rate) { return exp(tanh(x) * rate); }};
  const Scope scope(*this, caller);
  return power(linear(q, weight, bias, caller), std::log(base_));
}

std::string AdaptiveTemperature::description() const { return fmt::format("{}, base={}", weight.shape()[1], base_); }

AdaptiveSpan::AdaptiveSpan(int64_t heads, AdaptiveSpanOptions options, Caller caller) : options_(options) {
  if (heads < 1 || options.max_span < 1 || options.ramp < 1 || !(options.initial >= 0 && options.initial <= 1)) {
    raise<ValueError>(caller, "AdaptiveSpan: {} heads, a span of {} out of {}, a ramp of {}", heads, options.initial,
                      options.max_span, options.ramp);
  }
  span = full({heads}, options.initial, {}, caller);
  add("span", span);
}

Tensor AdaptiveSpan::forward(int64_t queries, int64_t keys, int64_t offset, Caller caller) const {
  static const Elementwise mask{"adaptive_span", [](Expr span, Expr i, Expr j, Scalar max_span, Scalar ramp) {
                                  const Expr z = minimum(maximum(span, 0.0), 1.0) * max_span;
                                  const Expr m = minimum((ramp + z - abs(i - j)) / ramp, 1.0);
                                  return where(m > 0, log(where(m > 0, m, 1.0)), -1e30);
                                }};
  const Scope scope(*this, caller);
  if (queries < 0 || keys < 0) raise<ValueError>(caller, "AdaptiveSpan: {} queries and {} keys", queries, keys);
  const auto first = static_cast<double>(offset);
  const Tensor i = arange(first, first + static_cast<double>(queries), 1, span.options()).reshape({1, queries, 1});
  const Tensor j = arange(0, static_cast<double>(keys), 1, span.options());
  return mask.all(
      {span.reshape({-1, 1, 1}), i, j, static_cast<double>(options_.max_span), static_cast<double>(options_.ramp)})[0];
}

Tensor AdaptiveSpan::mean_span() const { return mean(clamp(span, 0, 1)); }

int64_t AdaptiveSpan::window() const {
  const NoGrad off;
  const double widest = clamp(amax(span), 0, 1).item();
  return options_.ramp + static_cast<int64_t>(std::ceil(widest * static_cast<double>(options_.max_span)));
}

std::string AdaptiveSpan::description() const {
  return fmt::format("{}, max_span={}, ramp={}", span.shape()[0], options_.max_span, options_.ramp);
}

AdaptiveDepth::AdaptiveDepth(int64_t dim, AdaptiveDepthOptions options, Caller caller)
    : halt(dim, 1, {}, caller), options_(options) {
  if (options.max_steps < 1 || !(options.eps >= 0 && options.eps < 1)) {
    raise<ValueError>(caller, "AdaptiveDepth: {} steps, eps {}", options.max_steps, options.eps);
  }
  init::ones_(halt.bias);  // few steps at first
  add("halt", halt);
}

Pondered AdaptiveDepth::forward(const Tensor& x, const std::function<Tensor(const Tensor&, int64_t)>& step,
                                Caller caller) const {
  // Of a row that still runs: what this state weighs, and what is left for later ones.
  static const Elementwise share{"adaptive_share", [](Expr p, Expr left, Expr running, Expr stops) {
                                   return where(running, where(stops, left, p), 0.0);
                                 }};
  static const Elementwise stopping{"adaptive_stop", [](Expr p, Expr left, Scalar eps) { return left - p <= eps; }};
  const Scope scope(*this, caller);
  if (x.rank() < 1 || x.shape().back() != halt.weight.shape()[1]) {
    raise<ShapeError>(caller, "AdaptiveDepth: input {} does not end in {}", x.shape(), halt.weight.shape()[1]);
  }
  Shape rows = x.shape();
  rows.erase(rows.rank() - 1);
  Tensor running = ones(rows, {boolean, x.device()}), steps = zeros(rows, {i32, x.device()});
  Tensor left = ones(rows, x.options()), state = x, output, remainder;
  for (int64_t n = 0; n < options_.max_steps; ++n) {
    state = step(state, n);
    if (state.shape() != x.shape()) {
      raise<ShapeError>(caller, "AdaptiveDepth: step {} made {} of {}", n, state.shape(), x.shape());
    }
    const Tensor p = sigmoid(halt.forward(state, caller)).squeeze(-1);
    const bool last = n + 1 == options_.max_steps;
    const Tensor stops = last ? ones(rows, running.options()) : stopping(p, left, options_.eps);
    const Tensor part = share(p, left, running, stops);
    const Tensor read = part.unsqueeze(-1) * state;
    const Tensor rest = where(logical_and(running, stops), left, 0.0);
    output = output.defined() ? output + read : read;
    remainder = remainder.defined() ? remainder + rest : rest;
    steps = steps + running.to(i32);
    running = logical_and(running, logical_not(stops));
    left = left - p;
    if (last || !any(running).item<bool>()) break;
  }
  return {output, remainder + steps.to(x.dtype()), steps};
}

std::string AdaptiveDepth::description() const {
  return fmt::format("{}, max_steps={}, eps={}", halt.weight.shape()[1], options_.max_steps, options_.eps);
}

}  // namespace fovea::nn
