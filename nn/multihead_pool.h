#pragma once

#include <memory>

#include "fovea/nn/attention.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

struct MultiheadPoolOptions {
  Weights weights = Weights::softmax;
  double temperature = 1;
  bool gate = false;  // read * sigmoid(W read + b), as AttentionPool's
};

/// A sequence read as one vector by a learned query per head, each in projections of its own: multi-head attention
/// whose query does not hang on the input (Lee et al. 2019, "pooling by multihead attention").
///   weights_h = Weights(query_h . key(x)_h / sqrt(d)), read_h = sum over time of weights_h value(x)_h, d = dim / heads
///   read = out(concat(read_h))
///   x      [B, T, dim], keep bool [B, T] or undefined
///   query  [heads, d], uniform in +-1/sqrt(d)
///   key, value, out, with gate also gate: Linear(dim, dim)
///   read   [B, dim], weights [B, heads, T]
class MultiheadPool : public Module {
 public:
  MultiheadPool(int64_t dim, int64_t heads, MultiheadPoolOptions options = {}, Caller caller = {});

  Tensor forward(const Tensor& x, const Tensor& keep = {}, Caller caller = {}) const;
  Attended forward_with_weights(const Tensor& x, const Tensor& keep = {}, Caller caller = {}) const;
  std::string description() const override;
  const MultiheadPoolOptions& options() const { return options_; }

  Tensor query;
  Linear key, value, out;
  std::unique_ptr<Linear> gate;

 private:
  int64_t dim_, heads_;
  MultiheadPoolOptions options_;
};

}  // namespace fovea::nn
