// Containers, expressions and the modules of several inputs or results, as compare_test.cpp's layers.
#include <fovea/fovea.h>

#include "cases.h"

namespace fovea::test {
namespace {

using onnx::Element;
using onnx::Graph;
using onnx::Value;

std::vector<onnx::Size> sizes_with_batch(const Tensor& x) {
  std::vector<onnx::Size> sizes{"batch"};
  for (int axis = 1; axis < x.rank(); ++axis) sizes.emplace_back(x.size(axis));
  return sizes;
}

/// A case of f32 inputs "a", "b", ... and one result.
template <class Emit>
void add_case(Cases& cases, const std::string& name, const std::vector<Tensor>& inputs, const Tensor& expected,
              const Emit& emitted) {
  Graph graph(name);
  std::vector<Value> values;
  std::vector<std::pair<std::string, Tensor>> named;
  for (const Tensor& each : inputs) {
    named.emplace_back(std::string(1, static_cast<char>('a' + values.size())), each);
    values.push_back(graph.input(named.back().first, Element::f32, sizes_with_batch(each)));
  }
  graph.output("y", emitted(values), Element::f32, sizes_with_batch(expected));
  cases.add(name, graph, named, expected);
}

/// A module of one's own: x times a learned number.
class Scaled : public nn::Module, public onnx::Exportable {
 public:
  Scaled() { add("factor", factor); }
  Tensor forward(const Tensor& x) const { return x * factor; }
  Value emit(const Value& x) const override { return x * x.graph().constant(factor, "factor"); }

