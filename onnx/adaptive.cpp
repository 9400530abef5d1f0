#include <cmath>

#include "fovea/autograd/pointwise.h"
#include "fovea/onnx/layers.h"

// See nn/adaptive.h.
namespace fovea::onnx {

Value emit(const nn::AdaptiveTemperature& layer, const Value& query, Caller caller) {
  Graph& graph = query.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Value chosen =
      matmul(query, graph.constant(layer.weight.mT(), "weight_t")) + graph.constant(layer.bias, "bias");
  return exp(tanh(chosen) * std::log(layer.base()));
}

Value emit(const nn::AdaptiveSpan& layer, const Value& queries, const Value& keys, Caller caller) {
  Graph& graph = queries.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const auto ramp = static_cast<double>(layer.options().ramp), max_span = static_cast<double>(layer.options().max_span);
  const Value z = graph.constant(clamp(layer.span, 0, 1).reshape({-1, 1, 1}) * max_span, "span");
  const Value distance = abs(range(keys) - unsqueeze(range(queries), {-1}));
  const Value m = minimum((z - distance + ramp) / ramp, 1);
  const Value reached = m > graph.scalar(0);
  return where(reached, log(where(reached, m, 1)), -1e30);
}

Pondered emit(const nn::AdaptiveDepth& layer, const Value& x, const std::function<Value(const Value&, int64_t)>& step,
              Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const int64_t steps = layer.options().max_steps;
  // Rows that have stopped go on and weigh nothing; `left` of each [..., 1].
  Value state = x, running, left, output, ponder;
  for (int64_t n = 0; n < steps; ++n) {
    state = step(state, n);
    const Value p = sigmoid(emit(layer.halt, state));
    if (n == 0) {
      left = p * 0.0 + 1;
      running = left;
    }
    const bool last = n + 1 == steps;
    const Value stops = last ? left * 0.0 + 1 : cast(left - p < graph.scalar(layer.options().eps), Element::f32);
    const Value rest = running * stops * left;
    const Value read = (rest + running * (stops * -1.0 + 1) * p) * state;
    output = output.defined() ? output + read : read;
    ponder = ponder.defined() ? ponder + running + rest : running + rest;
    running = running * (stops * -1.0 + 1);
    left = left - p;
  }
  return {output, squeeze(ponder, {-1})};
}

}  // namespace fovea::onnx
