// A model of your own as an ONNX file: `emit` beside `forward`, and a graph with an input and an output.
#include <filesystem>

#include "check.h"

using namespace fovea;

// Gated attention over the patches of a bag (Ilse et al. 2018): w = softmax(u . (tanh(V x) sigmoid(U x))), y = sum w x.
class GatedPool : public nn::Module {
 public:
  explicit GatedPool(int64_t dim, int64_t hidden) : content(dim, hidden), gate(dim, hidden), score(hidden, 1) {
    add("content", content);
    add("gate", gate);
    add("score", score);
  }

  Tensor forward(const Tensor& x, Caller caller = {}) const {
    const nn::Scope scope(*this, caller);
    const Tensor weights = softmax(score.forward(tanh(content.forward(x)) * sigmoid(gate.forward(x))), 1);
    return sum(weights * x, 1);
  }

  onnx::Value emit(const onnx::Value& x) const {
    const onnx::Graph::Scope scope(x.graph(), *this);
    const onnx::Value gated = onnx::tanh(onnx::emit(content, x)) * onnx::sigmoid(onnx::emit(gate, x));
    return onnx::sum(onnx::softmax(onnx::emit(score, gated), 1) * x, {1});
  }

  nn::Linear content, gate, score;
};

/// Bags of patches [bags, patches, 1, 8, 8] -> logits [bags, 2].
struct Bags : nn::Module {
  nn::Conv2d conv{1, 8, 3, {.padding = 1}};
  nn::MaxPool2d pool{2};
  nn::Flatten flatten;
  nn::Linear feature{8 * 4 * 4, 16};
  GatedPool attention{16, 8};
  nn::Linear output{16, 2};

  Bags() {
    add("conv", conv);
    add("feature", feature);
    add("attention", attention);
    add("output", output);
  }

  Tensor forward(const Tensor& patches) const {
    const Tensor each = patches.flatten(0, 1);
    const Tensor features = relu(feature.forward(flatten.forward(pool.forward(relu(conv.forward(each))))));
    return output.forward(attention.forward(features.reshape({patches.size(0), patches.size(1), 16})));
  }

  onnx::Value emit(const onnx::Value& patches) const {
    const onnx::Value each = onnx::reshape(patches, {-1, 1, 8, 8});
    const onnx::Value maps = onnx::emit(pool, onnx::relu(onnx::emit(conv, each)));
    const onnx::Value features = onnx::relu(onnx::emit(feature, onnx::emit(flatten, maps)));
    const onnx::Value bags = onnx::reshape(features, {onnx::size(patches, 0), onnx::size(patches, 1), 16});
    return onnx::emit(output, attention.emit(bags));
  }
};

int main() {
  manual_seed(3);
  const Bags model;
  const std::string path = std::filesystem::temp_directory_path() / "fovea_bags.onnx";
  onnx::Graph graph("bags");
  const onnx::Value patches = graph.input("patches", onnx::Element::f32, {"bags", "patches", 1, 8, 8});
  graph.output("logits", model.emit(patches), onnx::Element::f32, {"bags", 2});
  graph.save(path, {.description = "whether a bag holds what is looked for"});
  fmt::print("{}: {}\n", path, graph.signature());

  check(model.forward(randn({3, 5, 1, 8, 8})).shape() == Shape{3, 2}, "logits of each bag");
  check(graph.signature() == "patches [bags, patches, 1, 8, 8] -> logits [bags, 2]", "sizes that stay open");
  check(std::filesystem::file_size(path) > 4 * 2000, "the weights are in the file");
  std::filesystem::remove(path);
}
