#include "fovea/nn/causal_lm.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

using nn::CausalLM;
using nn::Positions;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

const std::vector<Positions> kinds{Positions::learned, Positions::sinusoidal, Positions::rotary, Positions::alibi,
                                   Positions::none};

nn::CausalLMOptions small_model(Positions positions, bool tied = true) {
  return {.dim = 8,
          .heads = 2,
          .layers = 2,
          .context = 12,
          .positions = positions,
          .tied = tied,
          .transformer = {.feedforward = 16, .activation = nn::FeedForward::gelu, .dropout = 0, .pre_norm = true}};
}

/// Weights large enough that its choices are clear.
void stir(nn::Module& module) {
  const NoGrad off;
  uint64_t seed = 3;
  for (Tensor& p : module.parameters()) p.copy_(p + random(p.shape(), {}, seed++) * 0.5);
}

Tensor tokens_of(const Shape& shape, uint64_t seed = 1) {
  Generator generator{.seed = seed};
  return randint(0, 9, shape, {i32, {}}, generator);
}

TEST(CausalLM, IsMadeOfWhatItSays) {
  EXPECT_THAT(described(CausalLM(9, {.dim = 4, .heads = 1, .layers = 0, .context = 6})),
              ElementsAre("embedding.weight [9, 4]", "positions.weight [6, 4]", "encoder.norm.weight [4]",
                          "encoder.norm.bias [4]"));
  EXPECT_THAT(
      described(CausalLM(9, {.dim = 4, .heads = 1, .layers = 0, .positions = Positions::rotary, .tied = false})),
      ElementsAre("embedding.weight [9, 4]", "encoder.norm.weight [4]", "encoder.norm.bias [4]", "head.weight [9, 4]"));
  CausalLM model(9, small_model(Positions::learned));
  model.eval();
  const Tensor tokens = tokens_of({2, 5});
  const NoGrad off;
  const Tensor x = index_select(model.embedding.weight, 0, tokens.reshape({10})).reshape({2, 5, 8}) +
                   model.positions->weight.slice(0, 0, 5);
  const Tensor want = matmul(model.encoder.forward(x, {.causal = true}), model.embedding.weight.mT());
  EXPECT_CLOSE(model.forward(tokens), want, 1e-4, 1e-6);
  CausalLM waves(9, small_model(Positions::sinusoidal));
  waves.eval();
  const Tensor rows = index_select(waves.embedding.weight, 0, tokens.reshape({10})).reshape({2, 5, 8});
  EXPECT_CLOSE(waves.forward(tokens),
               matmul(waves.encoder.forward(rows * std::sqrt(8.0) + nn::sinusoidal_positions(5, 8), {.causal = true}),
                      waves.embedding.weight.mT()),
               1e-4, 1e-6);
}

TEST(CausalLM, DropsEmbeddingsInTrainingAlone) {
  manual_seed(2);
  CausalLM model(9, {.dim = 64, .heads = 1, .layers = 0, .transformer = {.dropout = 0.5}});
  const NoGrad off;
  const Tensor tokens = tokens_of({1, 4});
  const auto first = model.forward(tokens).to_vector<float>();
  EXPECT_NE(model.forward(tokens).to_vector<float>(), first);
  model.eval();
  const auto whole = model.forward(tokens).to_vector<float>();
  EXPECT_EQ(model.forward(tokens).to_vector<float>(), whole);
}

TEST(CausalLM, SeesNothingThatComesLater) {
  for (const Positions kind : kinds) {
    for (const bool tied : {true, false}) {
      SCOPED_TRACE(nn::name(kind));
      CausalLM model(9, small_model(kind, tied));
      stir(model);
      const NoGrad off;
      const Tensor tokens = tokens_of({1, 10}), other = concat({tokens.slice(1, 0, 6), tokens_of({1, 4}, 2)}, 1);
      const Tensor a = model.forward(tokens), b = model.forward(other);
      EXPECT_CLOSE(a.slice(1, 0, 6), b.slice(1, 0, 6), 1e-5, 1e-5);
      EXPECT_FALSE(close(a.slice(1, 6), b.slice(1, 6), 1e-3, 1e-3));
    }
  }
}

TEST(CausalLM, LossIsTheMeanOfWhatComesNext) {
  CausalLM model(9, small_model(Positions::rotary));
  const Tensor tokens = tokens_of({3, 6});
  const Tensor p = log_softmax(model.forward(tokens.slice(1, 0, 5)), -1).detach();
  const auto logs = p.to_vector<double>();
  const auto ids = tokens.to_vector<int32_t>();
  double sum = 0;
  for (size_t b = 0; b < 3; ++b) {
    for (size_t t = 0; t < 5; ++t) sum -= logs[(b * 5 + t) * 9 + static_cast<size_t>(ids[b * 6 + t + 1])];
  }
  EXPECT_NEAR(model.loss(tokens).item(), sum / 15, 1e-5);
}

