#include "fovea/nn/multihead_pool.h"

#include <gmock/gmock.h>

#include "layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

using nn::MultiheadPool;
using nn::Weights;
using ::testing::ElementsAre;

const std::vector<Weights> all_weights{Weights::softmax, Weights::sum, Weights::exp, Weights::sparsemax};

TEST(MultiheadPool, IsAttentionOfEachHeadOnItsPart) {
  const NoGrad off;
  const Tensor x = random({2, 4, 6}), keep = keep_mask();
  for (const Weights weights : all_weights) {
    for (const bool gate : {false, true}) {
      SCOPED_TRACE(nn::name(weights));
      MultiheadPool pool(6, 3, {.weights = weights, .temperature = 0.7, .gate = gate});
      const Tensor k = matmul(x, pool.key.weight.mT()) + pool.key.bias;
      const Tensor v = matmul(x, pool.value.weight.mT()) + pool.value.bias;
      std::vector<Tensor> reads, shares;
      for (int64_t h = 0; h < 3; ++h) {
        const auto part = [&](const Tensor& y) { return y.slice(2, 2 * h, 2 * h + 2); };
        const Tensor query = pool.query.slice(0, h, h + 1).expand({2, 2});
        const Attended one =
            nn::attention_pool(query, part(k), part(v), keep, {nn::Score::scaled_dot, weights, 0.7, {}});
        reads.push_back(one.read);
        shares.push_back(one.weights.unsqueeze(1));
      }
      Tensor want = matmul(concat(reads, 1), pool.out.weight.mT()) + pool.out.bias;
      if (gate) want = want * sigmoid(matmul(want, pool.gate->weight.mT()) + pool.gate->bias);
      const Attended got = pool.forward_with_weights(x, keep);
      EXPECT_CLOSE(got.weights, concat(shares, 1), 1e-5, 1e-6);
      EXPECT_CLOSE(got.read, want, 1e-5, 1e-6);
      EXPECT_CLOSE(pool.forward(x, keep), got.read, 0, 0);
    }
  }
}

TEST(MultiheadPool, GradientsHold) {
  const Tensor x = random({2, 4, 4}), keep = keep_mask();
  for (const Weights weights : all_weights) {
    MultiheadPool pool(4, 2, {.weights = weights, .gate = true});
    EXPECT_TRUE(layer_gradients_hold(pool, {x}, [&](const std::vector<Tensor>& in) {
      return pool.forward(in[0], keep);
    })) << nn::name(weights);
  }
}

TEST(MultiheadPool, NamesOfParametersAndErrors) {
  EXPECT_THAT(described(MultiheadPool(4, 2)),
              ElementsAre("query [2, 2]", "key.weight [4, 4]", "key.bias [4]", "value.weight [4, 4]", "value.bias [4]",
                          "out.weight [4, 4]", "out.bias [4]"));
  EXPECT_ERROR(MultiheadPool(5, 2),
               "MultiheadPool: a width of 5 does not divide into 2 heads (multihead_pool_test.cpp");
  EXPECT_ERROR(MultiheadPool(4, 2, {.temperature = 0}), "MultiheadPool: temperature 0 is not positive");
  const MultiheadPool pool(4, 2);
  EXPECT_ERROR(pool.forward(zeros({2, 3, 5})), "MultiheadPool: input [2, 3, 5] is not [batch, time, 4]");
  EXPECT_ERROR(pool.forward(zeros({2, 3, 4}), ones({2, 2}, {.dtype = boolean})), "MultiheadPool: keep [2, 2] for an");
}

TEST_P(OnEveryDevice, MultiheadPoolIsTheSame) {
  MultiheadPool pool(8, 2, {.weights = Weights::sparsemax, .gate = true});
  const auto run = [&](Device on) {
    pool.to(on);
    Tensor x = random({2, 4, 8}).to(on).set_requires_grad();
    const Tensor y = pool.forward(x, keep_mask().to(on));
    y.backward(random(y.shape(), {}, 3).to(on));
    return std::vector<Tensor>{y.detach().to(Device{}), x.grad().to(Device{}), pool.key.weight.grad().to(Device{})};
  };
  const auto want = run({}), got = run(device());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_CLOSE(got[i], want[i], 1e-4, 1e-5) << i;
}

}  // namespace
}  // namespace fovea::test
