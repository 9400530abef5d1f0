#include "fovea/onnx/layers.h"

// See nn/fusion.h.
namespace fovea::onnx {

Fused emit(const nn::CrossModalAttention& layer, const Value& a, const Value& b, const Value& keep_a,
           const Value& keep_b, Caller caller) {
  const Graph::Scope scope(a.graph(caller), layer, caller);
  const Value for_a = emit(layer.a_reads_b, a, b, b, {.keep = keep_b});
  const Value for_b = emit(layer.b_reads_a, b, a, a, {.keep = keep_a});
  return {emit(layer.norm_a, a + for_a), emit(layer.norm_b, b + for_b)};
}

Value emit(const nn::GatedFusion& layer, const Value& a, const Value& b, Caller caller) {
  const Graph::Scope scope(a.graph(caller), layer, caller);
  const Value z = sigmoid(emit(layer.gate, concat({a, b}, -1)));
  return z * tanh(emit(layer.source_a, a)) + (z * -1.0 + 1) * tanh(emit(layer.source_b, b));
}

}  // namespace fovea::onnx
