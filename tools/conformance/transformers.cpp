#include "conformance/operations.h"
#include "fovea/nn/transformer.h"

namespace fovea::conformance {
namespace {

std::vector<Tensor> multi_head_attention(Call& call) {
  const Attributes& a = call.attributes;
  nn::MultiheadAttention module(a.integer("dim", call[0].shape().back()), a.integer("heads", 1),
                                {.bias = call.parameters.contains("in_proj_bias")});
  call.load(module);
  const nn::AttendOptions options{.causal = a.flag("causal", false), .key_padding_keep = call.optional(3)};
  const Attended attended = module.forward_with_weights(call[0], call[1], call[2], options);
  return {attended.read, attended.weights};
}

nn::TransformerOptions options_of(const Attributes& a) {
  const std::string activation = a.text("activation", "relu");
  if (activation != "relu" && activation != "gelu") throw Unsupported("activation " + activation);
  return {.feedforward = a.integer("feedforward", 2048),
          .activation = activation == "gelu" ? nn::FeedForward::gelu : nn::FeedForward::relu,
          .dropout = 0,
          .pre_norm = a.flag("pre_norm", false),
          .eps = a.number("eps", 1e-5)};
}

template <class Layer>
Layer& loaded(Call& call, Layer& layer) {
  call.load(layer);
  return layer;
}

}  // namespace

void add_transformers(Operations& table) {
  table["multi_head_attention"] = multi_head_attention;
  table["transformer_encoder_layer"] = [](Call& call) {
    const Attributes& a = call.attributes;
    nn::TransformerEncoderLayer layer(a.integer("dim", 1), a.integer("heads", 1), options_of(a));
    return std::vector{loaded(call, layer).forward(call[0], {.causal = a.flag("causal", false)})};
  };
  table["transformer_decoder_layer"] = [](Call& call) {
    const Attributes& a = call.attributes;
    nn::TransformerDecoderLayer layer(a.integer("dim", 1), a.integer("heads", 1), options_of(a));
    return std::vector{loaded(call, layer).forward(call[0], call[1], {.causal = a.flag("causal", false)})};
  };
}

}  // namespace fovea::conformance