TEST(CausalLM, GradientsHold) {
  CausalLM model(5, {.dim = 4,
                     .heads = 2,
                     .layers = 1,
                     .context = 4,
                     .transformer = {.feedforward = 3, .dropout = 0, .pre_norm = true}});
  const Tensor tokens = from_vector(std::vector<int32_t>{0, 3, 1, 4}, {1, 4});
  EXPECT_TRUE(layer_gradients_hold(model, {}, [&](const std::vector<Tensor>&) { return model.loss(tokens); }));
}

TEST(CausalLM, CachedGenerationEqualsUncached) {
  for (const Positions kind : kinds) {
    SCOPED_TRACE(nn::name(kind));
    CausalLM model(9, small_model(kind));
    stir(model);
    const Tensor prompt = tokens_of({2, 4});
    // Past the context of 12, more than once.
    for (const double temperature : {0.0, 1.0}) {
      const nn::SamplingOptions sampling{.temperature = temperature, .top_k = 5};
      const Tensor kept = model.generate(prompt, {.length = 40, .sampling = sampling, .seed = 5});
      const Tensor again = model.generate(prompt, {.length = 40, .sampling = sampling, .seed = 5, .cache = false});
      EXPECT_EQ(kept.shape(), (Shape{2, 44}));
      EXPECT_EQ(kept.to_vector<int32_t>(), again.to_vector<int32_t>());
      EXPECT_EQ(kept.slice(1, 0, 4).to_vector<int32_t>(), prompt.to_vector<int32_t>());
    }
    EXPECT_TRUE(model.training());
  }
}

TEST(CausalLM, LongPromptsCountByTheirEnd) {
  CausalLM model(9, small_model(Positions::learned));
  stir(model);
  model.eval();
  const NoGrad off;
  const Tensor tokens = tokens_of({1, 40});
  for (const int64_t length : {1, 11, 12, 13, 18, 19, 40}) {
    nn::CausalDecoder at_once(model), in_pieces(model), uncached(model, false);
    const Tensor whole = at_once.read(tokens.slice(1, 0, length));
    Tensor last;
    for (int64_t i = 0; i < length; i += 3) last = in_pieces.read(tokens.slice(1, i, std::min(i + 3, length)));
    EXPECT_CLOSE(last, whole, 1e-4, 1e-4) << length;
    EXPECT_CLOSE(uncached.read(tokens.slice(1, 0, length)), whole, 1e-4, 1e-4) << length;
    EXPECT_EQ(in_pieces.tokens().to_vector<int32_t>(), tokens.slice(1, 0, length).to_vector<int32_t>());
    // Between half a context and a whole one is seen.
    const int64_t seen = length <= 12 ? length : 12 - (6 - (length - 12) % 6) % 6;
    EXPECT_CLOSE(model.forward(tokens.slice(1, length - seen, length)).select(1, seen - 1), whole, 1e-4, 1e-4)
        << length;
  }
}

TEST(CausalLM, ReadsPastContextsOfOddLengths) {
  for (const int64_t context : {1, 2, 5}) {
    nn::CausalLMOptions options = small_model(Positions::learned);
    options.context = context;
    CausalLM model(9, options);
    stir(model);
    model.eval();
    const NoGrad off;
    const Tensor tokens = tokens_of({1, 14});
    nn::CausalDecoder decoder(model);
    for (int64_t length = 1; length <= 14; ++length) {
      const Tensor got = decoder.read(tokens.slice(1, length - 1, length));
      // It begins anew with the last half of a context, the longer one, whenever one is full.
      const int64_t half = (context + 1) / 2;
      const int64_t seen = length <= context ? length : context - half + 1 + (length - context - 1) % half;
      EXPECT_CLOSE(model.forward(tokens.slice(1, length - seen, length)).select(1, seen - 1), got, 1e-4, 1e-4)
          << context << " " << length;
    }
  }
}

TEST(CausalLM, GenerationLeavesEveryPartInItsMode) {
  CausalLM model(9, small_model(Positions::learned));
  model.encoder.eval();  // frozen
  model.encoder.layers[1].train();
  model.generate(tokens_of({1, 3}), {.length = 1});
  EXPECT_TRUE(model.training() && model.embedding.training());
  EXPECT_FALSE(model.encoder.training() || model.encoder.layers[0].training());
  EXPECT_TRUE(model.encoder.layers[1].training() && model.encoder.layers[1].linear1.training());
}

TEST(CausalLM, ForgetsTokensThatItRefuses) {
  CausalLM model(9, small_model(Positions::rotary));
  stir(model);
  model.eval();
  const Tensor bad = from_vector(std::vector<int32_t>{2, 77}, {1, 2}), good = tokens_of({1, 2}, 5);
  for (const bool cache : {true, false}) {
    nn::CausalDecoder decoder(model, cache), fresh(model, cache);
    decoder.read(tokens_of({1, 3}));
    EXPECT_THROW(decoder.read(bad), IndexError);
    EXPECT_EQ(decoder.tokens().shape(), (Shape{1, 3}));
    EXPECT_CLOSE(decoder.read(good), fresh.read(concat({tokens_of({1, 3}), good}, 1)), 1e-4, 1e-5);
  }
}

