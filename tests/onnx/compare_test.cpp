// Layers' graphs beside what their forward computes: cases in folders, which compare.py runs in onnxruntime.
#include <fovea/fovea.h>

#include <cstdlib>
#include <filesystem>

#include "data/temp_folder.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

using onnx::Element;
using onnx::Graph;
using onnx::Value;

/// Where the cases go: to whoever asks for them by FOVEA_ONNX_CASES, else nowhere that lasts.
class Cases {
 public:
  /// A graph of inputs by name and the result that it is to have.
  void add(const std::string& name, const Graph& graph, const std::vector<std::pair<std::string, Tensor>>& inputs,
           const Tensor& expected) {
    const std::string folder = folder_ + "/" + name;
    std::filesystem::create_directories(folder);
    data::write_atomically(folder + "/model.onnx", graph.to_bytes({}));
    for (const auto& [input, tensor] : inputs) {
      data::write_atomically(fmt::format("{}/{}.input", folder, input), onnx::tensor_to_bytes(input, tensor, true));
    }
    data::write_atomically(folder + "/result", onnx::tensor_to_bytes("result", expected, true));
  }

 private:
  data::testing::TempFolder temporary_;
  std::string folder_ = std::getenv("FOVEA_ONNX_CASES") ? std::getenv("FOVEA_ONNX_CASES") : temporary_ / "";
};

TEST(OnnxCompare, SelfAttentionOfEveryKind) {
  Cases cases;
  manual_seed(3);
  const NoGrad off;
  const Tensor x = randn({3, 7, 16}), lengths = tensor({7, 4, 1}, {.dtype = i32});
  const Tensor keep = arange(0, 7, 1, {.dtype = i32}) < lengths.unsqueeze(1);
  struct Kind {
    const char* name;
    nn::MultiheadAttentionOptions options;
  };
  for (const auto& [name, options] : std::initializer_list<Kind>{{"plain", {}},
                                                                 {"grouped", {.key_heads = 2}},
                                                                 {"single", {.bias = false, .key_heads = 1}},
                                                                 {"window", {.window = 3}},
                                                                 {"rotary", {.key_heads = 2, .rotary = true}},
                                                                 {"alibi", {.alibi = true}}}) {
    for (const bool causal : {true, false}) {
      if (options.alibi && !causal) continue;
      nn::MultiheadAttention layer(16, 4, options);
      if (layer.in_proj_bias.defined()) nn::init::normal_(layer.in_proj_bias);
      layer.eval();
      Graph graph(name);
      const Value in = graph.input("x", Element::f32, {"batch", "time", 16});
      const Value may = graph.input("keep", Element::boolean, {"batch", "time"});
      graph.output("y", emit(layer, in, in, in, {.causal = causal, .keep = may}), Element::f32, {"batch", "time", 16});
      cases.add(fmt::format("{}{}", name, causal ? "_causal" : ""), graph, {{"x", x}, {"keep", keep}},
                layer.forward(x, {.causal = causal, .key_padding_keep = keep}));
    }
  }
}

TEST(OnnxCompare, AttentionOnSomethingElse) {
  Cases cases;
  manual_seed(4);
  const NoGrad off;
  nn::MultiheadAttention layer(16, 4, {.key_heads = 2, .key_dim = 10, .value_dim = 6});
  const Tensor x = randn({2, 5, 16}), keys = randn({2, 3, 10}), values = randn({2, 3, 6});
  Graph graph("cross");
  const Value q = graph.input("x", Element::f32, {"batch", "queries", 16});
  const Value k = graph.input("keys", Element::f32, {"batch", "time", 10});
  const Value v = graph.input("values", Element::f32, {"batch", "time", 6});
  graph.output("y", emit(layer, q, k, v), Element::f32, {"batch", "queries", 16});
  cases.add("cross", graph, {{"x", x}, {"keys", keys}, {"values", values}}, layer.forward(x, keys, values));
}

TEST(OnnxCompare, WeightsOfScoresFarApart) {
  Cases cases;
  manual_seed(6);
  const NoGrad off;
  const Tensor near = randn({4, 6}) * 3.0, far = randn({4, 6}) * 8.0 - 60.0;
  const Tensor scores = concat({near, far, near - 6.0, near + 20.0}, 0);
  const Tensor keep = rand({16, 6}) < 0.7;
  for (const nn::Weights weights : {nn::Weights::softmax, nn::Weights::sum, nn::Weights::sparsemax, nn::Weights::exp}) {
    Graph graph("weights");
    const Value in = graph.input("scores", Element::f32, {"rows", "time"});
    const Value may = graph.input("keep", Element::boolean, {"rows", "time"});
    graph.output("y", onnx::attention_weights(in, may, weights), Element::f32, {"rows", "time"});
    // Exponentials of scores that are large beside those that are not show nothing.
    const Tensor x = weights == nn::Weights::exp ? repeat(near, {4, 1}) : scores;
    cases.add(fmt::format("weights_{}", name(weights)), graph, {{"scores", x}, {"keep", keep}},
              nn::attention_weights(x, keep, weights));
  }
}

TEST(OnnxCompare, NormsAndGates) {
  Cases cases;
  manual_seed(7);
  const NoGrad off;
  const Tensor x = randn({2, 5, 12});
  const auto add = [&](const std::string& name, const auto& layer) {
    Graph graph(name);
    graph.output("y", emit(layer, graph.input("x", Element::f32, {"batch", "time", 12})), Element::f32,
                 {"batch", "time", 12});
    cases.add(name, graph, {{"x", x}}, layer.forward(x));
  };
  nn::RMSNorm norm(12, {.eps = 0.1});
  nn::init::normal_(norm.weight);
  add("rms_norm", norm);
  add("rms_norm_plain", nn::RMSNorm(12, {.affine = false}));
  add("swiglu", nn::SwiGLU(12, 20));
  add("swiglu_bias", nn::SwiGLU(12, 20, {.bias = true}));
}

TEST(OnnxCompare, CausalLanguageModels) {
  Cases cases;
  const Tensor tokens = randint(0, 19, {2, 6});
  for (const auto positions : {nn::Positions::learned, nn::Positions::sinusoidal, nn::Positions::rotary,
                               nn::Positions::alibi, nn::Positions::none}) {
    manual_seed(5);
    nn::CausalLM model(19, {.dim = 16,
                            .layers = 2,
                            .context = 8,
                            .positions = positions,
                            .tied = positions != nn::Positions::rotary,
                            .transformer = {.feedforward = 24,
                                            .activation = nn::FeedForward::swiglu,
                                            .pre_norm = true,
                                            .key_heads = 2,
                                            .window = positions == nn::Positions::none ? 3 : 0}});
    nn::init::normal_(model.embedding.weight);
    model.eval();
    Graph graph("language");
    graph.output("logits", emit(model, graph.input("tokens", Element::i64, {"batch", "time"})), Element::f32,
                 {"batch", "time", 19});
    const NoGrad off;
    cases.add(fmt::format("language_{}", nn::name(positions)), graph, {{"tokens", tokens}}, model.forward(tokens));
  }
}

}  // namespace
}  // namespace fovea::test
