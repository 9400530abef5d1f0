#include "fovea/nn/init.h"

#include <cmath>

#include "layer_checks.h"
#include "support/naive.h"

namespace fovea {
namespace {

namespace init = nn::init;

double greatest(const Tensor& x) { return amax(abs(x)).item(); }
double deviation(const Tensor& x) { return std::sqrt(mean(square(x)).item()); }

TEST(Init, Constants) {
  Tensor x = test::random({2, 3});
  EXPECT_CLOSE(init::constant_(x, 2.5), full({2, 3}, 2.5));
  EXPECT_CLOSE(init::ones_(x), ones({2, 3}));
  EXPECT_CLOSE(init::zeros_(x), zeros({2, 3}));
  EXPECT_CLOSE(init::eye_(x), {1, 0, 0, 0, 1, 0});
  Tensor vector = ones({3});
  EXPECT_ERROR(init::eye_(vector), "eye_: [3] is no matrix (init_test.cpp:");
}

TEST(Init, WritesToALeafThatRequiresAGradient) {
  Tensor x = ones({2, 2}).set_requires_grad();
  init::normal_(x);
  EXPECT_TRUE(x.requires_grad() && x.is_leaf());
}

TEST(Init, UniformAndNormal) {
  Tensor x = empty({100, 100});
  init::uniform_(x, -3, 1);
  EXPECT_GE(amin(x).item(), -3);
  EXPECT_LT(amax(x).item(), 1);
  EXPECT_NEAR(mean(x).item(), -1, 0.05);
  init::normal_(x, 2, 0.5);
  EXPECT_NEAR(mean(x).item(), 2, 0.03);
  EXPECT_NEAR(deviation(x - 2.0), 0.5, 0.02);
  Generator a{.seed = 1}, b{.seed = 1};
  Tensor y = empty({9}), z = empty({9});
  EXPECT_CLOSE(init::normal_(y, 0, 1, a), init::normal_(z, 0, 1, b), 0, 0);
}

TEST(Init, DrawsTheSameNumbersForATensorWithGaps) {
  Generator a{.seed = 1}, b{.seed = 1};
  Tensor dense = empty({5, 3}), gaps = empty({3, 5});
  Tensor turned = gaps.transpose(0, 1);
  EXPECT_CLOSE(init::uniform_(turned, -1, 1, a), init::uniform_(dense, -1, 1, b), 0, 0);
  EXPECT_CLOSE(gaps.transpose(0, 1), dense, 0, 0);
  EXPECT_EQ(a.offset, b.offset);
}

TEST(Init, TakesNoSecondTensorsRoom) {
  Tensor x = empty({256, 1024});
  const uint64_t before = x.backend().memory().requests;
  init::normal_(x);
  EXPECT_EQ(x.backend().memory().requests, before);
}

TEST(Init, FansOfWeightsAndFilters) {
  Tensor x = empty({200, 100});
  init::xavier_uniform_(x, 2);
  EXPECT_LE(greatest(x), 2 * std::sqrt(6.0 / 300));
  EXPECT_GT(greatest(x), 0.99 * 2 * std::sqrt(6.0 / 300));
  init::xavier_normal_(x);
  EXPECT_NEAR(deviation(x), std::sqrt(2.0 / 300), 0.002);
  init::kaiming_uniform_(x, {.slope = std::sqrt(5.0)});
  EXPECT_LE(greatest(x), 0.1);
  EXPECT_GT(greatest(x), 0.099);
  init::kaiming_normal_(x, {.fan = init::Fan::out});
  EXPECT_NEAR(deviation(x), std::sqrt(2.0 / 200), 0.002);
  Tensor filters = empty({50, 20, 3, 3});
  init::kaiming_normal_(filters);
  EXPECT_NEAR(deviation(filters), std::sqrt(2.0 / 180), 0.003);
  Tensor vector = empty({3});
  EXPECT_ERROR(init::xavier_uniform_(vector),
               "xavier_uniform_: a tensor of shape [3] has no fan in and out (init_test");
}

TEST(Init, TruncatedNormal) {
  Tensor x = empty({200, 100});
  init::trunc_normal_(x, 1, 2, -1, 3);
  EXPECT_GE(amin(x).item(), -1);
  EXPECT_LE(amax(x).item(), 3);
  EXPECT_NEAR(mean(x).item(), 1, 0.05);
  EXPECT_NEAR(deviation(x - 1.0), 2 * std::sqrt(0.2911), 0.02);  // 1 - 2 phi(1) / (2 Phi(1) - 1)
}

TEST(Init, TruncatedNormalFarFromTheMean) {
  // The mean beyond a is phi(a) / (1 - Phi(a)), for a = 10 that is 10.098.
  Tensor x = empty({1000}, {.dtype = f64});
  for (const double sign : {1.0, -1.0}) {
    init::trunc_normal_(x, 3, 1, sign > 0 ? 13 : -9, sign > 0 ? 15 : -7);
    const Tensor from_mean = (x - 3.0) * sign;
    EXPECT_GE(amin(from_mean).item(), 10);
    EXPECT_LE(amax(from_mean).item(), 12);
    EXPECT_NEAR(mean(from_mean).item(), 10.098, 0.02);
  }
  EXPECT_CLOSE(init::trunc_normal_(x, 0, 1, 50, 60), full({1000}, 50, {.dtype = f64}));
  EXPECT_CLOSE(init::trunc_normal_(x, 0, 1, -60, -50), full({1000}, -50, {.dtype = f64}));
  EXPECT_ERROR(init::trunc_normal_(x, 0, 1, 2, -2), "trunc_normal_: a deviation of 1 between 2 and -2 (init_test.cpp:");
  EXPECT_THROW(init::trunc_normal_(x, 0, -1), ValueError);
}

TEST(Init, OrthogonalRowsOrColumns) {
  for (const Shape& shape : {Shape{4, 7}, Shape{7, 4}, Shape{5, 5}, Shape{3, 2, 4}}) {
    Tensor x = empty(shape, {.dtype = f64});
    init::orthogonal_(x, 3);
    const Tensor m = x.reshape({shape[0], -1});
    const Tensor product = m.shape()[0] <= m.shape()[1] ? matmul(m, m.mT()) : matmul(m.mT(), m);
    EXPECT_CLOSE(product, eye(product.shape()[0], -1, {.dtype = f64}) * 9.0, 1e-9, 1e-9);
  }
  Tensor none = empty({0, 4});
  EXPECT_EQ(init::orthogonal_(none).numel(), 0);
}

}  // namespace
}  // namespace fovea
