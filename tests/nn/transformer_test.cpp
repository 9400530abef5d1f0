#include "fovea/nn/transformer.h"

#include <gmock/gmock.h>

#include "layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

using nn::FeedForward;
using nn::TransformerOptions;
using ::testing::ElementsAre;

/// Layer norm over the last axis, from its formula.
Tensor naive_norm(const nn::LayerNorm& norm, const Tensor& x) {
  const Tensor centred = x - mean(x, -1, true);
  return centred / sqrt(mean(centred * centred, -1, true) + 1e-5) * norm.weight + norm.bias;
}

Tensor naive_linear(const nn::Linear& map, const Tensor& x) { return matmul(x, map.weight.mT()) + map.bias; }

Tensor naive_feed_forward(FeedForward kind, const nn::Linear& first, const nn::Linear& second, const Tensor& x) {
  const Tensor inner = naive_linear(first, x);
  const int64_t half = inner.shape()[2] / 2;
  const auto gelu_of = [](const Tensor& t) { return t * 0.5 * (1.0 + erf(t * std::sqrt(0.5))); };
  const auto silu_of = [](const Tensor& t) { return t / (1.0 + exp(-t)); };
  const Tensor a = inner.slice(-1, 0, half), b = inner.slice(-1, half);
  return naive_linear(second, kind == FeedForward::relu    ? maximum(inner, 0.0)
                              : kind == FeedForward::gelu  ? gelu_of(inner)
                              : kind == FeedForward::silu  ? silu_of(inner)
                              : kind == FeedForward::geglu ? a * gelu_of(b)
                                                           : a * silu_of(b));
}

const std::vector<FeedForward> activations{FeedForward::relu, FeedForward::gelu, FeedForward::silu, FeedForward::geglu,
                                           FeedForward::swiglu};

TEST(TransformerEncoderLayer, FollowsItsFormula) {
  for (const FeedForward activation : activations) {
    for (const bool pre_norm : {false, true}) {
      SCOPED_TRACE(fmt::format("{} pre_norm={}", nn::name(activation), pre_norm));
      nn::TransformerEncoderLayer layer(6, 2, {.feedforward = 8, .activation = activation, .pre_norm = pre_norm});
      layer.to(f64);
      layer.eval();
      const NoGrad off;
      const Tensor x = random({2, 5, 6}, {f64, {}}),
                   keep = from_vector(std::vector<bool>{1, 1, 1, 1, 1, 1, 1, 1, 0, 0}, {2, 5});
      const auto attend = [&](const Tensor& y) { return layer.self_attn.forward(y, {.key_padding_keep = keep}); };
      const auto feed = [&](const Tensor& y) {
        return naive_feed_forward(activation, layer.linear1, layer.linear2, y);
      };
      Tensor want;
      if (pre_norm) {
        const Tensor y = x + attend(naive_norm(layer.norm1, x));
        want = y + feed(naive_norm(layer.norm2, y));
      } else {
        const Tensor y = naive_norm(layer.norm1, x + attend(x));
        want = naive_norm(layer.norm2, y + feed(y));
      }
      EXPECT_CLOSE(layer.forward(x, {.key_padding_keep = keep}), want, 1e-9, 1e-10);
    }
  }
}

TEST(TransformerDecoderLayer, FollowsItsFormula) {
  for (const bool pre_norm : {false, true}) {
    nn::TransformerDecoderLayer layer(6, 2, {.feedforward = 8, .pre_norm = pre_norm});
    layer.to(f64);
    layer.eval();
    const NoGrad off;
    const Tensor x = random({2, 5, 6}, {f64, {}}), memory = random({2, 3, 6}, {f64, {}}, 2);
    const Tensor keep = from_vector(std::vector<bool>{1, 1, 1, 1, 0, 0}, {2, 3});
    const auto attend = [&](const Tensor& y) { return layer.self_attn.forward(y, {.causal = true}); };
    const auto read = [&](const Tensor& y) {
      return layer.multihead_attn.forward(y, memory, memory, {.key_padding_keep = keep});
    };
    const auto feed = [&](const Tensor& y) {
      return naive_feed_forward(FeedForward::relu, layer.linear1, layer.linear2, y);
    };
    Tensor y = x;
    if (pre_norm) {
      y = y + attend(naive_norm(layer.norm1, y));
      y = y + read(naive_norm(layer.norm2, y));
      y = y + feed(naive_norm(layer.norm3, y));
    } else {
      y = naive_norm(layer.norm1, y + attend(y));
      y = naive_norm(layer.norm2, y + read(y));
      y = naive_norm(layer.norm3, y + feed(y));
    }
    EXPECT_CLOSE(layer.forward(x, memory, {.memory_key_padding_keep = keep}), y, 1e-9, 1e-10);
  }
}

