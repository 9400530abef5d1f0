#include "conformance/operations.h"
#include "fovea/nn/attention.h"
#include "fovea/nn/recurrent.h"

namespace fovea::conformance {
namespace {

std::vector<Tensor> recurrent_layer(Call& call, const std::string& kind, bool lengths) {
  const Attributes& a = call.attributes;
  const int64_t input = a.integer("input", call[0].shape().back());
  const int64_t hidden = a.integer("hidden", 1);
  const nn::RecurrentLayerOptions options{.layers = a.integer("layers", 1),
                                          .bidirectional = a.flag("bidirectional", false),
                                          .bias = call.parameters.contains("bias_ih_l0")};
  std::unique_ptr<nn::RecurrentLayer> layer;
  if (kind == "gru") {
    layer = std::make_unique<nn::GRU>(input, hidden, options);
  } else if (kind == "lstm") {
    layer = std::make_unique<nn::LSTM>(input, hidden, options);
  } else {
    layer = std::make_unique<nn::RNN>(input, hidden,
                                      nn::RNNOptions{.layers = options.layers,
                                                     .bidirectional = options.bidirectional,
                                                     .bias = options.bias,
                                                     .relu = a.text("nonlinearity", "tanh") == "relu"});
  }
  call.load(*layer);
  const nn::RecurrentOutput made = layer->forward(call[0], lengths ? call[1] : Tensor());
  std::vector<Tensor> outputs{made.output, made.h};
  if (made.c.defined()) outputs.push_back(made.c);
  return outputs;
}

nn::Score score_of(const Call& call) {
  const std::string wanted = call.attributes.text("score", "dot");
  for (const nn::Score score :
       {nn::Score::dot, nn::Score::scaled_dot, nn::Score::cosine, nn::Score::bilinear, nn::Score::additive}) {
    if (nn::name(score) == wanted) return score;
  }
  throw Unsupported("score " + wanted);
}

nn::Weights weights_of(const Call& call) {
  const std::string wanted = call.attributes.text("normalize", "softmax");
  for (const nn::Weights weights : {nn::Weights::softmax, nn::Weights::sum, nn::Weights::exp, nn::Weights::sparsemax}) {
    if (nn::name(weights) == wanted) return weights;
  }
  throw Unsupported("normalize " + wanted);
}

/// query, keys, values, keep, then what the score has of its own.
std::vector<Tensor> pooled(Call& call) {
  nn::AttentionOptions options{.score = score_of(call), .weights = weights_of(call)};
  if (options.score == nn::Score::bilinear) options.parameters.w = call[4];
  if (options.score == nn::Score::additive) {
    options.parameters.wq = call[4];
    options.parameters.wk = call[5];
    options.parameters.u = call[6];
  }
  const Attended attended = nn::attention_pool(call[0], call[1], call[2], call.optional(3), options);
  return {attended.read, attended.weights};
}

}  // namespace

void add_layers(Operations& table) {
  for (const std::string kind : {"rnn", "gru", "lstm"}) {
    table[kind] = [kind](Call& call) { return recurrent_layer(call, kind, false); };
    table[kind + "_lengths"] = [kind](Call& call) { return recurrent_layer(call, kind, true); };
  }
  table["attention_pool"] = pooled;
}

}  // namespace fovea::conformance
