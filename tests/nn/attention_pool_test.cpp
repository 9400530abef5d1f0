#include "fovea/nn/attention_pool.h"

#include <gmock/gmock.h>

#include "layer_checks.h"

namespace fovea {
namespace {

using nn::AttentionPool;
using nn::Score;
using nn::Weights;
using ::testing::ElementsAre;

const std::vector<Score> pool_scores{Score::dot, Score::scaled_dot, Score::cosine, Score::bilinear, Score::additive};

TEST(AttentionPool, EqualsTheFunctionWithItsQuery) {
  const Tensor x = test::random({2, 4, 3}), keep = test::keep_mask();
  for (const Score score : pool_scores) {
    for (const Weights weights : {Weights::softmax, Weights::sum, Weights::exp, Weights::sparsemax}) {
      SCOPED_TRACE(fmt::format("{} {}", nn::name(score), nn::name(weights)));
      AttentionPool layer(3, {.score = score, .weights = weights, .temperature = 0.7, .hidden = 5});
      nn::AttentionOptions options{score, weights, 0.7, {}};
      Tensor query = layer.query.detach().unsqueeze(0).expand({2, layer.query.shape()[0]});
      if (score == Score::bilinear) options.parameters.w = layer.weight;
      if (score == Score::additive) {
        // The bias is what a constant query adds: one times a row of weights.
        query = ones({2, 1});
        options.parameters = {.wq = layer.key->bias.unsqueeze(0), .wk = layer.key->weight.mT(), .u = layer.query};
      }
      const Attended want = nn::attention_pool(query, x, x, keep, options);
      const Attended got = layer.forward_with_weights(x, keep);
      EXPECT_CLOSE(got.weights.detach(), want.weights.detach());
      EXPECT_CLOSE(got.read.detach(), want.read.detach());
      EXPECT_CLOSE(layer.forward(x, keep).detach(), got.read.detach(), 0, 0);
    }
  }
}

TEST(AttentionPool, TheGateScalesWhatIsRead) {
  AttentionPool layer(3, {.gate = true});
  const Tensor x = test::random({2, 4, 3});
  const Tensor weights = layer.forward_with_weights(x).weights;
  const Tensor read = matmul(weights.unsqueeze(1), x).squeeze(1);
  EXPECT_CLOSE(layer.forward(x).detach(), (read * sigmoid(layer.gate->forward(read))).detach());
}

TEST(AttentionPool, Gradients) {
  for (const Score score : pool_scores) {
    SCOPED_TRACE(nn::name(score));
    AttentionPool layer(3, {.score = score, .gate = score == Score::dot, .hidden = 2});
    EXPECT_TRUE(test::layer_gradients_hold(layer, {test::random({2, 4, 3}), test::keep_mask()},
                                           [&](const std::vector<Tensor>& x) {
                                             const Attended out = layer.forward_with_weights(x[0], x[1]);
                                             return std::vector<Tensor>{out.read, out.weights};
                                           }));
  }
}

TEST(AttentionPool, NamesItsParameters) {
  EXPECT_THAT(test::described(AttentionPool(3, {.hidden = 5})),
              ElementsAre("query [5]", "key.weight [5, 3]", "key.bias [5]"));
  EXPECT_THAT(test::described(AttentionPool(3, {.score = Score::bilinear, .gate = true})),
              ElementsAre("query [3]", "weight [3, 3]", "gate.weight [3, 3]", "gate.bias [3]"));
  EXPECT_THAT(test::described(AttentionPool(3, {.score = Score::cosine})), ElementsAre("query [3]"));
}

TEST(AttentionPool, NamesMisuse) {
  AttentionPool layer(3);
  EXPECT_ERROR(layer.forward(ones({2, 4, 2})),
               "AttentionPool: input [2, 4, 2] is not [batch, time, 3] (attention_pool");
  EXPECT_ERROR(layer.forward(ones({2, 4, 3}), ones({2, 5}, {.dtype = boolean})),
               "AttentionPool: keep [2, 5] for an input of [2, 4, 3] (attention_pool_test.cpp:");
  EXPECT_ERROR(AttentionPool(3, {.temperature = -1}),
               "AttentionPool: temperature -1 is not positive (attention_pool_te");
}

}  // namespace
}  // namespace fovea
