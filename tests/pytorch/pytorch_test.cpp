// State dicts that PyTorch saved, read into the module of the same kind: the outputs must be PyTorch's. The files are
// those of data/; the round trip (round_trip.cmake) sets FOVEA_PYTORCH_CASES to a folder that PyTorch has just written,
// and FOVEA_PYTORCH_SAVE to one from which PyTorch reads what is saved here.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "data/temp_folder.h"
#include "fovea/autograd/graph.h"
#include "fovea/data/safetensors.h"
#include "fovea/nn/conv.h"
#include "fovea/nn/recurrent.h"
#include "fovea/nn/transformer.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

namespace fs = std::filesystem;
using Tensors = std::vector<Tensor>;

std::string folder_of(const char* variable, const std::string& usual) {
  const char* set = std::getenv(variable);
  return set ? set : usual;
}

/// A module and how PyTorch's example calls it.
struct Case {
  std::unique_ptr<nn::Module> module;
  std::function<Tensors(const Tensors& inputs)> run;
};

template <class M, class Run>
Case make(std::unique_ptr<M> module, Run run) {
  const M* m = module.get();
  return {std::move(module), [m, run](const Tensors& in) { return run(*m, in); }};
}

Case attention_case(nn::MultiheadAttentionOptions options, bool self) {
  return make(std::make_unique<nn::MultiheadAttention>(8, 2, options), [self](const auto& m, const Tensors& in) {
    const Attended made = self ? m.forward_with_weights(in[0], in[0], in[0], {.key_padding_keep = in[1]})
                               : m.forward_with_weights(in[0], in[1], in[2]);
    return Tensors{made.read, made.weights};
  });
}

Case encoder_case(bool pre_norm) {
  const nn::TransformerOptions options{
      .feedforward = 12, .activation = pre_norm ? nn::FeedForward::gelu : nn::FeedForward::relu, .pre_norm = pre_norm};
  return make(std::make_unique<nn::TransformerEncoder>(8, 2, 2, options),
              [](const auto& m, const Tensors& in) { return Tensors{m.forward(in[0])}; });
}

Case case_of(const std::string& name) {
  if (name == "multihead_attention") return attention_case({}, true);
  if (name == "multihead_attention_widths") return attention_case({.key_dim = 6, .value_dim = 4}, false);
  if (name == "transformer_encoder") return encoder_case(false);
  if (name == "transformer_encoder_pre_norm") return encoder_case(true);
  if (name == "transformer_decoder") {
    const nn::TransformerOptions options{.feedforward = 12};
    return make(std::make_unique<nn::TransformerDecoder>(8, 2, 1, options),
                [](const auto& m, const Tensors& in) { return Tensors{m.forward(in[0], in[1])}; });
  }
  if (name == "lstm") {
    return make(std::make_unique<nn::LSTM>(5, 6, nn::LSTMOptions{.layers = 2, .bidirectional = true}),
                [](const auto& m, const Tensors& in) {
                  const nn::RecurrentOutput made = m.forward(in[0]);
                  return Tensors{made.output, made.h, made.c};
                });
  }
  if (name == "gru") {
    return make(std::make_unique<nn::GRU>(5, 6), [](const auto& m, const Tensors& in) {
      const nn::RecurrentOutput made = m.forward(in[0]);
      return Tensors{made.output, made.h};
    });
  }
  if (name == "conv2d") {
    const nn::Conv2dLayerOptions options{.stride = {2, 1}, .padding = 1, .groups = 2};
    return make(std::make_unique<nn::Conv2d>(4, 6, Extent{3, 2}, options),
                [](const auto& m, const Tensors& in) { return Tensors{m.forward(in[0])}; });
  }
  throw std::runtime_error("no module for " + name);
}

class PyTorch : public testing::TestWithParam<const char*> {
 protected:
  /// A file of the example: PyTorch's.
  static Tensors numbered(const std::map<std::string, Tensor>& example, const std::string& kind) {
    Tensors out;
    for (int i = 0; example.contains(kind + std::to_string(i)); ++i)
      out.push_back(example.at(kind + std::to_string(i)));
    return out;
  }
  std::map<std::string, Tensor> read(const std::string& suffix) const {
    const fs::path cases = folder_of("FOVEA_PYTORCH_CASES", FOVEA_PYTORCH_DATA);
    return data::load_safetensors(cases / (GetParam() + suffix));
  }
};

TEST_P(PyTorch, StateDictsLoadAndGiveTheSameOutputs) {
  const NoGrad off;
  Case c = case_of(GetParam());
  c.module->eval();
  c.module->load_state_dict(read(".safetensors"));
  const auto example = read("_example.safetensors");
  const Tensors want = numbered(example, "output"), got = c.run(numbered(example, "input"));
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_CLOSE(got[i], want[i], 0, 1e-5) << "output " << i;
}

TEST_P(PyTorch, StateDictsHaveTheNamesAndShapesOfPyTorch) {
  const Case c = case_of(GetParam());
  const auto theirs = read(".safetensors");
  const auto ours = c.module->state_dict();
  ASSERT_EQ(ours.size(), theirs.size());
  for (const auto& [name, tensor] : theirs) {
    ASSERT_TRUE(ours.contains(name)) << name;
    EXPECT_EQ(ours.at(name).shape(), tensor.shape()) << name;
  }
}

/// What PyTorch reads in the round trip.
TEST_P(PyTorch, SavedStateDictsComeBackAsTheyWere) {
  const NoGrad off;
  const data::testing::TempFolder temporary;
  const fs::path folder = folder_of("FOVEA_PYTORCH_SAVE", temporary / ".");
  const std::string name = GetParam();
  manual_seed(7);
  Case c = case_of(name), again = case_of(name);
  c.module->eval();
  again.module->eval();
  const Tensors inputs = numbered(read("_example.safetensors"), "input"), outputs = c.run(inputs);
  std::map<std::string, Tensor> example;
  for (size_t i = 0; i < inputs.size(); ++i) example.emplace("input" + std::to_string(i), inputs[i]);
  for (size_t i = 0; i < outputs.size(); ++i) example.emplace("output" + std::to_string(i), outputs[i]);
  data::save_safetensors(folder / (name + ".safetensors"), c.module->state_dict());
  data::save_safetensors(folder / (name + "_example.safetensors"), example);
  EXPECT_FALSE(close(again.run(inputs)[0], outputs[0]));
  again.module->load_state_dict(data::load_safetensors(folder / (name + ".safetensors")));
  EXPECT_CLOSE(again.run(inputs)[0], outputs[0], 0, 0);
}

INSTANTIATE_TEST_SUITE_P(Modules, PyTorch,
                         testing::Values("multihead_attention", "multihead_attention_widths", "transformer_encoder",
                                         "transformer_encoder_pre_norm", "transformer_decoder", "lstm", "gru",
                                         "conv2d"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace fovea::test