TEST(CausalLM, StopsAtTheEnd) {
  CausalLM model(9, small_model(Positions::none));
  stir(model);
  const Tensor prompt = tokens_of({2, 3});
  const Tensor free = model.generate(prompt, {.length = 30, .seed = 2});
  const auto ids = free.to_vector<int32_t>();
  const int32_t end = ids[8];
  std::vector<std::vector<int32_t>> steps;
  const Tensor got = model.generate(prompt, {.length = 30, .seed = 2, .end = end, .step = [&](auto drawn) {
                                               steps.emplace_back(drawn.begin(), drawn.end());
                                               return true;
                                             }});
  EXPECT_EQ(got.shape()[1], 3 + static_cast<int64_t>(steps.size()));
  const auto kept = got.to_vector<int32_t>();
  const auto width = static_cast<size_t>(got.shape()[1]);
  for (size_t row = 0; row < 2; ++row) {
    bool over = false;
    for (size_t t = 3; t < width; ++t) {
      const int32_t token = kept[row * width + t];
      EXPECT_TRUE(!over || token == end);
      over = over || token == end;
    }
  }
  // Of one row it is over where that has come to its end.
  const Tensor alone = model.generate(prompt.slice(0, 0, 1), {.length = 30, .seed = 2});
  const int32_t fourth = alone.to_vector<int32_t>()[6];
  const auto ended =
      model.generate(prompt.slice(0, 0, 1), {.length = 30, .seed = 2, .end = fourth}).to_vector<int32_t>();
  EXPECT_LE(ended.size(), 7u);
  EXPECT_EQ(ended.back(), fourth);
  const Tensor stopped = model.generate(prompt, {.length = 30, .step = [](auto) { return false; }});
  EXPECT_EQ(stopped.shape()[1], 4);
}

TEST(CausalLM, OverfitsASentence) {
  manual_seed(3);
  const std::string text = "attention is all you need, and a cache to keep what was read. ";
  std::map<char, int32_t> ids;
  std::vector<int32_t> tokens;
  for (const char c : text) tokens.push_back(ids.emplace(c, static_cast<int32_t>(ids.size())).first->second);
  CausalLM model(static_cast<int64_t>(ids.size()),
                 {.dim = 32,
                  .heads = 2,
                  .layers = 1,
                  .context = 64,
                  .transformer = {.feedforward = 64, .dropout = 0, .pre_norm = true}});
  nn::Adam optimizer(model.parameters(), {.lr = 5e-3});
  const Tensor all = from_vector(tokens, {1, static_cast<int64_t>(tokens.size())});
  double loss = 10;
  for (int step = 0; step < 300 && loss > 0.05; ++step) {
    optimizer.zero_grad();
    const Tensor l = model.loss(all);
    l.backward();
    optimizer.step();
    loss = l.item();
  }
  EXPECT_LT(loss, 0.1);
  const Tensor made = model.generate(all.slice(1, 0, 6), {.length = 40, .sampling = {.temperature = 0}});
  EXPECT_EQ(made.to_vector<int32_t>(), all.slice(1, 0, 46).to_vector<int32_t>());
}

TEST_P(OnEveryDevice, CausalLMGeneratesTheSame) {
  CausalLM model(9, small_model(Positions::learned));
  stir(model);
  const Tensor prompt = tokens_of({1, 3});
  const nn::GenerateOptions options{.length = 14, .seed = 4};
  const auto want = model.generate(prompt, options).to_vector<int32_t>();
  model.to(device());
  EXPECT_EQ(model.generate(prompt.to(device()), options).to_vector<int32_t>(), want);
}

TEST(CausalLM, NamesMisuse) {
  EXPECT_ERROR(CausalLM(9, {.context = 0}), "CausalLM: a context of 0 tokens");
  CausalLM model(9, small_model(Positions::learned));
  EXPECT_ERROR(model.forward(tokens_of({2, 13})), "CausalLM: 13 tokens for a context of 12 (causal_lm_test.cpp:");
  EXPECT_ERROR(model.forward(tokens_of({3})), "CausalLM: tokens [3] are not [batch, time]");
  EXPECT_ERROR(model.loss(tokens_of({2, 1})), "CausalLM: tokens [2, 1] are not [batch, two or more]");
  EXPECT_ERROR(model.generate(tokens_of({2, 0})), "CausalLM: 100 tokens after a prompt [2, 0]");
  EXPECT_ERROR(model.generate(tokens_of({2, 1}), {.end = 9}),
               "CausalLM: end 9 is none of 9 tokens (causal_lm_test.cpp:");
  EXPECT_ERROR(model.beam_search(tokens_of({2, 0})), "CausalLM: a prompt [2, 0], not [batch, one or more]");
  nn::CausalDecoder decoder(model);
  decoder.read(tokens_of({2, 2}));
  EXPECT_ERROR(decoder.read(tokens_of({1, 2})), "CausalDecoder: tokens [1, 2] behind [2, 2]");
}

}  // namespace
}  // namespace fovea::test
