#include "fovea/nn/normalization.h"

#include <gmock/gmock.h>

#include <cmath>

#include "layer_checks.h"
#include "support/naive.h"

namespace fovea {
namespace {

using nn::LayerNorm;

TEST(LayerNorm, EqualsADirectComputation) {
  LayerNorm layer(5, {.eps = 1e-3});
  layer.to(f64);
  layer.load_state_dict({{"weight", test::random({5})}, {"bias", test::random({5}, {}, 2)}});
  const Tensor x = test::random({2, 3, 5}, {.dtype = f64});
  const Tensor normal = test::naive_along(x, -1, [](const std::vector<double>& row) {
    double mean = 0, square = 0;
    for (double v : row) mean += v / static_cast<double>(row.size());
    for (double v : row) square += (v - mean) * (v - mean) / static_cast<double>(row.size());
    std::vector<double> out;
    for (double v : row) out.push_back((v - mean) / std::sqrt(square + 1e-3));
    return out;
  });
  EXPECT_CLOSE(layer.forward(x).detach(), normal * layer.weight.detach() + layer.bias.detach());
}

TEST(LayerNorm, HasPyTorchsParameters) {
  EXPECT_THAT(test::described(LayerNorm(3)), ::testing::ElementsAre("weight [3]", "bias [3]"));
  EXPECT_THAT(test::described(LayerNorm(3, {.bias = false})), ::testing::ElementsAre("weight [3]"));
  EXPECT_TRUE(LayerNorm(3, {.affine = false}).parameters().empty());
}

TEST(LayerNorm, Gradients) {
  for (const nn::LayerNormOptions& options :
       {nn::LayerNormOptions{}, nn::LayerNormOptions{.bias = false}, nn::LayerNormOptions{.affine = false}}) {
    LayerNorm layer(4, options);
    EXPECT_TRUE(test::layer_gradients_hold(layer, {test::random({3, 4})},
                                           [&](const std::vector<Tensor>& x) { return layer.forward(x[0]); }));
  }
}

TEST(BatchNorm, WithoutRunningStatisticsTakesTheBatchsAlways) {
  nn::BatchNorm1d layer(3, {.running_statistics = false});
  EXPECT_THAT(test::described(layer), ::testing::ElementsAre("weight [3]", "bias [3]"));
  const Tensor x = test::random({5, 3});
  const Tensor trained = layer.forward(x);
  layer.eval();
  EXPECT_CLOSE(layer.forward(x), trained, 0, 0);
  EXPECT_CLOSE(mean(trained, 0), zeros({3}), 0, 1e-6);
}

TEST(BatchNorm, HasNoVarianceOfOneElementToTrainWith) {
  nn::BatchNorm1d layer(2);
  EXPECT_ERROR(layer.forward(ones({1, 2})),
               "BatchNorm1d: one element per channel has no variance to train with: input "
               "[1, 2] (normalization_test.cpp:");
  layer.eval();
  EXPECT_CLOSE(layer.forward(zeros({1, 2})), zeros({1, 2}), 0, 0);
}

TEST(InstanceNorm, TakesASampleWithoutItsBatch) {
  const Tensor x = test::random({2, 3, 4, 5});
  nn::InstanceNorm2d layer(3, {.affine = true});
  nn::init::normal_(layer.weight);
  EXPECT_CLOSE(layer.forward(x.select(0, 1)), layer.forward(x).select(0, 1), 0, 0);
  EXPECT_THAT(test::described(nn::InstanceNorm2d(3)), ::testing::IsEmpty());
  EXPECT_CLOSE(mean(nn::InstanceNorm1d(3).forward(test::random({3, 50})), 1), zeros({3}), 0, 1e-6);
}

TEST(InstanceNorm, NamesMisfits) {
  nn::InstanceNorm1d layer(3);
  EXPECT_ERROR(layer.forward(ones({2, 4, 5})),
               "InstanceNorm1d: input [2, 4, 5] is not [batch, 3, length] (normalization_test.cpp:");
  EXPECT_ERROR(nn::InstanceNorm2d(3).forward(ones({4, 5})),
               "InstanceNorm2d: input [4, 5] is not [batch, 3, height, width] (normalization_test.cpp:");
  EXPECT_ERROR(layer.forward(ones({2, 3, 1})),
               "InstanceNorm1d: one element per channel has no variance to train with: input "
               "[2, 3, 1] (normalization_test.cpp:");
  layer.eval();
  EXPECT_CLOSE(layer.forward(ones({2, 3, 1})), zeros({2, 3, 1}), 0, 0);
  EXPECT_ERROR(nn::InstanceNorm1d(3, {.eps = -1}), "InstanceNorm: eps -1 is negative (normalization_test.cpp:");
  EXPECT_ERROR(nn::InstanceNorm1d(0), "InstanceNorm: 0 channels (normalization_test.cpp:");
}

TEST(LayerNorm, NamesMisfits) {
  EXPECT_ERROR(LayerNorm(4).forward(ones({3, 5})),
               "LayerNorm: input [3, 5] does not end in 4 (normalization_test.cpp:");
  EXPECT_ERROR(LayerNorm(4, {.eps = -1}), "LayerNorm: eps -1 is negative (normalization_test.cpp:");
  EXPECT_ERROR(nn::RMSNorm(4, {.eps = NAN}), "RMSNorm: eps nan is negative (normalization_test.cpp:");
  EXPECT_ERROR(nn::GroupNorm(2, 4, {.eps = -1}), "GroupNorm: eps -1 is negative (normalization_test.cpp:");
  EXPECT_ERROR(nn::BatchNorm1d(4, {.eps = -1}), "BatchNorm: eps -1 is negative (normalization_test.cpp:");
}

}  // namespace
}  // namespace fovea
