#include "fovea/nn/hierarchical_attention.h"

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/nn/padding.h"

namespace fovea::nn {

HierarchicalAttention::HierarchicalAttention(int64_t dim, HierarchicalOptions options, Caller caller)
    : word_encoder(dim, options.hidden, {.bidirectional = true}, caller),
      word_pool(2 * options.hidden, {.score = options.score, .weights = options.weights}, caller),
      sentence_encoder(2 * options.hidden, options.hidden, {.bidirectional = true}, caller),
      sentence_pool(2 * options.hidden, {.score = options.score, .weights = options.weights}, caller) {
  add("word_encoder", word_encoder);
  add("word_pool", word_pool);
  add("sentence_encoder", sentence_encoder);
  add("sentence_pool", sentence_pool);
}

Document HierarchicalAttention::forward_with_weights(const Tensor& x, const Tensor& lengths, Caller caller) const {
  const Scope scope(*this, caller);
  if (x.rank() != 4 || lengths.dtype() != i32 || lengths.shape() != Shape{x.shape()[0], x.shape()[1]}) {
    raise<ShapeError>(caller,
                      "HierarchicalAttention: input {} and lengths {} of {} are not [batch, sentences, words, dim] and "
                      "i32 [batch, sentences]",
                      x.shape(), lengths.shape(), lengths.dtype());
  }
  const int64_t batch = x.shape()[0], sentences = x.shape()[1], words = x.shape()[2];
  const Tensor each = lengths.reshape({batch * sentences});
  const Tensor states = word_encoder.forward(x.flatten(0, 1), each, {}, caller).output;
  const Attended read = word_pool.forward_with_weights(states, sequence_mask(each, words), caller);
  const Tensor vectors = read.read.reshape({batch, sentences, read.read.shape()[1]});
  const Tensor there = sum(gt(lengths, 0.0).to(i32), 1);
  const Tensor context = sentence_encoder.forward(vectors, there, {}, caller).output;
  const Attended document = sentence_pool.forward_with_weights(context, sequence_mask(there, sentences), caller);
  return {document.read, read.weights.reshape({batch, sentences, words}), document.weights};
}

}  // namespace fovea::nn
