#pragma once

#include <string>
#include <vector>

#include "fovea/nn/module.h"

namespace fovea::nn {

/// While it lives: notes what every MultiheadAttention of this thread weighs, of whatever model, in the order in which they
/// run. The weights are then computed one by one, which takes the memory that attention without them saves.
///
///     const nn::Evaluating evaluation(model);
///     const nn::AttentionTrace trace;
///     model.forward(tokens, keep);
///     for (const auto& [layer, weights] : trace.weights()) ...  // "encoder.layers.0.self_attn"
///
/// Of several the one made last notes them. A captured step that is replayed adds nothing.
class AttentionTrace {
 public:
  AttentionTrace();
  ~AttentionTrace();
  AttentionTrace(const AttentionTrace&) = delete;
  AttentionTrace& operator=(const AttentionTrace&) = delete;

  /// Each layer's path and its weights [batch, heads, queries, keys], without a graph.
  const std::vector<NamedTensor>& weights() const { return weights_; }
  void clear() { weights_.clear(); }

  /// This thread's; null where there is none.
  static AttentionTrace* current();
  void add(std::string layer, const Tensor& weights) { weights_.push_back({std::move(layer), weights.detach()}); }

 private:
  AttentionTrace* outer_;
  std::vector<NamedTensor> weights_;
};

}  // namespace fovea::nn
