#pragma once

#include "fovea/nn/attention_pool.h"
#include "fovea/nn/transformer.h"

namespace fovea::nn {

/// Logits, and after how many layers each row left.
struct Exited {
  Tensor logits;               // [batch, classes]
  std::vector<int64_t> depth;  // [batch], from 1
};

/// Transformer encoder layers with a way out after each, an attention pool and a classifier: rows that are classified
/// with confidence leave, and the deeper layers see only the others (Teerapittayanon et al. 2016, "BranchyNet").
///   x        [batch, time, dim], keep bool [batch, time] or undefined
///   layers.{i} TransformerEncoderLayer, pools.{i} AttentionPool(dim), exits.{i} Linear(dim, classes)
///   logits   [batch, classes] of each exit
class EarlyExitEncoder : public Module {
 public:
  EarlyExitEncoder(int64_t dim, int64_t heads, int64_t layers, int64_t classes, TransformerOptions options = {},
                   Caller caller = {});
  /// Of every exit, the deepest last: to train them all, add their losses.
  std::vector<Tensor> forward(const Tensor& x, const Tensor& keep = {}, Caller caller = {}) const;
  /// Leaves each row at the first exit whose greatest probability is at least `confidence`, the deepest at the latest.
  /// Without gradients.
  Exited predict(const Tensor& x, const Tensor& keep, double confidence, Caller caller = {}) const;

  ModuleList<TransformerEncoderLayer> layers;
  ModuleList<AttentionPool> pools;
  ModuleList<Linear> exits;
};

}  // namespace fovea::nn
