#pragma once

#include "fovea/nn/attention.h"
#include "fovea/nn/conv.h"
#include "fovea/nn/linear.h"

namespace fovea::nn {

struct LocationAttentionOptions {
  int64_t filters = 10;
  int64_t kernel = 31;  // of the convolution over the weights before; odd
  Weights weights = Weights::softmax;
  double temperature = 1;
};

/// Attention that knows where it looked last: e_t = w . tanh(W s + V h_t + U f_t + b), f = F * the weights before, a
/// convolution (Chorowski et al. 2015). For decoders that move along their input, as in speech recognition.
///   s         [batch, query_dim], the decoder's state
///   h         [batch, time, key_dim]; previous [batch, time], the weights of the step before, undefined at the first
///   query (W) Linear(query_dim, hidden), key (V) and location (U) the same of key_dim and filters without biases;
///   conv (F)  Conv1d(1, filters, kernel) without a bias; weight (w) [hidden], uniform in +-1/sqrt(hidden)
///   read      [batch, key_dim], weights [batch, time]
class LocationAwareAttention : public Module {
 public:
  LocationAwareAttention(int64_t query_dim, int64_t key_dim, int64_t hidden, LocationAttentionOptions options = {},
                         Caller caller = {});
  /// keep: bool [batch, time] or undefined.
  Attended forward(const Tensor& s, const Tensor& h, const Tensor& previous, const Tensor& keep = {},
                   Caller caller = {}) const;
  std::string description() const override;
  const LocationAttentionOptions& options() const { return options_; }

  Linear query, key, location;
  Conv1d conv;
  Tensor weight;

 private:
  LocationAttentionOptions options_;
};

}  // namespace fovea::nn
