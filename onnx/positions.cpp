#include <cmath>

#include "fovea/autograd/indexing.h"
#include "fovea/onnx/layers.h"
#include "fovea/tensor/creation.h"

// See nn/positions.h.
namespace fovea::onnx {

Value emit(const nn::LearnedPositions& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  return x + first(graph.constant(layer.weight, "weight"), 0, size(x, -2));
}

namespace {

/// [time, count]: positions times the frequencies of the columns.
Value angles(const Value& time, const std::vector<double>& frequencies) {
  const Tensor row = from_vector(frequencies).to(f32);
  return unsqueeze(range(time), {-1}) * time.graph().constant(row, "frequencies");
}

}  // namespace

Value sinusoidal_positions(const Argument& time, int64_t dim, double base) {
  std::vector<double> frequencies, shift;
  const double step = std::pow(base, -2 / static_cast<double>(dim));
  for (int64_t i = 0; i < dim; ++i) {
    frequencies.push_back(std::pow(step, static_cast<double>(i / 2)));
    shift.push_back(static_cast<double>(i % 2));
  }
  Graph& graph = time.graph();
  const Value angle = angles(time, frequencies);
  const Value odd = cast(graph.constant(from_vector(shift).to(f32), "odd"), Element::boolean);
  return where(odd, graph.node("Cos", {angle}), graph.node("Sin", {angle}));
}

Value rotary(const Argument& x, int64_t d, double base) {
  const int64_t half = d / 2;
  std::vector<double> frequencies;
  for (int64_t i = 0; i < half; ++i) {
    frequencies.push_back(1 / std::pow(base, static_cast<double>(i) / static_cast<double>(half)));
  }
  Graph& graph = x.graph();
  const Value angle = angles(size(x, -2), frequencies);
  const Value cos = graph.node("Cos", {angle}), sin = graph.node("Sin", {angle});
  const Value a = slice(x, -1, 0, half), b = slice(x, -1, half);
  return concat({a * cos - b * sin, b * cos + a * sin}, -1);
}

Value emit(const nn::SinusoidalPositions& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  return x + sinusoidal_positions(size(x, -2), layer.dim(), layer.base());
}

Value emit(const nn::RelativePositionBias& layer, const Value& queries, const Value& keys, Caller caller) {
  Graph& graph = queries.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  // Distances from here on share the last bucket of either direction.
  const int64_t farthest = layer.options().max_distance;
  std::vector<int32_t> buckets;
  for (int64_t d = -farthest; d <= farthest; ++d) buckets.push_back(static_cast<int32_t>(layer.bucket(d)));
  const Value by_distance = graph.constant(index_select(layer.weight, 0, from_vector(buckets)), "weight");
  const auto far = static_cast<double>(farthest);
  const Value distance = range(keys) - unsqueeze(range(queries), {-1});
  const Value entry = cast(minimum(maximum(distance, -far), far) + far, Element::i64);
  return permute(gather(by_distance, entry), {2, 0, 1});
}

}  // namespace fovea::onnx
