#include "fovea/nn/extent_text.h"
#include "fovea/onnx/layers.h"

// Layers without parameters that change shapes.
namespace fovea::onnx {
namespace {

template <class Extent>
std::vector<int64_t> list_of(const Extent& extent) {
  const Shape sizes = nn::sizes_of(extent);
  return {sizes.begin(), sizes.end()};
}

template <class Pool>
Value pool_windows(const char* op, const Pool& layer, const Value& x, bool counts_padding, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const std::vector<int64_t> kernel = list_of(layer.kernel()), padding = list_of(layer.options().padding);
  std::vector<int64_t> strides = list_of(layer.options().stride), pads = padding;
  for (size_t i = 0; i < strides.size(); ++i) {
    if (strides[i] == 0) strides[i] = kernel[i];
  }
  pads.insert(pads.end(), padding.begin(), padding.end());
  std::vector<Attribute> attributes{{"kernel_shape", kernel}, {"strides", strides}, {"pads", pads}};
  if (counts_padding) attributes.emplace_back("count_include_pad", int64_t{1});
  return graph.node(op, {x}, attributes);
}

template <class Pool>
Value pool_all(const Pool& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Shape parts = nn::sizes_of(layer.output());
  if (!nn::all_are(parts, 1)) {
    raise<ValueError>(caller, "onnx: an adaptive pool of {} parts; one along each axis can be written down", parts);
  }
  return graph.node("GlobalAveragePool", {x});
}

}  // namespace

Value emit(const nn::MaxPool1d& layer, const Value& x, Caller caller) {
  return pool_windows("MaxPool", layer, x, false, caller);
}
Value emit(const nn::MaxPool2d& layer, const Value& x, Caller caller) {
  return pool_windows("MaxPool", layer, x, false, caller);
}
Value emit(const nn::MaxPool3d& layer, const Value& x, Caller caller) {
  return pool_windows("MaxPool", layer, x, false, caller);
}
Value emit(const nn::AvgPool1d& layer, const Value& x, Caller caller) {
  return pool_windows("AveragePool", layer, x, true, caller);
}
Value emit(const nn::AvgPool2d& layer, const Value& x, Caller caller) {
  return pool_windows("AveragePool", layer, x, true, caller);
}
Value emit(const nn::AvgPool3d& layer, const Value& x, Caller caller) {
  return pool_windows("AveragePool", layer, x, true, caller);
}

Value emit(const nn::AdaptiveAvgPool1d& layer, const Value& x, Caller caller) { return pool_all(layer, x, caller); }
Value emit(const nn::AdaptiveAvgPool2d& layer, const Value& x, Caller caller) { return pool_all(layer, x, caller); }
Value emit(const nn::AdaptiveAvgPool3d& layer, const Value& x, Caller caller) { return pool_all(layer, x, caller); }

Value emit(const nn::Flatten& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  if (layer.first() != 1 || layer.last() != -1) {
    raise<ValueError>(caller, "onnx: a Flatten of axes {} to {}; that of 1 to -1 can be written down", layer.first(),
                      layer.last());
  }
  return graph.node("Flatten", {x}, {{"axis", int64_t{1}}});
}

Value emit(const nn::DropoutLayer&, const Value& x, Caller caller) {
  static_cast<void>(x.graph(caller));  // there has to be a value
  return x;
}
Value emit(const nn::Identity&, const Value& x, Caller caller) {
  static_cast<void>(x.graph(caller));
  return x;
}

}  // namespace fovea::onnx
