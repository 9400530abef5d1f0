#include "fovea/onnx/layers.h"

// See nn/conv_attention.h.
namespace fovea::onnx {

Value emit(const nn::SqueezeExcitation& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  return x * unsqueeze(sigmoid(emit(layer.fc2, relu(emit(layer.fc1, mean(x, {2, 3}))))), {-2, -1});
}

Value emit(const nn::ChannelAttention& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const Value hidden = relu(emit(layer.fc1, mean(x, {2, 3}))) + relu(emit(layer.fc1, amax(x, {2, 3})));
  return x * unsqueeze(sigmoid(emit(layer.fc2, hidden)), {-2, -1});
}

Value emit(const nn::SpatialAttention& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  return x * sigmoid(emit(layer.conv, concat({mean(x, {1}, true), amax(x, {1}, true)}, 1)));
}

Value emit(const nn::CBAM& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  return emit(layer.spatial, emit(layer.channel, x));
}

namespace {

/// x [batch, channels, height, width] as rows [batch, height width, channels].
Value places(const Value& x) { return permute(reshape(x, {0, 0, -1}), {0, 2, 1}); }

}  // namespace

Value emit(const nn::SelfAttention2d& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Value scores = matmul(places(emit(layer.query, x)), reshape(emit(layer.key, x), {0, 0, -1}));
  const Value read = permute(matmul(softmax(scores, -1), places(emit(layer.value, x))), {0, 2, 1});
  const Value image = reshape(read, {0, 0, size(x, 2), size(x, 3)});
  return x + emit(layer.out, image) * graph.constant(layer.gamma, "gamma");
}

Value emit(const nn::AttentionGate& layer, const Value& x, const Value& g, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Value gating = emit(layer.gating, g);
  const Value sizes = concat({size(gating, 0), size(gating, 1), size(x, 2), size(x, 3)}, 0);
  const Value gate = graph.node("Resize", {gating, {}, {}, sizes},
                                {{"mode", std::string("nearest")},
                                 {"coordinate_transformation_mode", std::string("asymmetric")},
                                 {"nearest_mode", std::string("floor")}});
  return x * sigmoid(emit(layer.psi, relu(emit(layer.feature, x) + gate)));
}

Attended emit(const nn::PatchAttentionPool& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const Value patches = emit(layer.projection, x);
  const Attended made = emit(layer.pool, places(patches));
  return {made.read, reshape(made.weights, {0, size(patches, 2), size(patches, 3)})};
}

}  // namespace fovea::onnx
