#pragma once

#include <functional>

#include "fovea/nn/linear.h"
#include "fovea/nn/module.h"

// Attention and depth that fit themselves to what they are given.
namespace fovea::nn {

/// A temperature that each query chooses: base^tanh(w . q + b), between 1/base (sharp) and base (even), by which its
/// scores are divided (Lin et al. 2018).
///   q            [..., dim]
///   temperature  [..., 1]
///   weight       [1, dim], bias [1], zeros: a temperature of 1
class AdaptiveTemperature : public Module {
 public:
  explicit AdaptiveTemperature(int64_t dim, double base = 4, Caller caller = {});
  Tensor forward(const Tensor& q, Caller caller = {}) const;
  std::string description() const override;
  double base() const { return base_; }

  Tensor weight;
  Tensor bias;

 private:
  double base_;
};

struct AdaptiveSpanOptions {
  int64_t max_span = 1024;  // no head looks farther than this and the ramp
  int64_t ramp = 32;        // over how many positions the weight falls to 0
  double initial = 0.1;     // of the span, from 0 to 1
};

/// The bias by which every head learns how far it looks: log m(x) at distance x, with m(x) = min(max((ramp + z - x) /
/// ramp, 0), 1) and z = max_span * span, so that softmax(s + log m) = m exp(s) / sum m exp(s) (Sukhbaatar et al. 2019).
///   span  [heads], each between 0 and 1
///   bias  [heads, queries, keys], very negative where m is 0
class AdaptiveSpan : public Module {
 public:
  explicit AdaptiveSpan(int64_t heads, AdaptiveSpanOptions options = {}, Caller caller = {});
  /// Query i stands at position i + offset.
  Tensor forward(int64_t queries, int64_t keys, int64_t offset = 0, Caller caller = {}) const;
  std::string description() const override;

  /// The mean of the spans: a part of it in the loss keeps heads from looking farther than they need.
  Tensor mean_span() const;
  /// Keys so far away, or farther, weigh nothing in any head: a window for the attention that spares reading them.
  int64_t window() const;
  const AdaptiveSpanOptions& options() const { return options_; }

  Tensor span;

 private:
  AdaptiveSpanOptions options_;
};

struct AdaptiveDepthOptions {
  int64_t max_steps = 8;  // the most steps
  double eps = 0.01;      // a row stops once its halting probabilities reach 1 - eps together
};

/// What adaptive computation made of each row.
struct Pondered {
  Tensor output;  // [..., dim]
  Tensor ponder;  // [...]: N + R, the cost of a row, differentiable through R
  Tensor steps;   // i32 [...]: N
};

/// A step s_n = f(s_(n-1)) repeated as often as each row asks for (Graves 2016): with p_n = sigmoid(w . s_n + b), N is
/// the first n where p_1 + ... + p_n >= 1 - eps (or the most steps) and R = 1 - (p_1 + ... + p_(N-1)); the output is
/// p_1 s_1 + ... + p_(N-1) s_(N-1) + R s_N.
///   x     [..., dim], f takes [..., dim] and the number of the step from 0 and gives [..., dim]
///   halt  Linear(dim, 1), its bias 1
class AdaptiveDepth : public Module {
 public:
  explicit AdaptiveDepth(int64_t dim, AdaptiveDepthOptions options = {}, Caller caller = {});
  /// Stops calling `step` once every row has stopped.
  Pondered forward(const Tensor& x, const std::function<Tensor(const Tensor&, int64_t)>& step,
                   Caller caller = {}) const;
  std::string description() const override;
  const AdaptiveDepthOptions& options() const { return options_; }

  Linear halt;

 private:
  AdaptiveDepthOptions options_;
};

}  // namespace fovea::nn
