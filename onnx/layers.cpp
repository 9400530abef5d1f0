#include "fovea/onnx/layers.h"

#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"

namespace fovea::onnx {
namespace {

/// Both sides of each axis padded alike.
std::vector<int64_t> both_sides(const std::vector<int64_t>& padding) {
  std::vector<int64_t> pads = padding;
  pads.insert(pads.end(), padding.begin(), padding.end());
  return pads;
}

struct ConvolutionForm {
  std::vector<int64_t> stride, padding, dilation;
  int64_t groups;
};

/// A convolution, or its adjoint where `output_padding` has something for each axis.
Value convolution(const Tensor& weight, const Tensor& bias, const Value& x, const ConvolutionForm& form,
                  const std::vector<int64_t>& output_padding = {}) {
  Graph& graph = x.graph();
  std::vector<Value> inputs{x, graph.constant(weight, "weight")};
  if (bias.defined()) inputs.push_back(graph.constant(bias, "bias"));
  std::vector<Attribute> attributes{{"strides", form.stride},
                                    {"pads", both_sides(form.padding)},
                                    {"dilations", form.dilation},
                                    {"group", form.groups}};
  if (output_padding.empty()) return graph.node("Conv", inputs, attributes);
  attributes.emplace_back("output_padding", output_padding);
  return graph.node("ConvTranspose", inputs, attributes);
}

std::vector<int64_t> sides(const Extent& extent) { return {extent.height, extent.width}; }
std::vector<int64_t> sides(const Extent3d& e) { return {e.depth, e.plane.height, e.plane.width}; }

}  // namespace

Value emit(const nn::Linear& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Value y = matmul(x, graph.constant(layer.weight.mT(), "weight_t"));
  return layer.bias.defined() ? y + graph.constant(layer.bias, "bias") : y;
}

Value emit(const nn::Bilinear& layer, const Value& a, const Value& b, Caller caller) {
  Graph& graph = a.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Value y = graph.node("Einsum", {a, graph.constant(layer.weight, "weight"), b},
                             {{"equation", std::string("...i,oij,...j->...o")}});
  return layer.bias.defined() ? y + graph.constant(layer.bias, "bias") : y;
}

Value emit(const nn::Embedding& layer, const Value& index, Caller caller) {
  Graph& graph = index.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  return gather(graph.constant(layer.weight, "weight"), index);
}

Value emit(const nn::EmbeddingBag& layer, const Value& index, const Value& keep, Caller caller) {
  Graph& graph = index.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  if (layer.options().padding_index >= 0) {
    raise<ValueError>(caller, "onnx: an EmbeddingBag with a padding index; say by `keep` what belongs to a bag");
  }
  const Value kept = unsqueeze(cast(keep, Element::f32), {-1});
  const Value total = sum(gather(graph.constant(layer.weight, "weight"), index) * kept, {1});
  return layer.options().mode == nn::BagMode::sum ? total : total / maximum(sum(kept, {1}), 1);
}

Value emit(const nn::NumberEmbedding& layer, const Value& x, const Value& missing, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  Value features = unsqueeze(x, {-1});
  if (layer.options().knots > 1) {
    const double segments = static_cast<double>(layer.options().knots - 1), range = layer.options().range;
    const double width = 2 * range / segments;
    const Value begins = graph.constant(arange(0, segments, 1) * width - range, "begins");
    const Value part = (features - begins) / width;
    features = concat({features, graph.node("Clip", {part, graph.scalar(0), graph.scalar(1)})}, -1);
  }
  // Column by column: [columns, batch, features] x [columns, features, dim].
  const Value by_column = matmul(permute(features, {1, 0, 2}), graph.constant(layer.weight, "weight"));
  const Value y = permute(by_column, {1, 0, 2}) + graph.constant(layer.bias, "bias");
  return where(unsqueeze(missing, {-1}), graph.constant(layer.absent, "absent"), y);
}

Value emit(const nn::Conv1d& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const nn::Conv1dLayerOptions& o = layer.options();
  return convolution(layer.weight, layer.bias, x, {{o.stride}, {o.padding}, {o.dilation}, o.groups});
}

Value emit(const nn::Conv2d& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const nn::Conv2dLayerOptions& o = layer.options();
  return convolution(layer.weight, layer.bias, x, {sides(o.stride), sides(o.padding), sides(o.dilation), o.groups});
}

Value emit(const nn::Conv3d& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const nn::Conv3dLayerOptions& o = layer.options();
  return convolution(layer.weight, layer.bias, x, {sides(o.stride), sides(o.padding), sides(o.dilation), o.groups});
}

Value emit(const nn::ConvTranspose1d& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const nn::ConvTranspose1dOptions& o = layer.options();
  return convolution(layer.weight, layer.bias, x, {{o.stride}, {o.padding}, {o.dilation}, o.groups},
                     {o.output_padding});
}

Value emit(const nn::ConvTranspose2d& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const nn::ConvTranspose2dOptions& o = layer.options();
  return convolution(layer.weight, layer.bias, x, {sides(o.stride), sides(o.padding), sides(o.dilation), o.groups},
                     sides(o.output_padding));
}

Value emit(const nn::ConvTranspose3d& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const nn::ConvTranspose3dOptions& o = layer.options();
  return convolution(layer.weight, layer.bias, x, {sides(o.stride), sides(o.padding), sides(o.dilation), o.groups},
                     sides(o.output_padding));
}

Value emit(const nn::Upsample& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const auto height = static_cast<float>(layer.factor().height), width = static_cast<float>(layer.factor().width);
  const Value scales = graph.constant(from_vector(std::vector<float>{1, 1, height, width}), "scales");
  const nn::UpsampleOptions& o = layer.options();
  std::vector<Attribute> attributes{{"mode", std::string(o.bilinear ? "linear" : "nearest")}};
  if (o.bilinear) {
    attributes.emplace_back("coordinate_transformation_mode",
                            std::string(o.align_corners ? "align_corners" : "half_pixel"));
  } else {
    attributes.emplace_back("coordinate_transformation_mode", std::string("asymmetric"));
    attributes.emplace_back("nearest_mode", std::string("floor"));
  }
  return graph.node("Resize", {x, {}, scales}, attributes);
}

Value emit(const nn::PixelShuffle& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  return graph.node("DepthToSpace", {x}, {{"blocksize", layer.factor()}, {"mode", std::string("CRD")}});
}

Value emit(const nn::BatchNorm& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  if (!layer.running_mean.defined()) raise<ValueError>(caller, "onnx: a BatchNorm without running statistics");
  const auto given = [&](const Tensor& tensor, const char* name, double otherwise) {
    return graph.constant(tensor.defined() ? tensor : full(layer.running_mean.shape(), otherwise), name);
  };
  return graph.node(
      "BatchNormalization",
      {x, given(layer.weight, "weight", 1), given(layer.bias, "bias", 0),
       graph.constant(layer.running_mean, "running_mean"), graph.constant(layer.running_var, "running_var")},
      {{"epsilon", static_cast<float>(layer.options().eps)}});
}

Value emit(const nn::InstanceNorm& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Shape channels{layer.channels()};
  return graph.node("InstanceNormalization",
                    {x, graph.constant(layer.weight.defined() ? layer.weight : ones(channels), "weight"),
                     graph.constant(layer.bias.defined() ? layer.bias : zeros(channels), "bias")},
                    {{"epsilon", static_cast<float>(layer.options().eps)}});
}

Value emit(const nn::GroupNorm& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Shape each{layer.groups()};
  const Value normal = graph.node(
      "InstanceNormalization",
      {reshape(x, {0, layer.groups(), -1}), graph.constant(ones(each), "ones"), graph.constant(zeros(each), "zeros")},
      {{"epsilon", static_cast<float>(layer.options().eps)}});
  Value y = reshape(normal, {0, layer.channels(), -1});
  if (layer.weight.defined()) y = y * graph.constant(layer.weight.unsqueeze(-1), "weight");
  if (layer.bias.defined()) y = y + graph.constant(layer.bias.unsqueeze(-1), "bias");
  return graph.node("Reshape", {y, graph.node("Shape", {x})});
}

Value emit(const nn::LayerNorm& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  std::vector<Value> inputs{x, graph.constant(layer.weight.defined() ? layer.weight : ones({layer.dim()}), "weight")};
  if (layer.bias.defined()) inputs.push_back(graph.constant(layer.bias, "bias"));
  return graph.node("LayerNormalization", inputs, {{"epsilon", static_cast<float>(layer.options().eps)}});
}

Value emit(const nn::RMSNorm& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const Value y = x / sqrt(mean(x * x, {-1}, true) + layer.options().eps);
  return layer.weight.defined() ? y * graph.constant(layer.weight, "weight") : y;
}

Value emit(const nn::GLU& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const std::vector<Value> halves = graph.nodes("Split", {x}, 2, {{"axis", int64_t{layer.axis()}}});
  return halves[0] * sigmoid(halves[1]);
}

Value emit(const nn::SwiGLU& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  return emit(layer.down, silu(emit(layer.gate, x)) * emit(layer.up, x));
}

Value emit(const nn::PReLU& layer, const Value& x, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const int64_t channels = layer.weight.size(0);
  if (channels == 1) return graph.node("PRelu", {x, graph.constant(layer.weight, "weight")});
  // Slopes stand beside the last axes, of which there may be any number.
  const Value flat = reshape(x, {0, channels, -1});
  const Value y = graph.node("PRelu", {flat, graph.constant(layer.weight.unsqueeze(-1), "weight")});
  return graph.node("Reshape", {y, graph.node("Shape", {x})});
}

}  // namespace fovea::onnx
