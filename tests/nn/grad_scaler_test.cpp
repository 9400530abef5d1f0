#include "fovea/nn/grad_scaler.h"

#include <cmath>

#include "fovea/nn/optimizers.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea {
namespace {

struct Stepped {
  Tensor weight = zeros({2}).set_requires_grad();
  nn::SGD optimizer{std::vector<Tensor>{weight}, {.lr = 1}};
  nn::GradScaler scaler{{.init_scale = 8, .growth_interval = 2}};

  bool step(const Tensor& gradient) {
    weight.set_grad(gradient.clone());
    scaler.unscale({weight});
    return scaler.step(optimizer);
  }
};

TEST(GradScaler, LeavesOutAStepThatOverflowsAndHalvesTheScale) {
  Stepped s;
  EXPECT_TRUE(s.step(tensor({8, 16})));
  EXPECT_CLOSE(s.weight.detach(), {-1, -2}, 0, 0);
  for (const float bad : {INFINITY, NAN}) EXPECT_FALSE(s.step(tensor({8, bad})));
  EXPECT_CLOSE(s.weight.detach(), {-1, -2}, 0, 0);
  EXPECT_EQ(s.scaler.scale(), 2);
  EXPECT_TRUE(s.step(tensor({2, 2})));
  EXPECT_CLOSE(s.weight.detach(), {-2, -3}, 0, 0);
  EXPECT_EQ(s.scaler.scale(), 2);  // the good steps are counted from the overflow on
}

TEST(GradScaler, AnOverflowInAnyPartLeavesOutTheStep) {
  Tensor a = zeros({1}).set_requires_grad(), b = zeros({1}).set_requires_grad();
  nn::SGD optimizer(std::vector<Tensor>{a, b}, {.lr = 1});
  nn::GradScaler scaler({.init_scale = 8});
  a.set_grad(tensor({INFINITY}));
  b.set_grad(tensor({8}));
  scaler.unscale({a});
  scaler.unscale({b});
  EXPECT_FALSE(scaler.step(optimizer));
  EXPECT_EQ(b.item(), 0);
}

TEST(GradScaler, StepsWithUnscaledGradientsWhoeverUnscalesThem) {
  Stepped s;
  s.weight.set_grad(tensor({8, 16}));
  EXPECT_TRUE(s.scaler.step(s.optimizer));
  EXPECT_CLOSE(s.weight.detach(), {-1, -2}, 0, 0);
  s.weight.set_grad(tensor({8, INFINITY}));
  EXPECT_FALSE(s.scaler.step(s.optimizer));
  EXPECT_CLOSE(s.weight.detach(), {-1, -2}, 0, 0);
}

TEST(GradScaler, DividesNoGradientTwice) {
  Stepped s;
  s.weight.set_grad(tensor({8, 16}));
  EXPECT_ERROR(s.scaler.unscale({s.weight, s.weight}), "GradScaler: unscale would divide the gradient of a parameter");
  s.scaler.unscale({s.weight});
  EXPECT_ERROR(s.scaler.unscale({s.weight}),
               "GradScaler: unscale would divide the gradient of a parameter [2] twice before step (grad_scaler_test");
  EXPECT_TRUE(s.scaler.step(s.optimizer));
  EXPECT_CLOSE(s.weight.detach(), {-1, -2}, 0, 0);
}

TEST(GradScaler, GrowsAfterStepsWithoutAnOverflow) {
  Stepped s;
  EXPECT_CLOSE(s.scaler.scale(tensor({3})), {24}, 0, 0);
  s.step(tensor({1, 1}));
  EXPECT_EQ(s.scaler.scale(), 8);
  s.step(tensor({1, 1}));
  EXPECT_EQ(s.scaler.scale(), 16);
  EXPECT_EQ(s.scaler.clean_steps(), 0);
  s.scaler.restore(4, 1);
  s.step(tensor({1, 1}));
  EXPECT_EQ(s.scaler.scale(), 8);
}

TEST(GradScaler, StaysAPositiveNumber) {
  for (const auto& [start, gradient] : {std::pair(1e308, 1.0f), std::pair(1e-307, NAN)}) {
    Tensor weight = zeros({1}).set_requires_grad();
    nn::SGD optimizer(std::vector<Tensor>{weight}, {.lr = 1});
    nn::GradScaler scaler({.init_scale = start, .growth_interval = 1});
    for (int i = 0; i < 20; ++i) {
      weight.set_grad(tensor({gradient}));
      EXPECT_EQ(scaler.step(optimizer), gradient == 1);
    }
    EXPECT_TRUE(std::isnormal(scaler.scale())) << start;
  }
}

TEST(GradScaler, RefusesOptionsOutOfTheirRange) {
  EXPECT_THROW(nn::GradScaler({.init_scale = 0}), ValueError);
  EXPECT_THROW(nn::GradScaler({.init_scale = HUGE_VAL}), ValueError);
  EXPECT_THROW(nn::GradScaler({.backoff_factor = 1}), ValueError);
  EXPECT_THROW(nn::GradScaler().restore(-1, 0), ValueError);
}

}  // namespace
}  // namespace fovea
