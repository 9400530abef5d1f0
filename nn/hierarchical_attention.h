#pragma once

#include "fovea/nn/attention_pool.h"
#include "fovea/nn/recurrent.h"

namespace fovea::nn {

struct HierarchicalOptions {
  int64_t hidden = 50;  // of each direction of both GRUs
  Score score = Score::additive;
  Weights weights = Weights::softmax;
};

/// A document's vector, and where it was read.
struct Document {
  Tensor read;       // [batch, 2 hidden]
  Tensor words;      // [batch, sentences, words], the weights within each sentence
  Tensor sentences;  // [batch, sentences]
};

/// Documents read in two stages: the words of each sentence by a bidirectional GRU and an AttentionPool, then the
/// sentences' vectors likewise (Yang et al. 2016).
///   x        [batch, sentences, words, dim]
///   lengths  i32 [batch, sentences], how many words each sentence has; 0 at the end of a document: no sentence there
///   y        [batch, 2 hidden]
///   word_encoder GRU(dim, hidden), word_pool AttentionPool(2 hidden), sentence_encoder GRU(2 hidden, hidden),
///   sentence_pool AttentionPool(2 hidden)
class HierarchicalAttention : public Module {
 public:
  explicit HierarchicalAttention(int64_t dim, HierarchicalOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, const Tensor& lengths, Caller caller = {}) const {
    return forward_with_weights(x, lengths, caller).read;
  }
  Document forward_with_weights(const Tensor& x, const Tensor& lengths, Caller caller = {}) const;

  GRU word_encoder;
  AttentionPool word_pool;
  GRU sentence_encoder;
  AttentionPool sentence_pool;
};

}  // namespace fovea::nn