  Tensor factor = full({1}, 1.5);
};

class Doubled : public nn::Linear {
 public:
  using nn::Linear::Linear;
  Tensor forward(const Tensor& x) const { return nn::Linear::forward(x) * 2; }
};

TEST(OnnxCompare, SequencesOfLayers) {
  Cases cases;
  manual_seed(21);
  const NoGrad off;
  const auto swish = Elementwise{"swish", [](Expr x) { return x * sigmoid(1.5 * x); }};
  const auto add = [&](const std::string& name, nn::Sequential& net, const Tensor& x) {
    net.eval();
    add_case(cases, name, {x}, net.forward(x), [&](const std::vector<Value>& in) { return emit(net, in[0]); });
  };
  nn::Sequential pictures{nn::make<nn::Conv2d>(3, 8, 3, nn::Conv2dLayerOptions{.padding = 1}),
                          nn::make<nn::BatchNorm2d>(8),
                          relu,
                          nn::make<nn::MaxPool2d>(2),
                          nn::make<nn::CBAM>(8, nn::CBAMOptions{.reduction = 2}),
                          nn::make<nn::SqueezeExcitation>(8, 2),
                          nn::make<nn::PReLU>(8),
                          nn::make<nn::Sequential>(),
                          nn::make<nn::Flatten>(),
                          nn::make<nn::Dropout>(0.5),
                          nn::make<nn::Linear>(8 * 4 * 3, 16),
                          swish,
                          nn::make<Scaled>(),
                          nn::make<nn::Linear>(16, 5),
                          gelu_tanh};
  add("sequential_pictures", pictures, randn({3, 3, 8, 6}));

  const auto inner = std::make_shared<nn::Sequential>(std::initializer_list<nn::Layer>{
      nn::make<nn::MultiheadAttention>(8, 2), nn::make<nn::RMSNorm>(8), nn::make<nn::PReLU>()});
  nn::Sequential sequences{nn::make<nn::SinusoidalPositions>(8), inner, nn::make<nn::AttentionPool>(8), tanh};
  add("sequential_sequences", sequences, randn({3, 5, 8}));

  nn::Sequential layers{nn::make<nn::LearnedPositions>(9, 8),
                        nn::make<nn::TransformerEncoderLayer>(8, 2, nn::TransformerOptions{.feedforward = 12}),
                        nn::make<nn::AdaptiveTemperature>(8)};
  nn::init::normal_(layers.parameters().end()[-2]);
  add("sequential_layers", layers, randn({3, 5, 8}));

  Graph graph("g");
  const Value x = graph.input("x", Element::f32, {"batch", 4});
  const nn::Sequential opaque{nn::make<nn::Linear>(4, 4), [](const Tensor& v) { return v.squeeze(-1); }};
  EXPECT_ERROR(emit(opaque, x),
               "onnx: layer 1 is a function that cannot be looked into; an Elementwise, or a module that is");
  const nn::Sequential derived{nn::make<Doubled>(4, 4)};
  EXPECT_ERROR(emit(derived, x), "onnx: layer 0 is a Doubled, of which no emitter is known; a module that is");
  const nn::Sequential function{static_cast<Tensor (*)(Operand)>(isfinite)};
  EXPECT_ERROR(emit(function, x), "onnx: a function that cannot be looked into; ");
}

TEST(OnnxCompare, ExpressionsOfEveryInstruction) {
  Cases cases;
  manual_seed(22);
  const NoGrad off;
  const Tensor x = randn({4, 6}) * 2.0, y = randn({4, 6}), column = randn({4, 1}), small = randn({4, 6}) * 1e-4;
  const auto add = [&](const std::string& name, const std::vector<Tensor>& inputs, const Tensor& expected,
                       const Elementwise& f, const std::vector<double>& numbers = {}) {
    add_case(cases, "expression_" + name, inputs, expected, [&](const std::vector<Value>& in) {
      std::vector<onnx::ElementwiseArgument> arguments(in.begin(), in.end());
      arguments.insert(arguments.end(), numbers.begin(), numbers.end());
      return emit(f, arguments);
    });
  };
  const auto add_unary = [&](const std::string& name, const Tensor& on, const Elementwise& f) {
    add(name, {on}, f(on), f);
  };
  const auto add_binary = [&](const std::string& name, const Tensor& a, const Tensor& b, const Elementwise& f) {
    add(name, {a, b}, f(a, b), f);
  };
  add_unary("roots", abs(x), {"roots", [](Expr v) { return sqrt(v) + rsqrt(v + 1) + reciprocal(v + 2) + square(v); }});
  add_unary("waves", x, {"waves", [](Expr v) { return sin(v) - cos(v) * exp(-v) + log(abs(v) + 1); }});
  add_unary("expm1", concat({x, small * 1e4}, 0), {"expm1", [](Expr v) { return expm1(v); }});
  add_unary("expm1_near_0", small, {"expm1", [](Expr v) { return expm1(v) * 1e4; }});
  add_unary("log1p", abs(x) * 10.0, {"log1p", [](Expr v) { return log1p(v); }});
  add_unary("log1p_near_0", small, {"log1p", [](Expr v) { return log1p(v) * 1e4; }});
  add_unary("steps", x, {"steps", [](Expr v) { return floor(v) + 2 * ceil(v) + 3 * round(v) + 0.5 * sign(v); }});
  add_unary("bells", x, {"bells", [](Expr v) { return erf(v) + softplus(v) * tanh(v) - sigmoid(v) + relu(v); }});
  // Comparisons as numbers, and numbers as conditions.
  add_binary("truths", x, column, {"truths", [](Expr a, Expr b) {
                                     return (a < b) * 2.0 + (a >= b) * a + where(floor(a), a, 10.0) +
                                            ((a > 0) && !(b > 0)) - ((a <= 1) || (b != 0)) + (sign(a) == sign(b));
                                   }});
  add_binary("powers", abs(x) + 0.5, y,
             {"powers", [](Expr a, Expr b) { return pow(a, b) + maximum(a, b) / (2 - minimum(a, b * 0.5)); }});
  const Tensor corners = tensor({0, 1, -1, 0, 0, 2, 0, 0, 0, 1, -1, -3}).reshape({2, 6});
  add_binary("atan2", concat({y, corners.slice(0, 1, 2)}, 0), concat({x, corners.slice(0, 0, 1)}, 0),
             {"atan2", [](Expr a, Expr b) { return atan2(a, b); }});
  add_binary("logaddexp", x * 30.0, y * 30.0, {"logaddexp", [](Expr a, Expr b) { return logaddexp(a, b); }});
  const Elementwise swish{"swish", [](Expr v, Scalar beta) { return v * sigmoid(beta * v); }};
  add("number", {x}, swish(x, 1.5), swish, {1.5});
  const Elementwise mixed{"mixed", [](Expr a, Expr b) { return a * b + b; }};
  add("number_for_an_input", {x}, mixed(x, 0.25), mixed, {0.25});

  for (const auto& [name, function] :
       std::initializer_list<std::pair<const char*, Tensor (*)(Operand)>>{{"neg", neg},
                                                                          {"square", square},
                                                                          {"reciprocal", reciprocal},
                                                                          {"expm1", expm1},
                                                                          {"sin", sin},
                                                                          {"erf", erf},
                                                                          {"softplus", softplus},
                                                                          {"gelu", gelu},
                                                                          {"silu", silu},
                                                                          {"mish", mish},
                                                                          {"gelu_tanh", gelu_tanh},
                                                                          {"hardsigmoid", hardsigmoid},
                                                                          {"round", round}}) {
    add_case(cases, fmt::format("function_{}", name), {x}, function(x),
             [&, function = function](const std::vector<Value>& in) { return onnx::emit(function, in[0]); });
  }

  Graph graph("g");
  const Value in = graph.input("x", Element::f32, {"batch", 6});
  EXPECT_ERROR(onnx::emit(swish, {in}), "onnx: swish takes 2 arguments, not 1 (compare_modules_test.cpp:");
  EXPECT_ERROR(onnx::emit(swish, {in, in}), "onnx: swish: argument 1 must be a number (compare_modules_test.cpp:");
  EXPECT_ERROR(onnx::emit(mixed, {1.0, 2.0}), "onnx: mixed: needs a value among its arguments");
  const Elementwise two{"two", [](Expr v) { return std::vector<Expr>{v, v * v}; }};
  EXPECT_ERROR(onnx::emit(two, {in}), "onnx: two has 2 outputs");
  // A condition is of type bool, as its tensor is.
  const Elementwise above{"above", [](Expr a, Expr b) { return a > b; }};
  Graph truths("truths");
  const Value a = truths.input("a", Element::f32, {"batch", 6});
  truths.output("y", onnx::emit(above, {a, 0.5}), Element::boolean, {"batch", 6});
}

TEST(OnnxCompare, ModulesThatReadSeveralThings) {
  Cases cases;
  manual_seed(23);
  const NoGrad off;
  const Tensor a = randn({3, 5, 8}), b = randn({3, 4, 6}), vector = randn({3, 8}), other = randn({3, 6});
  const nn::Bilinear bilinear(8, 6, 4), plain(8, 6, 4, {.bias = false});
  for (const nn::Bilinear* layer : {&bilinear, &plain}) {
    add_case(cases, layer->bias.defined() ? "bilinear" : "bilinear_without_bias", {vector, other},
             layer->forward(vector, other), [&](const auto& in) { return emit(*layer, in[0], in[1]); });
  }
  const nn::GatedFusion fusion(8, 6, 5);
  add_case(cases, "gated_fusion", {vector, other}, fusion.forward(vector, other),
           [&](const auto& in) { return emit(fusion, in[0], in[1]); });

  nn::CrossModalAttention both(8, 6, {.heads = 2});
  both.eval();
  const nn::Fused fused = both.forward(a, b);
  for (const bool first : {true, false}) {
    add_case(cases, first ? "cross_modal_a" : "cross_modal_b", {a, b}, first ? fused.a : fused.b, [&](const auto& in) {
      const onnx::Fused made = emit(both, in[0], in[1]);
      return first ? made.a : made.b;
    });
  }

  nn::EarlyExitEncoder early(8, 2, 2, 3, {.feedforward = 12});
  early.eval();
  add_case(cases, "early_exits", {a}, concat(early.forward(a), 1),
           [&](const auto& in) { return onnx::concat(emit(early, in[0]), 1); });

  const Tensor image = randn({3, 8, 6, 4}), coarse = randn({3, 5, 3, 1});
  nn::SelfAttention2d places(8);
  places.gamma.fill_(0.7);
  add_case(cases, "self_attention2d", {image}, places.forward(image),
           [&](const auto& in) { return emit(places, in[0]); });
  const nn::AttentionGate gate(8, 5, 4);
  add_case(cases, "attention_gate", {image, coarse}, gate.forward(image, coarse),
           [&](const auto& in) { return emit(gate, in[0], in[1]); });
  nn::PatchAttentionPool patches(8, 7, {2, 2});
  nn::init::normal_(patches.pool.query);
  const Attended seen = patches.forward_with_weights(image);
  add_case(cases, "patch_attention_pool", {image}, seen.read,
           [&](const auto& in) { return emit(patches, in[0]).read; });
  add_case(cases, "patch_attention_pool_weights", {image}, seen.weights,
           [&](const auto& in) { return emit(patches, in[0]).weights; });

  nn::AdaptiveDepth depth(8, {.max_steps = 5});
  nn::init::zeros_(depth.halt.bias);
  const nn::Linear step(8, 8);
  const Tensor rows = randn({6, 8}) * 3.0;
  const nn::Pondered pondered = depth.forward(rows, [&](const Tensor& x, int64_t) { return tanh(step.forward(x)); });
  EXPECT_GT((amax(pondered.steps) - amin(pondered.steps)).item<int32_t>(), 0);
  add_case(cases, "adaptive_depth", {rows}, concat({pondered.output, pondered.ponder.unsqueeze(-1)}, -1),
           [&](const auto& in) {
             const onnx::Pondered made =
                 emit(depth, in[0], [&](const Value& x, int64_t) { return onnx::tanh(emit(step, x)); });
             return onnx::concat({made.output, onnx::unsqueeze(made.ponder, {-1})}, -1);
           });
}

TEST(OnnxCompare, BiasesOfDistances) {
  Cases cases;
  manual_seed(24);
  const NoGrad off;
  const Tensor x = randn({2, 12, 8});
  nn::MultiheadAttention attention(8, 2);
  attention.eval();
  const auto add = [&](const std::string& name, const auto& bias) {
    add_case(cases, name, {x}, attention.forward(x, {.bias = bias.forward(12, 12)}), [&](const std::vector<Value>& in) {
      const Value time = onnx::size(in[0], 1);
      return emit(attention, in[0], in[0], in[0], {.bias = emit(bias, time, time)});
    });
  };
  for (const bool causal : {true, false}) {
    nn::RelativePositionBias bias(2, {.num_buckets = 8, .max_distance = 6, .causal = causal});
    nn::init::normal_(bias.weight);
    add(causal ? "relative_positions_causal" : "relative_positions", bias);
  }
  nn::AdaptiveSpan span(2, {.max_span = 8, .ramp = 3});
  span.span.copy_(tensor({0.1, 0.6}));
  add("adaptive_span", span);
}

}  // namespace
}  // namespace fovea::test