TEST(Transformer, GradientsHold) {
  const Tensor x = random({1, 3, 4}), memory = random({1, 2, 4}, {}, 2);
  const TransformerOptions o{.feedforward = 3, .activation = FeedForward::swiglu, .dropout = 0, .pre_norm = true};
  nn::TransformerEncoder encoder(4, 2, 1, o);
  EXPECT_TRUE(
      layer_gradients_hold(encoder, {x}, [&](const std::vector<Tensor>& in) { return encoder.forward(in[0]); }));
  TransformerOptions post = o;
  post.pre_norm = false;
  post.activation = FeedForward::gelu;
  nn::TransformerDecoder decoder(4, 2, 1, post);
  EXPECT_TRUE(layer_gradients_hold(decoder, {x, memory},
                                   [&](const std::vector<Tensor>& in) { return decoder.forward(in[0], in[1]); }));
}

TEST(Transformer, NamesOfParameters) {
  EXPECT_THAT(
      described(nn::TransformerEncoder(4, 2, 1, {.feedforward = 3, .pre_norm = true})),
      ElementsAre("layers.0.self_attn.in_proj_weight [12, 4]", "layers.0.self_attn.in_proj_bias [12]",
                  "layers.0.self_attn.out_proj.weight [4, 4]", "layers.0.self_attn.out_proj.bias [4]",
                  "layers.0.linear1.weight [3, 4]", "layers.0.linear1.bias [3]", "layers.0.linear2.weight [4, 3]",
                  "layers.0.linear2.bias [4]", "layers.0.norm1.weight [4]", "layers.0.norm1.bias [4]",
                  "layers.0.norm2.weight [4]", "layers.0.norm2.bias [4]", "norm.weight [4]", "norm.bias [4]"));
  EXPECT_EQ(nn::TransformerEncoder(4, 2, 3).parameters().size(), 36u);
  EXPECT_EQ(nn::TransformerDecoder(4, 2, 2, {.bias = false}).parameters().size(), 18u);
}

TEST(Transformer, DecodesStepByStep) {
  const NoGrad off;
  for (const bool pre_norm : {false, true}) {
    nn::TransformerDecoder decoder(8, 2, 2, {.feedforward = 12, .pre_norm = pre_norm, .rotary = pre_norm});
    decoder.to(f64);
    decoder.eval();
    const Tensor x = random({2, 6, 8}, {f64, {}}), memory = random({2, 4, 8}, {f64, {}}, 2);
    const Tensor keep = from_vector(std::vector<bool>{1, 1, 1, 1, 1, 1, 0, 0}, {2, 4});
    const Tensor whole = decoder.forward(x, memory, {.memory_key_padding_keep = keep});
    std::vector<nn::DecoderCache> caches(2);
    for (int64_t i = 0; i < 6; ++i) {
      const Tensor from = i == 0 ? memory : zeros_like(memory);  // only the first step reads it
      EXPECT_CLOSE(decoder.forward(x.slice(1, i, i + 1), from, {.memory_key_padding_keep = keep}, caches),
                   whole.slice(1, i, i + 1), 1e-9, 1e-10);
    }
    EXPECT_EQ(caches[1].self.length(), 6);
    EXPECT_EQ(caches[1].memory.length(), 4);
    caches[0].clear();
    EXPECT_EQ(caches[0].self.length() + caches[0].memory.length(), 0);
    EXPECT_ERROR(decoder.forward(x, memory, {}, std::span(caches).subspan(1)),
                 "TransformerDecoder: 1 caches for 2 layers");
  }
}

TEST(Transformer, DropsOutInTrainingAlone) {
  nn::TransformerEncoder encoder(8, 2, 1, {.feedforward = 8, .dropout = 0.5});
  const Tensor x = random({1, 4, 8});
  EXPECT_FALSE(close(encoder.forward(x).detach(), encoder.forward(x).detach()));
  encoder.eval();
  EXPECT_CLOSE(encoder.forward(x).detach(), encoder.forward(x).detach(), 0, 0);
}

