#pragma once

#include <memory>

#include "fovea/nn/adaptive.h"
#include "fovea/nn/attention.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

struct SequenceAttentionOptions {
  Score score = Score::scaled_dot;
  Weights weights = Weights::softmax;
  double temperature = 1;
  bool adaptive_temperature = false;  // divided further by what AdaptiveTemperature finds for each query
  bool gate = false;                  // read * sigmoid(W [query, read] + b): a learned gate on what was read
  int64_t hidden = 0;                 // additive: the width of the projections; 0: key_dim
  int64_t length = 0;                 // location: the most keys there are
  int64_t value_dim = 0;              // with gate: the width of the values; 0: key_dim
};

/// Attention of many queries with a learned score: score, then weights, then a read, each as chosen (Wang et al. 2017
/// for the gate).
///   query   [B, Q, query_dim], keys [B, T, key_dim], values [B, T, Dv]; keep bool [B, T] or [B, Q, T] or undefined
///   weight  bilinear: [query_dim, key_dim]; location: [query_dim, length]; uniform in +-1/sqrt(query_dim)
///   wq, wk, u  additive: [query_dim, hidden], [key_dim, hidden], [hidden]; uniform in +-1/sqrt of their first size
///   temperature  with adaptive_temperature: AdaptiveTemperature(query_dim); `warmth` in a state dict
///   gate    with gate: Linear(query_dim + value_dim, value_dim)
///   read    [B, Q, Dv], weights [B, Q, T]
class SequenceAttention : public Module {
 public:
  SequenceAttention(int64_t query_dim, int64_t key_dim, SequenceAttentionOptions options = {}, Caller caller = {});

  /// Self-attention.
  Tensor forward(const Tensor& x, const Tensor& keep = {}, Caller caller = {}) const;
  Tensor forward(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep,
                 Caller caller = {}) const;
  Attended forward_with_weights(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep = {},
                                Caller caller = {}) const;
  std::string description() const override;
  int64_t key_dim() const { return key_dim_; }
  const SequenceAttentionOptions& options() const { return options_; }

  Tensor weight;
  Tensor wq, wk, u;
  std::unique_ptr<AdaptiveTemperature> temperature;
  std::unique_ptr<Linear> gate;

 private:
  AttentionOptions settle(const Tensor& query, Caller caller) const;
  Tensor gated(const Tensor& query, const Tensor& read, Caller caller) const;

  int64_t query_dim_, key_dim_;
  SequenceAttentionOptions options_;
};

}  // namespace fovea::nn
