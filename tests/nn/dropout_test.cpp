#include "fovea/nn/dropout.h"

#include "layer_checks.h"

namespace fovea {
namespace {

using nn::Dropout;

TEST(Dropout, DropsAShareAndScalesTheRest) {
  const Tensor x = ones({100, 101});
  const Tensor y = Dropout(0.3).forward(x);
  int64_t dropped = 0;
  for (double value : y.to_vector<double>()) {
    if (value == 0) {
      ++dropped;
    } else {
      EXPECT_FLOAT_EQ(static_cast<float>(value), 1 / 0.7f);
    }
  }
  EXPECT_NEAR(static_cast<double>(dropped) / 10100, 0.3, 0.02);
}

TEST(Dropout, ChangesNothingInEvaluationOrAtZero) {
  const Tensor x = test::random({4, 5});
  Dropout layer(0.9);
  layer.eval();
  EXPECT_EQ(layer.forward(x).impl(), x.impl());
  EXPECT_EQ(Dropout(0).forward(x).impl(), x.impl());
  EXPECT_CLOSE(Dropout(1).forward(x), zeros({4, 5}), 0, 0);
}

TEST(Dropout, KeepsAFewOfManyInHalfPrecision) {
  for (const DType dtype : {f16, bf16}) {
    Tensor x = ones({20000}, {.dtype = dtype}).set_requires_grad();
    Generator generator{.seed = 3};
    const Tensor y = nn::dropout(x, 0.999, generator);
    EXPECT_EQ(y.dtype(), dtype);
    int64_t kept = 0;
    for (const double value : y.to_vector<double>()) kept += value > 0;
    EXPECT_NEAR(static_cast<double>(kept), 20, 12);
    y.backward(ones_like(y));
    EXPECT_CLOSE(x.grad(), y.detach(), 0, 0);
  }
}

TEST(Dropout, TheSameSeedGivesTheSameMask) {
  const Tensor x = ones({50});
  Generator a{.seed = 5}, b{.seed = 5}, c{.seed = 6};
  const Tensor first = nn::dropout(x, 0.5, a);
  EXPECT_CLOSE(first, nn::dropout(x, 0.5, b), 0, 0);
  EXPECT_NE(first.to_vector<float>(), nn::dropout(x, 0.5, c).to_vector<float>());
  EXPECT_NE(first.to_vector<float>(), nn::dropout(x, 0.5, a).to_vector<float>());  // the stream moved on
}

TEST(Dropout, GradientPassesWhereTheValueDid) {
  Tensor x = ones({200}).set_requires_grad();
  const Tensor y = Dropout(0.4).forward(x);
  y.backward(ones({200}));
  EXPECT_CLOSE(x.grad(), y.detach(), 0, 0);
  EXPECT_GRADIENTS(
      [](const Tensor& in) {
        Generator same{.seed = 9};
        return nn::dropout(in, 0.5, same);
      },
      test::random({7}));
}

TEST(ChannelDropout, KeepsOrDropsWholeChannels) {
  const auto shares = [](const Tensor& y, int64_t space) {  // of the channels, each of `space` equal numbers
    int64_t dropped = 0;
    const auto values = y.to_vector<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(values[i], values[i - i % static_cast<size_t>(space)]);
      dropped += values[i] == 0;
      EXPECT_FLOAT_EQ(values[i], values[i] == 0 ? 0 : 1 / 0.7f);
    }
    return static_cast<double>(dropped) / static_cast<double>(y.numel());
  };
  EXPECT_NEAR(shares(nn::Dropout1d(0.3).forward(ones({20, 100, 5})), 5), 0.3, 0.05);
  EXPECT_NEAR(shares(nn::Dropout2d(0.3).forward(ones({20, 100, 3, 2})), 6), 0.3, 0.05);
  EXPECT_NEAR(shares(nn::Dropout3d(0.3).forward(ones({20, 100, 1, 3, 2})), 6), 0.3, 0.05);
  EXPECT_NEAR(shares(nn::Dropout1d(0.3).forward(ones({2000, 5})), 5), 0.3, 0.05);
  EXPECT_NEAR(shares(nn::Dropout2d(0.3).forward(ones({2000, 3, 2})), 6), 0.3, 0.05);
}

TEST(ChannelDropout, NamesAShapeThatHasNoChannels) {
  EXPECT_ERROR(nn::Dropout1d().forward(ones({2, 3, 4, 5})),
               "dropout1d: input [2, 3, 4, 5] is not [batch, channels, length] (dropout_test.cpp:");
  EXPECT_ERROR(nn::Dropout2d().forward(ones({2, 3})),
               "dropout2d: input [2, 3] is not [batch, channels, height, width] (dropout_test.cpp:");
  EXPECT_ERROR(nn::Dropout3d().forward(ones({2, 3})),
               "dropout3d: input [2, 3] is not [batch, channels, depth, height, width] (dropout_test.cpp:");
  EXPECT_ERROR(nn::Dropout2d(2), "dropout: p = 2 is not between 0 and 1 (dropout_test.cpp:");
}

TEST(Dropout, NamesAProbabilityOutsideItsRange) {
  EXPECT_ERROR(Dropout(1.5), "dropout: p = 1.5 is not between 0 and 1 (dropout_test.cpp:");
  EXPECT_ERROR(nn::dropout(ones({1}), -0.1), "dropout: p = -0.1 is not between 0 and 1 (dropout_test.cpp:");
}

}  // namespace
}  // namespace fovea
