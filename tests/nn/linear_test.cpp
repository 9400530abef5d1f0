#include "fovea/nn/linear.h"

#include <gmock/gmock.h>

#include "layer_checks.h"
#include "support/naive.h"

namespace fovea {
namespace {

using nn::Linear;

TEST(Linear, EqualsADirectComputation) {
  for (const Shape& shape : {Shape{4}, Shape{1, 4}, Shape{3, 4}, Shape{2, 3, 4}, Shape{0, 4}}) {
    Linear layer(4, 5);
    layer.to(f64);
    const Tensor x = test::random(shape, {.dtype = f64});
    const Tensor want = test::naive_matmul(x, layer.weight.detach().mT());
    EXPECT_CLOSE(layer.forward(x).detach(), want + layer.bias.detach());
  }
}

TEST(Linear, HasPyTorchsParametersAndRange) {
  Linear layer(100, 50);
  EXPECT_THAT(test::described(layer), ::testing::ElementsAre("weight [50, 100]", "bias [50]"));
  const double greatest = amax(abs(layer.weight)).item();
  EXPECT_LT(greatest, 0.1);
  EXPECT_GT(greatest, 0.099);
  EXPECT_NEAR(mean(square(layer.weight)).item(), 0.01 / 3, 1e-4);  // a uniform distribution's
  EXPECT_LT(amax(abs(layer.bias)).item(), 0.1);
}

TEST(Linear, SameSeedSameWeights) {
  manual_seed(3);
  Linear a(7, 3);
  manual_seed(3);
  Linear b(7, 3);
  EXPECT_CLOSE(a.weight.detach(), b.weight.detach(), 0, 0);
}

TEST(Linear, Gradients) {
  for (const bool bias : {true, false}) {
    Linear layer(3, 2, {.bias = bias});
    EXPECT_TRUE(test::layer_gradients_hold(layer, {test::random({2, 2, 3})},
                                           [&](const std::vector<Tensor>& x) { return layer.forward(x[0]); }));
  }
}

TEST(Linear, NamesMisfitsAndNegativeSizes) {
  Linear layer(3, 2);
  EXPECT_ERROR(layer.forward(ones({5, 4})),
               "linear: input [5, 4] does not fit weight [2, 3] and bias [2] (linear_test");
  EXPECT_ERROR(layer.forward(ones({5, 3}, {.dtype = f64})), "linear: dtypes differ: f64 and f32");
  EXPECT_ERROR(Linear(-1, 2), "Linear: sizes -1 and 2 must not be negative (linear_test.cpp:");
}

TEST(Linear, OfNoInputs) {
  Linear layer(0, 2);
  EXPECT_CLOSE(layer.forward(ones({3, 0})).detach(), layer.bias.detach().expand({3, 2}));
}

}  // namespace
}  // namespace fovea
