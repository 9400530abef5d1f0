#include <gtest/gtest.h>

#include <cmath>

#include "fovea/autograd/losses.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

// Shares of 0 and 1 are labels, with every option.
TEST_P(OnEveryDevice, CrossEntropyOfSharesAgreesWithLabels) {
  const Tensor logits = random({5, 3}, options());
  const Tensor labels = from_vector<int32_t>({2, 0, 1, 1, 0}, device());
  std::vector<float> shares(15, 0.0f);
  for (size_t row = 0; row < 5; ++row) shares[3 * row + static_cast<size_t>(labels.to_vector<int32_t>()[row])] = 1;
  const Tensor targets = from_vector(shares, {5, 3}, device());
  for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
    for (const double smoothing : {0.0, 0.2}) {
      const CrossEntropyOptions o{.label_smoothing = smoothing, .reduction = reduction};
      EXPECT_CLOSE(cross_entropy(logits, targets, o), cross_entropy(logits, labels, o).to(Device()));
    }
  }
}

TEST(CrossEntropyOfShares, IsItsDefinition) {
  const Tensor logits = tensor({0, 1, 2, -1}, {.dtype = f64}).reshape({2, 2});
  const Tensor targets = tensor({0.25, 0.75, 0.5, 0.5}, {.dtype = f64}).reshape({2, 2});
  const double first = 0.25 * std::log1p(std::exp(1.0)) + 0.75 * std::log1p(std::exp(-1.0));
  const double second = 0.5 * std::log1p(std::exp(-3.0)) + 0.5 * std::log1p(std::exp(3.0));
  EXPECT_CLOSE(cross_entropy(logits, targets, {.reduction = Reduction::none}), std::vector<double>{first, second});
  EXPECT_NEAR(cross_entropy(logits, targets).item(), (first + second) / 2, 1e-12);
  const CrossEntropyOptions weighted{.weight = tensor({2, 0}, {.dtype = f64}), .reduction = Reduction::sum};
  EXPECT_NEAR(cross_entropy(logits, targets, weighted).item(),
              2 * (0.25 * std::log1p(std::exp(1.0)) + 0.5 * std::log1p(std::exp(-3.0))), 1e-12);
  EXPECT_GRADIENTS(cross_entropy, random({3, 4}), softmax(random({3, 4}, {}, 2), -1));
}

// The one computes rows in a kernel of its own, the other in ordinary operations.
TEST_P(OnEveryDevice, CrossEntropyIsTheLossOfItsLogarithms) {
  const Tensor logits = random({2, 3, 4}, options());
  const Tensor labels = from_vector<int32_t>({2, 0, -1, 1, 3, 0}, {2, 3}, device());
  for (const Tensor& weight : {Tensor(), tensor({0.5, 2, 1, 3}, options())}) {
    for (const double smoothing : {0.0, 0.2}) {
      for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
        const CrossEntropyOptions o{
            .weight = weight, .label_smoothing = smoothing, .ignore_index = -1, .reduction = reduction};
        EXPECT_CLOSE(nll_loss(log_softmax(logits, -1), labels, o), cross_entropy(logits, labels, o).to(Device()));
      }
    }
  }
}

TEST_P(OnEveryDevice, CrossEntropyWithAllOptionsIsPyTorchs) {
  const Tensor logits = from_vector(std::vector<float>{0.3f, -1, 2, 0.5f, 0.2f, -0.7f, 1, 1, 0}, {3, 3}, device());
  const Tensor labels = from_vector<int32_t>({2, -100, 0}, device()), weight = tensor({0.5, 2, 3}, options());
  CrossEntropyOptions o{.weight = weight, .label_smoothing = 0.2, .reduction = Reduction::none};
  EXPECT_CLOSE(cross_entropy(logits, labels, o), {1.0350, 0, 0.8609}, 1e-4, 0);
  o.reduction = Reduction::mean;
  EXPECT_NEAR(cross_entropy(logits, labels, o).item(), 0.5417, 1e-4);
  EXPECT_NEAR(cross_entropy(logits, softmax(logits * 2.0, -1), o).item(), 1.3914, 1e-4);
  EXPECT_TRUE(std::isnan(cross_entropy(logits, full({3}, -100, {i32, device()}), o).item()));
}

TEST(BinaryCrossEntropy, IsFiniteWhereAProbabilityIsNone) {
  Tensor p = tensor({0, 1, 0, 1}).set_requires_grad();
  const Tensor loss = binary_cross_entropy(p, tensor({1, 1, 0, 0}), Reduction::none);
  EXPECT_CLOSE(loss.detach(), {100, 0, 0, 100}, 0, 0);
  loss.backward(ones({4}));
  EXPECT_CLOSE(p.grad(), {-1e12, 0, 0, 1e12}, 1e-6, 0);  // as PyTorch's
}

