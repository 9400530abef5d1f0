#include "model.h"

using namespace fovea;

TextModel::TextModel(const ModelOptions& options, int64_t ids, int64_t classes)
    : options_(options), dropout_(options.dropout) {
  int64_t width = options.embedding;
  if (options.is_bag()) {
    bag_ = std::make_unique<nn::EmbeddingBag>(ids, width, nn::EmbeddingBagOptions{.sparse = true});
    nn::init::uniform_(bag_->weight, -1.0 / static_cast<double>(width), 1.0 / static_cast<double>(width));
    add("embedding", *bag_);
  } else {
    embedding_ = std::make_unique<nn::Embedding>(
        ids, width, nn::EmbeddingOptions{.padding_index = data::Vocabulary::padding, .sparse = true});
    {
      const NoGrad outside_the_graph;
      embedding_->weight.mul_(0.1);  // so that steps of an ordinary learning rate move it
    }
    add("embedding", *embedding_);
  }
  if (options.is_hierarchical()) {
    document_ = std::make_unique<nn::HierarchicalAttention>(
        width,
        nn::HierarchicalOptions{.hidden = options.hidden, .score = options.score(), .weights = options.weights_kind()});
    add("encoder", *document_);
    width = 2 * options.hidden;
  } else if (!options.is_bag()) {
    encoder_ = make_encoder(options);
    add("encoder", *encoder_);
    width = encoder_->width();
    if (options.attention == "multi_head") {
      heads_ = std::make_unique<nn::MultiheadPool>(
          width, options.heads, nn::MultiheadPoolOptions{.weights = options.weights_kind(), .gate = options.gate});
      add("attention", *heads_);
    } else if (options.attention != "none") {
      attention_ = std::make_unique<nn::AttentionPool>(
          width,
          nn::AttentionPoolOptions{.score = options.score(), .weights = options.weights_kind(), .gate = options.gate});
      add("attention", *attention_);
    }
  }
  output_ = std::make_unique<nn::Linear>(width, classes);
  add("output", *output_);
  add("dropout", dropout_);
}

/// In training, tokens at random become `unknown`: so that the model learns to do without any one of them, and what to
/// make of one that it does not know.
Tensor TextModel::drop_words(const Tensor& tokens) const {
  if (!training() || options_.word_dropout == 0) return tokens;
  const Tensor hidden = rand(tokens.shape(), {.device = tokens.device()}) < options_.word_dropout;
  return masked_fill(tokens, logical_and(hidden, ne(tokens, data::Vocabulary::padding)), data::Vocabulary::unknown);
}

/// A vector for the text and the weight of each token, of several heads the mean.
Attended TextModel::attend(const Tensor& states, const Tensor& keep) const {
  if (attention_) return attention_->forward_with_weights(states, keep);
  const Attended made = heads_->forward_with_weights(states, keep);
  return {made.read, mean(made.weights.detach(), 1)};
}

train::TextOutput TextModel::forward(const train::TextBatch& batch) const {
  const Tensor tokens = drop_words(batch.tokens);
  if (bag_) return {output_->forward(dropout_.forward(bag_->forward(tokens, batch.offsets))), {}, {}};

  const Tensor embedded = dropout_.forward(embedding_->forward(tokens));
  if (document_) {
    const nn::Document read = document_->forward_with_weights(embedded, batch.lengths);
    return {output_->forward(dropout_.forward(read.read)), read.words, read.sentences};
  }
  const bool attends = attention_ || heads_;
  const Encoded encoded = encoder_->read(embedded, batch, !attends);
  const Attended read = attends ? attend(encoded.states, batch.mask) : Attended{encoded.summary, {}};
  return {output_->forward(dropout_.forward(read.read)), read.weights, {}};
}

onnx::Value TextModel::emit(const train::TextInputs& inputs) const {
  if (bag_) return onnx::emit(*output_, onnx::emit(*bag_, inputs.tokens, inputs.mask));

  const onnx::Value embedded = onnx::emit(*embedding_, inputs.tokens);
  if (document_) return onnx::emit(*output_, onnx::emit(*document_, embedded, inputs.lengths));
  const auto [states, summary] = encoder_->emit(embedded, inputs, !attention_ && !heads_);
  if (attention_) return onnx::emit(*output_, onnx::emit(*attention_, states, inputs.mask).read);
  return onnx::emit(*output_, heads_ ? onnx::emit(*heads_, states, inputs.mask) : summary);
}