TEST(Transformer, DropsOutWithinTheFeedForwardAndBehindIt) {
  nn::TransformerEncoderLayer layer(256, 2, {.feedforward = 256, .dropout = 0.5, .pre_norm = true});
  for (Tensor parameter : layer.parameters()) nn::init::zeros_(parameter);
  nn::init::ones_(layer.linear1.bias);
  nn::init::eye_(layer.linear2.weight);
  const Tensor fed = layer.forward(zeros({1, 40, 256})).detach();  // 1, dropped and scaled twice
  EXPECT_CLOSE(where(eq(fed, 4.0), 0.0, fed), zeros({1, 40, 256}), 0, 0);
  EXPECT_NEAR(mean(eq(fed, 4.0).to(f32)).item(), 0.25, 0.02);
}

TEST(CrossModalAttention, TellsWhatEitherReads) {
  const nn::CrossModalAttention layer(4, 2, {.heads = 2});
  const Tensor a = random({2, 3, 4}), b = random({2, 5, 2}, {}, 2);
  const Tensor keep_a = from_vector(std::vector<bool>{1, 1, 0, 1, 1, 1}, {2, 3}),
               keep_b = from_vector(std::vector<bool>{1, 1, 1, 1, 1, 1, 1, 0, 0, 0}, {2, 5});
  const auto [fused, of_a, of_b] = layer.forward_with_weights(a, b, keep_a, keep_b);
  const nn::Fused want = layer.forward(a, b, keep_a, keep_b);
  EXPECT_CLOSE(fused.a.detach(), want.a.detach());
  EXPECT_CLOSE(fused.b.detach(), want.b.detach());
  EXPECT_CLOSE(of_a.select(0, 1).slice(-1, 2).detach(), zeros({2, 3, 3}), 0, 0);
  EXPECT_CLOSE(of_b.select(0, 0).slice(-1, 2).detach(), zeros({2, 5, 1}), 0, 0);
}

TEST_P(OnEveryDevice, TransformersAreTheSame) {
  const TransformerOptions o{.feedforward = 16, .activation = FeedForward::geglu, .dropout = 0, .pre_norm = true};
  nn::TransformerEncoder encoder(8, 2, 1, o);
  nn::TransformerDecoder decoder(8, 2, 1, o);
  const auto run = [&](Device on) {
    encoder.to(on);
    decoder.to(on);
    Tensor x = random({2, 5, 8}).to(on).set_requires_grad();
    const Tensor y = decoder.forward(x, encoder.forward(x));
    y.backward(random(y.shape(), {}, 3).to(on));
    return std::vector<Tensor>{y.detach().to(Device{}), x.grad().to(Device{}),
                               encoder.layers[0].linear1.weight.grad().to(Device{})};
  };
  const auto want = run({}), got = run(device());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_CLOSE(got[i], want[i], 1e-4, 1e-5) << i;
}

TEST(TransformerEncoder, GivesTheSameGradientsWhenLayersAreComputedTwice) {
  for (const DType precision : {f32, bf16}) {
    manual_seed(3);
    nn::TransformerEncoder encoder(8, 2, 3, {.feedforward = 16, .dropout = 0.2, .pre_norm = true});
    const Tensor x = random({2, 5, 8}).set_requires_grad();
    const Tensor keep =
        from_vector(std::vector<bool>{true, true, true, true, true, true, true, true, false, false}, {2, 5});
    const auto gradients = [&](bool recompute) {
      encoder.recompute = recompute;
      encoder.zero_grad();
      Tensor(x).zero_grad();
      manual_seed(7);
      const Tensor loss = [&] {
        const Autocast guard(precision);
        return sum(square(encoder.forward(x, {.key_padding_keep = keep})));
      }();
      loss.backward();
      std::vector<Tensor> found{loss.detach(), x.grad().clone()};
      for (const Tensor& parameter : encoder.parameters()) found.push_back(parameter.grad().clone());
      return found;
    };
    const std::vector<Tensor> once = gradients(false), twice = gradients(true);
    for (size_t i = 0; i < once.size(); ++i) EXPECT_CLOSE(twice[i], once[i], 1e-5, 1e-6);
  }
}

TEST(TransformerEncoder, ComputesLayersTwiceWithALearnedBias) {
  nn::TransformerEncoder encoder(8, 2, 2, {.feedforward = 16, .dropout = 0});
  nn::RelativePositionBias bias(2);
  const Tensor x = random({2, 5, 8});
  const auto gradient = [&](bool recompute) {
    encoder.recompute = recompute;
    bias.zero_grad();
    sum(square(encoder.forward(x, {.bias = bias.forward(5, 5)}))).backward();
    return bias.weight.grad().clone();
  };
  const Tensor once = gradient(false);
  EXPECT_CLOSE(gradient(true), once, 1e-5, 1e-5);
}

}  // namespace
}  // namespace fovea::test
