#include <cmath>

#include "fovea/onnx/layers.h"

// See nn/transformer.h, and what is made of its layers.
namespace fovea::onnx {
namespace {

Value activate(nn::FeedForward activation, const Value& x, int64_t half) {
  switch (activation) {
    case nn::FeedForward::relu:
      return relu(x);
    case nn::FeedForward::gelu:
      return gelu(x);
    case nn::FeedForward::silu:
      return silu(x);
    case nn::FeedForward::geglu:
      return slice(x, -1, 0, half) * gelu(slice(x, -1, half));
    case nn::FeedForward::swiglu:
      return slice(x, -1, 0, half) * silu(slice(x, -1, half));
  }
  return {};
}

/// Of a layer of an encoder or a decoder.
template <class Layer>
Value feed_forward(const Layer& layer, const Value& x) {
  const nn::TransformerOptions& o = layer.options();
  return emit(layer.linear2, activate(o.activation, emit(layer.linear1, x), o.feedforward));
}

/// x + f(x), with the norm before f or after the sum.
template <class F>
Value residual(const nn::LayerNorm& norm, bool pre_norm, const Value& x, const F& f) {
  return pre_norm ? x + f(emit(norm, x)) : emit(norm, x + f(x));
}

}  // namespace

Value emit(const nn::TransformerEncoderLayer& layer, const Value& x, const AttendOptions& options, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const bool pre_norm = layer.options().pre_norm;
  const Value y = residual(layer.norm1, pre_norm, x,
                           [&](const Value& each) { return emit(layer.self_attn, each, each, each, options); });
  return residual(layer.norm2, pre_norm, y, [&](const Value& each) { return feed_forward(layer, each); });
}

Value emit(const nn::TransformerDecoderLayer& layer, const Value& x, const Value& memory, const DecodeOptions& options,
           Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const bool pre_norm = layer.options().pre_norm;
  const AttendOptions own{.causal = options.causal, .keep = options.keep}, of_memory{.keep = options.memory_keep};
  Value y = residual(layer.norm1, pre_norm, x,
                     [&](const Value& each) { return emit(layer.self_attn, each, each, each, own); });
  y = residual(layer.norm2, pre_norm, y,
               [&](const Value& each) { return emit(layer.multihead_attn, each, memory, memory, of_memory); });
  return residual(layer.norm3, pre_norm, y, [&](const Value& each) { return feed_forward(layer, each); });
}

Value emit(const nn::TransformerEncoder& layer, const Value& x, const AttendOptions& options, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  Value y = x;
  for (const nn::TransformerEncoderLayer& each : layer.layers) y = emit(each, y, options);
  return layer.norm ? emit(*layer.norm, y) : y;
}

Value emit(const nn::TransformerDecoder& layer, const Value& x, const Value& memory, const DecodeOptions& options,
           Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  Value y = x;
  for (const nn::TransformerDecoderLayer& each : layer.layers) y = emit(each, y, memory, options);
  return layer.norm ? emit(*layer.norm, y) : y;
}

Value emit(const nn::CausalLM& layer, const Value& tokens, Caller caller) {
  Graph& graph = tokens.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const nn::CausalLMOptions& o = layer.options();
  Value x = emit(layer.embedding, tokens);
  if (layer.positions) x = emit(*layer.positions, x);
  if (o.positions == nn::Positions::sinusoidal) {
    x = x * std::sqrt(static_cast<double>(o.dim)) + sinusoidal_positions(size(tokens, 1), o.dim);
  }
  const Value read = emit(layer.encoder, x, {.causal = true});
  if (layer.head) return emit(*layer.head, read);
  return matmul(read, graph.constant(layer.embedding.weight.mT(), "embedding_t"));
}

std::vector<Value> emit(const nn::EarlyExitEncoder& layer, const Value& x, const Value& keep, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  std::vector<Value> logits;
  Value state = x;
  for (size_t i = 0; i < layer.layers.size(); ++i) {
    state = emit(layer.layers[i], state, {.keep = keep});
    logits.push_back(emit(layer.exits[i], emit(layer.pools[i], state, keep).read));
  }
  return logits;
}

}  // namespace fovea::onnx
