#include "fovea/nn/losses.h"

#include <cmath>

#include "fovea/autograd/shape_ops.h"
#include "layer_checks.h"

namespace fovea {
namespace {

// Expected values were worked out by hand from the formulas.

Tensor doubles(const std::vector<double>& values, const Shape& shape) { return from_vector(values, shape); }

TEST(Losses, MarginRanking) {
  const Tensor a = doubles({1, 2, 3}, {3}), b = doubles({2, 1, 3}, {3}), y = doubles({1, 1, -1}, {3});
  EXPECT_CLOSE(nn::margin_ranking_loss(a, b, y, 0.5, Reduction::none), {1.5, 0, 0.5});
  EXPECT_CLOSE(nn::margin_ranking_loss(a, b, y, 0.5), full({}, 2.0 / 3, {.dtype = f64}));
  EXPECT_CLOSE(nn::margin_ranking_loss(a, b, y, 0.5, Reduction::sum), full({}, 2, {.dtype = f64}));
  EXPECT_ERROR(nn::margin_ranking_loss(a, doubles({1}, {1}), y),
               "margin_ranking_loss: shapes differ: [3] and [1] (losses_test.cpp:");
}

TEST(Losses, SoftMarginAndHingeEmbedding) {
  const Tensor x = doubles({0.5, -1, 2}, {3}), y = doubles({1, -1, -1}, {3});
  EXPECT_CLOSE(nn::soft_margin_loss(x, y, Reduction::none),
               {std::log1p(std::exp(-0.5)), std::log1p(std::exp(-1.0)), std::log1p(std::exp(2.0))});
  EXPECT_CLOSE(nn::hinge_embedding_loss(x, y, 1.5, Reduction::none), {0.5, 2.5, 0});
}

TEST(Losses, CosineEmbedding) {
  const Tensor a = doubles({1, 0, 1, 1, 1, 0}, {3, 2}), b = doubles({0, 2, 3, 3, 1, 1}, {3, 2});
  EXPECT_CLOSE(nn::cosine_embedding_loss(a, b, doubles({1, 1, -1}, {3}), 0.5, Reduction::none),
               {1, 0, std::sqrt(0.5) - 0.5}, 1e-9, 1e-9);
  EXPECT_ERROR(nn::cosine_embedding_loss(a, b, doubles({1, 1}, {2})),
               "cosine_embedding_loss: shapes differ: [3] and [2]");
}

TEST(Losses, TripletMargin) {
  const Tensor anchor = doubles({0, 0, 0, 0}, {2, 2}), positive = doubles({3, 4, 1, 0}, {2, 2}),
               negative = doubles({0, 2, 5, 12}, {2, 2});
  EXPECT_CLOSE(nn::triplet_margin_loss(anchor, positive, negative, {.reduction = Reduction::none}), {4, 0}, 1e-5, 1e-5);
  const double swapped = std::sqrt(9.0 + 4.0);  // not the lesser distance here
  EXPECT_GT(swapped, 2);
  EXPECT_CLOSE(nn::triplet_margin_loss(anchor, negative, positive, {.swap = true, .reduction = Reduction::none}),
               {0, 13 - 1 + 1}, 1e-5, 1e-5);
}

TEST(Losses, MultiMargin) {
  const Tensor x = doubles({0.1, 0.2, 0.4, 0.8, 3, 0, 0, 0}, {2, 4});
  EXPECT_CLOSE(nn::multi_margin_loss(x, from_vector(std::vector<int32_t>{3, 0}), 1, Reduction::none),
               {(0.3 + 0.4 + 0.6) / 4, 0});
  EXPECT_ERROR(nn::multi_margin_loss(x, from_vector(std::vector<int32_t>{1})),
               "multi_margin_loss: targets [1] do not fit [2, 4] (losses_test.cpp:");
  EXPECT_ERROR(nn::multi_margin_loss(x, from_vector({3, 4})),
               "multi_margin_loss: index 4 at position 1 is outside [0, 4) (losses_test.cpp:");
}

TEST(Losses, GaussianNLL) {
  const Tensor m = doubles({1, 2}, {2}), y = doubles({0, 2}, {2}), v = doubles({4, 0}, {2});
  EXPECT_CLOSE(nn::gaussian_nll_loss(m, y, v, {.reduction = Reduction::none}),
               {0.5 * (std::log(4.0) + 0.25), 0.5 * std::log(1e-6)});
  EXPECT_CLOSE(nn::gaussian_nll_loss(m, y, v, {.full = true, .reduction = Reduction::none}) -
                   nn::gaussian_nll_loss(m, y, v, {.reduction = Reduction::none}),
               full({2}, 0.5 * std::log(2 * M_PI), {.dtype = f64}));
  // PyTorch's gradient below eps is that at eps.
  Tensor small = doubles({1e-8}, {1}).set_requires_grad();
  nn::gaussian_nll_loss(doubles({1}, {1}), doubles({1}, {1}), small).backward();
  EXPECT_NEAR(small.grad().item(), 5e5, 1);
  EXPECT_ERROR(nn::gaussian_nll_loss(m, y, doubles({4, -1}, {2})),
               "gaussian_nll_loss: a variance of -1 is negative (losses_test.cpp:");
}

TEST(Losses, FocalCountsWhatIsToldWellForLess) {
  const std::vector<double> shares{0.5, 0.25, 0.25, 0.1, 0.1, 0.8};
  const Tensor logits = log(doubles(shares, {2, 3})) + 3.0, targets = tensor({0, 2}, {.dtype = i32});
  EXPECT_CLOSE(nn::focal_loss(logits, targets, {.reduction = Reduction::none}),
               {0.25 * std::log(2.0), -0.04 * std::log(0.8)}, 1e-9, 1e-9);
  EXPECT_CLOSE(nn::focal_loss(logits, targets, {.weight = doubles({2, 1, 3}, {3}), .reduction = Reduction::sum}),
               full({}, 2 * 0.25 * std::log(2.0) - 3 * 0.04 * std::log(0.8), {.dtype = f64}), 1e-9, 1e-9);
  EXPECT_ERROR(nn::focal_loss(logits, targets, {.gamma = -1}), "focal_loss: gamma -1 is negative (losses_test.cpp:");
  EXPECT_ERROR(nn::focal_loss(logits, targets, {.weight = doubles({1, 2}, {2})}),
               "focal_loss: weights [2] for logits [2, 3] (losses_test.cpp:");
  EXPECT_ERROR(nn::focal_loss(logits, logits), "focal_loss: targets must be i32, not f64");
  EXPECT_ERROR(nn::focal_loss(logits, tensor({0, 3}, {.dtype = i32})),
               "cross_entropy: target 3 at row 1 is outside [0, 3) (losses_test.cpp:");
}

TEST(Losses, FocalWithoutAFocusIsCrossEntropy) {
  const Tensor logits = test::random({4, 3}, {f64}), weight = doubles({2, 0.5, 3}, {3});
  for (const Tensor& targets : {tensor({0, 2, 1, 0}, {.dtype = i32}), tensor({0, -100, 1, -100}, {.dtype = i32}),
                                tensor({0, 7, 1, 7}, {.dtype = i32}), tensor({7, 7, 7, 7}, {.dtype = i32})}) {
    const int64_t ignored = targets.to_vector<int32_t>()[1] == 7 ? 7 : -100;
    for (const Tensor& w : {Tensor(), weight}) {
      for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
        const nn::FocalOptions options{.gamma = 0, .weight = w, .ignore_index = ignored, .reduction = reduction};
        const Tensor expected =
            cross_entropy(logits, targets, {.weight = w, .ignore_index = ignored, .reduction = reduction});
        if (reduction == Reduction::mean && targets.to_vector<int32_t>()[0] == 7) {
          EXPECT_TRUE(std::isnan(expected.item()) && std::isnan(nn::focal_loss(logits, targets, options).item()));
        } else {
          EXPECT_CLOSE(nn::focal_loss(logits, targets, options), expected, 1e-9, 1e-9);
        }
      }
    }
  }
}

TEST(Losses, FocalCountsNoTargetThatIsIgnored) {
  const Tensor logits = test::random({4, 3}, {f64}), targets = tensor({0, -100, 1, -100}, {.dtype = i32});
  const Tensor taken = concat({logits.slice(0, 0, 1), logits.slice(0, 2, 3)}, 0),
               of_taken = tensor({0, 1}, {.dtype = i32});
  for (const Tensor& weight : {Tensor(), doubles({2, 0.5, 3}, {3})}) {
    EXPECT_CLOSE(nn::focal_loss(logits, targets, {.weight = weight}),
                 nn::focal_loss(taken, of_taken, {.weight = weight}), 1e-9, 1e-9);
    EXPECT_GRADIENTS([&](const Tensor& x) { return nn::focal_loss(x, targets, {.weight = weight}); }, logits);
  }
}

TEST(Losses, SigmoidFocalIsThatOfTwoClasses) {
  const Tensor x = doubles({0.5, -1, 2}, {3}), y = doubles({1, 0, 0}, {3});
  const auto p = [](double v) { return 1 / (1 + std::exp(-v)); };
  const std::vector<double> want{-0.25 * std::pow(1 - p(0.5), 2) * std::log(p(0.5)),
                                 -0.75 * std::pow(p(-1), 2) * std::log(1 - p(-1)),
                                 -0.75 * std::pow(p(2), 2) * std::log(1 - p(2))};
  EXPECT_CLOSE(nn::sigmoid_focal_loss(x, y), doubles(want, {3}), 1e-9, 1e-9);
  EXPECT_CLOSE(nn::sigmoid_focal_loss(x, y, {.alpha = -1, .gamma = 0}),
               binary_cross_entropy_with_logits(x, y, Reduction::none), 1e-9, 1e-9);
  EXPECT_ERROR(nn::sigmoid_focal_loss(x, y, {.alpha = 1.5}),
               "sigmoid_focal_loss: alpha 1.5 is above 1 (losses_test.cpp:");
  EXPECT_ERROR(nn::sigmoid_focal_loss(x, y, {.gamma = NAN}), "sigmoid_focal_loss: gamma nan is negative");
}

TEST(Losses, FocalIsFlatWhereNothingIsMissed) {
  Tensor x = tensor({200, 0, -200}).set_requires_grad();
  nn::sigmoid_focal_loss(x, tensor({1, 0, 0}), {.gamma = 0.5, .reduction = Reduction::sum}).backward();
  EXPECT_EQ(x.grad().to_vector<float>()[0], 0);
  EXPECT_EQ(x.grad().to_vector<float>()[2], 0);
  Tensor logits = tensor({300, 0, 0}).reshape({1, 3}).detach().set_requires_grad();
  nn::focal_loss(logits, tensor({0}, {.dtype = i32}), {.gamma = 0.5}).backward();
  EXPECT_CLOSE(logits.grad(), zeros({1, 3}), 0, 0);
}

TEST(Losses, DiceComparesMasks) {
  const Tensor p = doubles({1, 0.5, 0, 0, 0, 0}, {1, 2, 3}), y = doubles({1, 1, 0, 0, 0, 0}, {1, 2, 3});
  EXPECT_CLOSE(nn::dice_loss(p, y, {.reduction = Reduction::none}), doubles({1 - 4.0 / 4.25, 0}, {1, 2}), 1e-9, 1e-9);
  EXPECT_CLOSE(nn::dice_loss(p, y, {.smooth = 0, .reduction = Reduction::none}).select(1, 0),
               doubles({1 - 3.0 / 3.25}, {1}), 1e-9, 1e-9);
  const Tensor many = ones({1, 1, 300, 300}, {.dtype = f16});
  EXPECT_CLOSE(nn::dice_loss(many, many), full({}, 0, {.dtype = f16}), 0, 1e-3);
  EXPECT_ERROR(nn::dice_loss(p, y.select(0, 0)), "dice_loss: shapes differ: [1, 2, 3] and [2, 3] (losses_test.cpp:");
  EXPECT_ERROR(nn::dice_loss(p.select(0, 0), y.select(0, 0)),
               "dice_loss: [2, 3] is not [batch, classes, space...] (losses_test.cpp:");
  EXPECT_ERROR(nn::dice_loss(p, y, {.smooth = -1}), "dice_loss: smooth -1 is negative (losses_test.cpp:");
}

TEST(Losses, DoNotOverflowInHalfPrecision) {
  const Tensor x = full({70000}, 3, {.dtype = f16}), y = full({70000}, -1, {.dtype = f16});
  EXPECT_CLOSE(nn::hinge_embedding_loss(-x, -y), full({}, -3, {.dtype = f16}));
  EXPECT_CLOSE(nn::margin_ranking_loss(x, -x, y), full({}, 6, {.dtype = f16}));
  const Tensor far = full({2, 100}, 200, {.dtype = f16}), near = zeros({2, 100}, {.dtype = f16});
  EXPECT_CLOSE(nn::triplet_margin_loss(near, far, near), full({}, 2001, {.dtype = f16}));
  EXPECT_TRUE(std::isnan(nn::soft_margin_loss(zeros({0}), zeros({0})).item()));
  EXPECT_EQ(nn::soft_margin_loss(zeros({0}), zeros({0}), Reduction::sum).item(), 0);
}

TEST(Losses, HuberBoundsTheGradientOfAnInfiniteDifference) {
  Tensor x = tensor({INFINITY, -INFINITY, 0.5}).set_requires_grad();
  huber_loss(x, zeros({3}), 2, Reduction::sum).backward();
  EXPECT_CLOSE(x.grad(), {2, -2, 0.5}, 0, 0);
}

TEST(Losses, PoissonNLL) {
  const Tensor x = doubles({0.5, 2}, {2}), y = doubles({1, 3}, {2});
  EXPECT_CLOSE(nn::poisson_nll_loss(x, y, {.reduction = Reduction::none}), {std::exp(0.5) - 0.5, std::exp(2.0) - 6});
  EXPECT_CLOSE(nn::poisson_nll_loss(x, y, {.log_input = false, .reduction = Reduction::none}),
               {0.5 - std::log(0.5 + 1e-8), 2 - 3 * std::log(2 + 1e-8)});
  EXPECT_CLOSE(nn::poisson_nll_loss(x, y, {.full = true, .reduction = Reduction::sum}),
               full({}, std::exp(0.5) - 0.5 + std::exp(2.0) - 6 + 3 * std::log(3.0) - 3 + 0.5 * std::log(6 * M_PI),
                    {.dtype = f64}));
}

TEST(Losses, Gradients) {
  const Tensor a = test::random({4, 3}), b = test::random({4, 3}, {}, 2), c = test::random({4, 3}, {}, 3);
  const Tensor signs = doubles({1, -1, 1, -1}, {4}).to(f64);
  const Tensor wide = doubles({1, -1, 1, -1, 1, 1, 1, -1, -1, 1, -1, 1}, {4, 3});
  const Tensor targets = from_vector(std::vector<int32_t>{0, 2, 1, 1});
  EXPECT_GRADIENTS([&](const Tensor& x, const Tensor& y) { return nn::margin_ranking_loss(x, y, wide, 0.3); }, a, b);
  EXPECT_GRADIENTS([&](const Tensor& x) { return nn::soft_margin_loss(x, wide); }, a);
  EXPECT_GRADIENTS([&](const Tensor& x) { return nn::hinge_embedding_loss(x, wide); }, a);
  EXPECT_GRADIENTS([&](const Tensor& x, const Tensor& y) { return nn::cosine_embedding_loss(x, y, signs); }, a, b);
  EXPECT_GRADIENTS([&](const Tensor& x, const Tensor& y,
                       const Tensor& z) { return nn::triplet_margin_loss(x, y, z, {.swap = true}); },
                   a, b, c);
  EXPECT_GRADIENTS([&](const Tensor& x) { return nn::multi_margin_loss(x, targets); }, a);
  EXPECT_GRADIENTS(
      [&](const Tensor& x, const Tensor& y, const Tensor& z) { return nn::gaussian_nll_loss(x, y, square(z) + 0.1); },
      a, b, c);
  EXPECT_GRADIENTS([&](const Tensor& x, const Tensor& y) { return nn::poisson_nll_loss(x, square(y), {.full = true}); },
                   a, b);
}

}  // namespace
}  // namespace fovea
