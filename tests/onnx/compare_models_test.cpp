// Graphs of layers that are made of others, and of what tables and pictures need: cases for compare.py.
#include <fovea/fovea.h>

#include "cases.h"

namespace fovea::test {
namespace {

using onnx::Element;
using onnx::Graph;
using onnx::Value;

TEST(OnnxCompare, NumbersWithinAndBeyondTheirKnots) {
  Cases cases;
  manual_seed(15);
  const NoGrad off;
  const Tensor x = randn({6, 3}) * 3.0, missing = rand({6, 3}) < 0.3;
  for (const int64_t knots : {0, 2, 3, 8}) {
    const nn::NumberEmbedding layer(3, 4, {.knots = knots, .range = 2});
    Graph graph("numbers");
    const Value in = graph.input("x", Element::f32, {"batch", 3});
    const Value absent = graph.input("missing", Element::boolean, {"batch", 3});
    graph.output("y", emit(layer, in, absent), Element::f32, {"batch", 3, 4});
    cases.add(fmt::format("numbers_{}", knots), graph, {{"x", x}, {"missing", missing}}, layer.forward(x, missing));
  }
}

TEST(OnnxCompare, DocumentsOfSentences) {
  Cases cases;
  manual_seed(16);
  const NoGrad off;
  const Tensor x = randn({3, 4, 5, 6}), lengths = tensor({5, 2, 1, 3, 4, 0, 0, 0, 1, 5, 0, 0}, {.dtype = i32});
  const nn::HierarchicalAttention layer(6, {.hidden = 4});
  Graph graph("documents");
  const Value in = graph.input("x", Element::f32, {"batch", "sentences", "words", 6});
  const Value each = graph.input("lengths", Element::i64, {"batch", "sentences"});
  graph.output("y", emit(layer, in, each), Element::f32, {"batch", 8});
  cases.add("documents", graph, {{"x", x}, {"lengths", lengths.reshape({3, 4})}},
            layer.forward(x, lengths.reshape({3, 4})));
}

TEST(OnnxCompare, AttentionOnPictures) {
  Cases cases;
  manual_seed(17);
  const NoGrad off;
  const Tensor x = randn({2, 6, 5, 4});
  const auto add = [&](const std::string& name, const auto& layer) {
    Graph graph(name);
    const Value in = graph.input("x", Element::f32, {"batch", 6, "height", "width"});
    graph.output("y", emit(layer, in), Element::f32, {"batch", 6, "height", "width"});
    cases.add(name, graph, {{"x", x}}, layer.forward(x));
  };
  add("channel_attention", nn::ChannelAttention(6, 2));
  add("spatial_attention", nn::SpatialAttention(3));
  add("cbam", nn::CBAM(6, {.reduction = 2, .kernel = 3}));
}

TEST(OnnxCompare, EncodersOfEveryActivation) {
  Cases cases;
  manual_seed(18);
  const NoGrad off;
  const Tensor x = randn({3, 6, 8}), keep = nn::sequence_mask(tensor({6, 3, 1}, {.dtype = i32}), 6);
  using enum nn::FeedForward;
  for (const nn::FeedForward activation : {relu, gelu, silu, geglu, swiglu}) {
    for (const bool pre_norm : {true, false}) {
      nn::TransformerEncoder layer(8, 2, 2, {.feedforward = 12, .activation = activation, .pre_norm = pre_norm});
      layer.eval();
      Graph graph("encoder");
      const Value in = graph.input("x", Element::f32, {"batch", "time", 8});
      const Value may = graph.input("keep", Element::boolean, {"batch", "time"});
      graph.output("y", emit(layer, in, {.keep = may}), Element::f32, {"batch", "time", 8});
      cases.add(fmt::format("encoder_{}{}", nn::name(activation), pre_norm ? "_pre_norm" : ""), graph,
                {{"x", x}, {"keep", keep}}, layer.forward(x, {.key_padding_keep = keep}));
    }
  }
}

}  // namespace
}  // namespace fovea::test
