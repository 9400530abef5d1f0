#pragma once

#include <memory>

#include "fovea/nn/attention.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

struct AttentionPoolOptions {
  Score score = Score::additive;
  Weights weights = Weights::softmax;
  double temperature = 1;
  bool gate = false;   // read * sigmoid(W read + b): a learned gate on what was read
  int64_t hidden = 0;  // additive: the width of the projected keys; 0: dim
  int64_t length = 0;  // location: the longest sequence
};

/// A sequence read as one vector by a learned query: sum_t w_t x_t, where the weights w come from the scores of the query
/// against every x_t as chosen.
///   x       [B, T, dim], keep bool [B, T] or undefined
///   query   [dim], for additive scores [hidden]; uniform in +-1/sqrt of its size
///   key     additive: Linear(dim, hidden); the score is query . tanh(key(x)) (Yang et al. 2016), which is the additive
///           score with the constant q Wq as bias
///   weight  bilinear: [dim, dim]; location: [dim, length]; uniform in +-1/sqrt(dim)
///   gate    with gate: Linear(dim, dim)
///   read    [B, dim], weights [B, T]
class AttentionPool : public Module {
 public:
  explicit AttentionPool(int64_t dim, AttentionPoolOptions options = {}, Caller caller = {});

  Tensor forward(const Tensor& x, const Tensor& keep = {}, Caller caller = {}) const;
  Attended forward_with_weights(const Tensor& x, const Tensor& keep = {}, Caller caller = {}) const;
  std::string description() const override;
  const AttentionPoolOptions& options() const { return options_; }

  Tensor query;
  Tensor weight;
  std::unique_ptr<Linear> key;
  std::unique_ptr<Linear> gate;

 private:
  Tensor scores(const Tensor& x, Caller caller) const;

  int64_t dim_;
  AttentionPoolOptions options_;
};

}  // namespace fovea::nn