// Of the sums, neither that of the losses nor that of the rows fits f16, nor does bf16 count so far.
TEST_P(OnEveryDevice, KlDivergenceOfAShareThatIsNoneIsNone) {
  const Tensor x = tensor({-1, -INFINITY, -2, -2}, options()), y = tensor({0, 0, NAN, -1}, options());
  const std::vector<double> made = kl_div(x, y, Reduction::none).to_vector<double>();
  EXPECT_EQ(made[0], 0);
  EXPECT_EQ(made[1], 0);
  EXPECT_TRUE(std::isnan(made[2])) << "as in PyTorch, what is no probability shows";
  EXPECT_TRUE(std::isnan(made[3]));
}

TEST(CrossEntropy, MeansInHalfPrecisionDoNotOverflow) {
  for (const DType dtype : {f16, bf16}) {
    const Tensor logits = zeros({70000, 4}, {.dtype = dtype}), targets = zeros({70000}, {.dtype = i32});
    const double expected = tensor({std::log(4.0)}).to(dtype).item();
    EXPECT_EQ(cross_entropy(logits, targets).item(), expected);
    EXPECT_EQ(cross_entropy(logits, targets, {.weight = ones({4}, {.dtype = dtype})}).item(), expected);
    EXPECT_EQ(nll_loss(log_softmax(logits, -1), targets).item(), expected);
    EXPECT_EQ(mse_loss(logits, logits + 2).item(), 4);
    EXPECT_EQ(binary_cross_entropy_with_logits(logits, logits).item(), tensor({std::log(2.0)}).to(dtype).item());
  }
}

TEST(BceWithLogits, WeighsElementsAndPositivesAsPyTorch) {
  const Tensor x = tensor({0.5, -2, 90, 1, -80, 0.25}).reshape({2, 3});
  const Tensor y = tensor({1, 0, 1, 0.3, 1, 0}).reshape({2, 3});
  const Tensor weight = tensor({0.5, 2, 1}), pos_weight = tensor({3, 0.5, 1});
  EXPECT_CLOSE(binary_cross_entropy_with_logits(
                   x, y, {.weight = weight, .pos_weight = pos_weight, .reduction = Reduction::none}),
               {0.711115, 0.253856, 0, 0.600612, 80, 0.825939});
  EXPECT_NEAR(binary_cross_entropy_with_logits(x, y, {.weight = weight, .pos_weight = pos_weight}).item(), 13.7319,
              1e-4);
  EXPECT_NEAR(binary_cross_entropy_with_logits(x, y, {.pos_weight = pos_weight}).item(), 7.2627, 1e-4);
  EXPECT_NEAR(binary_cross_entropy_with_logits(x, y, {.weight = tensor({0.5})}).item(), 6.8700, 1e-4);
  EXPECT_EQ(binary_cross_entropy_with_logits(x, y, {.reduction = Reduction::sum}).item(),
            binary_cross_entropy_with_logits(x, y, Reduction::sum).item());
}

TEST(CosineSimilarity, IsPyTorchs) {
  const Tensor a = tensor({1, 2, 3, 0, 0, 0, 1e-9, 0, 0}).reshape({3, 3});
  const Tensor b = tensor({2, -1, 0.5, 1, 2, 3, 1, 1, 1}).reshape({3, 3});
  EXPECT_CLOSE(cosine_similarity(a, b), {0.174964, 0, 0.057735});
  EXPECT_CLOSE(cosine_similarity(a, b, 0), {0.816497, -0.408248, 0.156174});
  EXPECT_CLOSE(cosine_similarity(a, b, 1, 10), {0.015, 0, 1e-11});
  EXPECT_ERROR(cosine_similarity(tensor({1}), tensor({2})), "cosine_similarity: axis 1 is not among the 1");
}

TEST(CrossEntropyOfShares, RefusesWhatDoesNotFit) {
  EXPECT_ERROR(cross_entropy(zeros({2, 3}), zeros({2, 4})),
               "cross_entropy: shares f32 [2, 4] do not fit logits f32 [2, 3] (");
  EXPECT_ERROR(cross_entropy(zeros({2, 3}), zeros({2, 3}, {.dtype = f64})),
               "cross_entropy: shares f64 [2, 3] do not fit logits f32 [2, 3] (");
}

TEST(CrossEntropy, RefusesASmoothingThatIsNone) {
  const Tensor targets = zeros({2}, {.dtype = i32});
  for (const double bad : {-0.1, 1.1, std::nan("")}) {
    EXPECT_THROW(cross_entropy(zeros({2, 3}), targets, {.label_smoothing = bad}), ValueError);
    EXPECT_THROW(nll_loss(zeros({2, 3}), targets, {.label_smoothing = bad}), ValueError);
  }
}

TEST_P(OnEveryDevice, CrossEntropyOfNoRows) {
  for (const int64_t classes : {0, 3}) {
    const Tensor logits = zeros({0, classes}, options()), targets = zeros({0}, {i32, device()});
    EXPECT_EQ(cross_entropy(logits, targets, {.reduction = Reduction::sum}).item(), 0);
    EXPECT_TRUE(std::isnan(cross_entropy(logits, targets).item()));
  }
}

}  // namespace
}  // namespace fovea::test
