#include "fovea/nn/number_embedding.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "nn/layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

using nn::NumberEmbedding;

/// The definition, number by number.
std::vector<double> by_hand(const NumberEmbedding& layer, const Tensor& x, const Tensor& missing, int64_t knots,
                            double range) {
  const auto weight = layer.weight.detach().to_vector<double>(), bias = layer.bias.detach().to_vector<double>(),
             absent = layer.absent.detach().to_vector<double>(), numbers = x.to_vector<double>();
  const auto gone = missing.to(i32).to_vector<int32_t>();
  const int64_t columns = x.size(1), dim = layer.bias.size(1), features = layer.weight.size(1);
  std::vector<double> out;
  for (int64_t row = 0; row < x.size(0); ++row) {
    for (int64_t c = 0; c < columns; ++c) {
      const auto at = static_cast<size_t>(row * columns + c);
      for (int64_t d = 0; d < dim; ++d) {
        const auto parameter = static_cast<size_t>(c * dim + d);
        double y = bias[parameter] + numbers[at] * weight[static_cast<size_t>(c * features * dim + d)];
        for (int64_t s = 0; s + 1 < knots; ++s) {
          const double width = 2 * range / static_cast<double>(knots - 1);
          const double part = std::clamp((numbers[at] + range - static_cast<double>(s) * width) / width, 0.0, 1.0);
          y += part * weight[static_cast<size_t>((c * features + 1 + s) * dim + d)];
        }
        out.push_back(gone[at] ? absent[parameter] : y);
      }
    }
  }
  return out;
}

TEST_P(OnEveryDevice, NumberEmbeddingIsPiecewiseLinearAndKnowsWhatIsMissing) {
  manual_seed(3);
  for (const int64_t knots : {0, 2, 5}) {
    NumberEmbedding layer(3, 4, {.knots = knots, .range = 2});
    const Tensor x = randn({6, 3}) * 2, missing = rand({6, 3}) < 0.3;
    const std::vector<double> want = by_hand(layer, x, missing, knots, 2);
    layer.to(device());
    const Tensor y = layer.forward(x.to(device()), missing.to(device())).detach().to(Device());
    EXPECT_EQ(y.shape(), (Shape{6, 3, 4}));
    EXPECT_CLOSE(y.reshape({-1}), want, 1e-5, 1e-5);
  }
}

TEST(NumberEmbedding, HasTheseParametersAndGradients) {
  NumberEmbedding layer(2, 3, {.knots = 4});
  EXPECT_THAT(described(layer), ::testing::ElementsAre("weight [2, 4, 3]", "bias [2, 3]", "absent [2, 3]"));
  const Tensor x = from_vector(std::vector<float>{-1.7f, 0.3f, 0.9f, -0.2f, 1.4f, 3.1f}, Shape{3, 2});
  const Tensor missing = from_vector(std::vector<float>{0, 1, 0, 0, 0, 0}, Shape{3, 2}) > 0.5;
  EXPECT_TRUE(layer_gradients_hold(
      layer, {x}, [&](const std::vector<Tensor>& inputs) { return layer.forward(inputs[0], missing); }));
}

TEST(NumberEmbedding, DoesNotReadWhatIsMissing) {
  const Tensor missing = from_vector(std::vector<bool>{0, 1, 1, 0}, {2, 2});
  const auto gradient = [&](float gone) {
    manual_seed(4);
    NumberEmbedding layer(2, 3, {.knots = 3});
    const Tensor x = from_vector(std::vector<float>{0.5f, gone, gone, -1.5f}, {2, 2});
    sum(square(layer.forward(x, missing))).backward();
    return layer.weight.grad().to_vector<double>();
  };
  EXPECT_EQ(gradient(NAN), gradient(0));
}

TEST(NumberEmbedding, RefusesOtherShapes) {
  EXPECT_THROW(NumberEmbedding(0, 3), ValueError);
  EXPECT_THROW(NumberEmbedding(2, 3, {.knots = 1}), ValueError);
  const NumberEmbedding layer(2, 3);
  EXPECT_ERROR(layer.forward(zeros({4, 3})), "NumberEmbedding: input [4, 3] is not [batch, 2]");
  EXPECT_ERROR(layer.forward(zeros({4, 2}), zeros({4, 1}) > 0.5),
               "NumberEmbedding: missing [4, 1] for an input of [4, 2]");
  EXPECT_EQ(layer.forward(zeros({0, 2})).shape(), (Shape{0, 2, 3}));
}

}  // namespace
}  // namespace fovea::test
