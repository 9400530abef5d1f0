#include "model.h"

using namespace fovea;

namespace {

std::unique_ptr<nn::RecurrentLayer> make_encoder(const ModelOptions& options) {
  const nn::RecurrentLayerOptions layer{.layers = options.layers, .bidirectional = true, .dropout = options.dropout};
  if (options.encoder == "lstm") return std::make_unique<nn::LSTM>(options.embedding, options.hidden, layer);
  if (options.encoder == "gru") return std::make_unique<nn::GRU>(options.embedding, options.hidden, layer);
  const nn::RNNOptions rnn{.layers = options.layers, .bidirectional = true, .dropout = options.dropout};
  return std::make_unique<nn::RNN>(options.embedding, options.hidden, rnn);
}

nn::AttentionPoolOptions attention_options(const ModelOptions& options) {
  nn::AttentionPoolOptions pool{.gate = options.gate};
  for (const auto score :
       {nn::Score::additive, nn::Score::dot, nn::Score::scaled_dot, nn::Score::cosine, nn::Score::bilinear}) {
    if (options.attention == nn::name(score)) pool.score = score;
  }
  for (const auto weights : {nn::Weights::softmax, nn::Weights::sum, nn::Weights::exp, nn::Weights::sparsemax}) {
    if (options.weights == nn::name(weights)) pool.weights = weights;
  }
  return pool;
}

}  // namespace

void ModelOptions::declare(train::OptionTable& options) {
  options.group("Model");
  options.add("encoder", &encoder, "what reads the tokens", {.choices = {"bag", "rnn", "gru", "lstm"}});
  options.add("attention", &attention, "how the attention scores a token",
              {.choices = {"additive", "dot", "scaled_dot", "cosine", "bilinear", "none"}});
  options.add("weights", &weights, "how scores become weights", {.choices = {"softmax", "sum", "exp", "sparsemax"}});
  options.add("gate", &gate, "a learned gate on what the attention read");
  options.add("embedding", &embedding, "numbers a token", {.min = 1, .max = 65536});
  options.add("hidden", &hidden, "numbers of the encoder's state in each direction", {.min = 1, .max = 65536});
  options.add("layers", &layers, "recurrent layers", {.min = 1, .max = 64});
  options.add("word-dropout", &word_dropout, "share of the tokens that a step hides", {.min = 0, .max = 0.95});
}

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
    encoder_ = make_encoder(options);
    add("encoder", *encoder_);
    width = 2 * options.hidden;
    if (options.attention != "none") {
      attention_ = std::make_unique<nn::AttentionPool>(width, attention_options(options));
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

train::TextOutput TextModel::forward(const train::TextBatch& batch) const {
  const Tensor tokens = drop_words(batch.tokens);
  if (bag_) return {output_->forward(dropout_.forward(bag_->forward(tokens, batch.offsets))), {}};

  const Tensor embedded = dropout_.forward(embedding_->forward(tokens));
  const nn::RecurrentOutput read = encoder_->forward(embedded, batch.lengths);
  if (!attention_) {
    const int64_t last = read.h.size(0);
    const Tensor states = concat({read.h.select(0, last - 2), read.h.select(0, last - 1)}, -1);
    return {output_->forward(dropout_.forward(states)), {}};
  }
  const nn::Attended attended = attention_->forward_with_weights(read.output, batch.mask);
  return {output_->forward(dropout_.forward(attended.read)), attended.weights};
}
