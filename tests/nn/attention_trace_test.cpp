#include "fovea/nn/attention_trace.h"

#include <gmock/gmock.h>

#include "fovea/nn/causal_lm.h"
#include "fovea/nn/transformer.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

using nn::AttentionTrace;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> layers_of(const AttentionTrace& trace) {
  std::vector<std::string> names;
  for (const auto& [name, weights] : trace.weights()) names.push_back(name);
  return names;
}

struct Translator : nn::Module {
  nn::TransformerEncoder encoder{8, 2, 2, {.feedforward = 16}};
  nn::TransformerDecoder decoder{8, 2, 1, {.feedforward = 16}};
  Translator() {
    add("encoder", encoder);
    add("decoder", decoder);
  }
  Tensor forward(const Tensor& x, const Tensor& y, const Tensor& keep) const {
    return decoder.forward(y, encoder.forward(x, {.key_padding_keep = keep}), {.memory_key_padding_keep = keep});
  }
};

TEST(AttentionTrace, NotesEveryLayerOfAModel) {
  manual_seed(3);
  Translator model;
  const Tensor x = randn({2, 5, 8}), y = randn({2, 3, 8});
  const Tensor keep = nn::sequence_mask(tensor({5, 2}, {.dtype = i32}), 5);
  const nn::Evaluating evaluation(model);
  const Tensor without = model.forward(x, y, keep);
  const AttentionTrace trace;
  EXPECT_CLOSE(model.forward(x, y, keep), without, 1e-5, 1e-5);
  EXPECT_THAT(layers_of(trace), ElementsAre("encoder.layers.0.self_attn", "encoder.layers.1.self_attn",
                                            "decoder.layers.0.self_attn", "decoder.layers.0.multihead_attn"));
  const std::vector<Shape> shapes{{2, 2, 5, 5}, {2, 2, 5, 5}, {2, 2, 3, 3}, {2, 2, 3, 5}};
  for (size_t i = 0; i < shapes.size(); ++i) {
    const Tensor& weights = trace.weights()[i].tensor;
    EXPECT_EQ(weights.shape(), shapes[i]);
    EXPECT_CLOSE(sum(weights, -1), ones_like(weights.select(-1, 0)), 1e-5, 1e-5);
  }
  // Nothing is read of what is padding, or comes later.
  EXPECT_EQ(sum(trace.weights()[3].tensor.slice(0, 1, 2).slice(-1, 2)).item(), 0);
  EXPECT_EQ(sum(triu(trace.weights()[2].tensor, 1)).item(), 0);
  // They are what forward_with_weights gives.
  const auto& first = model.encoder.layers[0].self_attn;
  const Tensor noted = trace.weights()[0].tensor;  // by value: this call is noted, too
  EXPECT_CLOSE(noted, first.forward_with_weights(x, x, x, {.key_padding_keep = keep}).weights, 1e-6, 1e-6);
}

TEST(AttentionTrace, NotesStepsThatReadCaches) {
  nn::CausalLM model(9, {.dim = 8, .heads = 2, .layers = 1, .positions = nn::Positions::rotary});
  AttentionTrace trace;
  model.generate(full({1, 3}, 1, {.dtype = i32}), {.length = 3});
  ASSERT_THAT(layers_of(trace),
              ElementsAre("encoder.layers.0.self_attn", "encoder.layers.0.self_attn", "encoder.layers.0.self_attn"));
  EXPECT_EQ(trace.weights()[0].tensor.shape(), (Shape{1, 2, 3, 3}));
  EXPECT_EQ(trace.weights()[2].tensor.shape(), (Shape{1, 2, 1, 5}));
  trace.clear();
  EXPECT_THAT(trace.weights(), IsEmpty());
}

TEST(AttentionTrace, LeavesGradientsAsTheyAre) {
  nn::MultiheadAttention layer(8, 2);
  const Tensor x = randn({2, 4, 8});
  sum(square(layer.forward(x))).backward();
  const Tensor expected = layer.in_proj_weight.grad().clone();
  layer.zero_grad();
  const AttentionTrace trace;
  sum(square(layer.forward(x))).backward();
  EXPECT_CLOSE(layer.in_proj_weight.grad(), expected, 1e-4, 1e-5);
  ASSERT_EQ(trace.weights().size(), 1u);
  EXPECT_FALSE(trace.weights()[0].tensor.requires_grad());
}

TEST(AttentionTrace, NotesLayersThatRunAgainOnce) {
  nn::TransformerEncoder encoder(8, 2, 2, {.feedforward = 16, .dropout = 0});
  encoder.recompute = true;
  const AttentionTrace trace;
  sum(square(encoder.forward(randn({2, 4, 8})))).backward();
  EXPECT_THAT(layers_of(trace), ElementsAre("layers.0.self_attn", "layers.1.self_attn"));
}

TEST(AttentionTrace, TheInnermostOneNotes) {
  const nn::MultiheadAttention layer(8, 2);
  const Tensor x = randn({1, 2, 8});
  const AttentionTrace outer;
  {
    const AttentionTrace inner;
    layer.forward(x);
    EXPECT_EQ(inner.weights().size(), 1u);
  }
  EXPECT_THAT(outer.weights(), IsEmpty());
  layer.forward(x);
  EXPECT_EQ(outer.weights().size(), 1u);
}

}  // namespace
}  // namespace fovea::test
