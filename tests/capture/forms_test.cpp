#include "fovea/autograd/capture.h"

#include "fovea/fovea.h"
#include "support/device.h"
#include "support/expect.h"

// Captured steps whose arguments and gradients come in other forms than those of the recording.
namespace fovea::test {
namespace {

TEST_P(OnEveryDevice, CaptureTellsLayoutsOfAnArgumentApart) {
  const Tensor w = randn({3, 3}, options());
  const auto f = [&](const Tensor& x) { return matmul(x, w) + x; };
  auto step = capture(f);
  for (int i = 0; i < 4; ++i) {
    const Tensor x = randn({3, 3}, options());
    for (const Tensor& each : {x, x.mT(), x.flip({0}), x.flip({0, 1}), x.slice(0, 0, 1).expand({3, 3})}) {
      EXPECT_CLOSE(step(each), f(each), 0, 0);
    }
  }
  EXPECT_EQ(step.stats().plans, 5u);
}

TEST_P(OnEveryDevice, CaptureFollowsAnArgumentThatMovesWithinItsMemory) {
  auto step = capture([](const Tensor& x) { return x * 2.0; });
  const Tensor all = arange(0, 20, 1, options());
  for (int64_t i = 0; i < 8; ++i) {
    const Tensor part = all.slice(0, i, i + 3);
    const auto first = static_cast<double>(i);
    EXPECT_CLOSE(step(part), {2 * first, 2 * first + 2, 2 * first + 4}, 0, 0);
    EXPECT_CLOSE(step(part.flip({0})), {2 * first + 4, 2 * first + 2, 2 * first}, 0, 0);
  }
}

TEST_P(OnEveryDevice, CaptureCountsAsAChangeOfTheArgumentsThatItWrites) {
  auto step = capture([](const Tensor& x) { Tensor(x).mul_(2); });
  for (int i = 0; i < 4; ++i) {
    const Tensor w = ones({2}, options()).set_requires_grad(), x = ones({2}, options());
    const Tensor product = sum(w * x);
    step(x);
    EXPECT_ERROR(product.backward(), "mul: a value saved for its backward was changed in place") << i;
  }
  EXPECT_GT(step.stats().replays, 0u);
}

TEST_P(OnEveryDevice, CaptureKeepsFewPlansOfAShape) {
  nn::Dropout a(0), b(0), c(0), d(0);
  auto step = capture([&](const Tensor& x) { return d.forward(c.forward(b.forward(a.forward(x)))) * 1.0; });
  const Tensor x = ones({2}, options());
  for (int modes = 0; modes < 16; ++modes) {
    int bit = 1;
    for (nn::Dropout* each : {&a, &b, &c, &d}) {
      each->train(modes & bit);
      bit *= 2;
    }
    for (int i = 0; i < 3; ++i) EXPECT_CLOSE(step(x), {1, 1}, 0, 0);
  }
  EXPECT_EQ(step.stats().plans, 8u);
}

TEST_P(OnEveryDevice, CaptureAddsToTheGradientThatStandsWhereverItBegins) {
  Tensor w = ones({2}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) { sum(w * x).backward(); });
  const Tensor x = tensor({1, 2}, options());
  for (int64_t i = 0; i < 8; ++i) {
    w.set_grad(zeros({8}, options()).slice(0, i % 3, i % 3 + 2));
    step(x);
    EXPECT_CLOSE(w.grad(), {1, 2}, 0, 0) << i;
  }
}

TEST_P(OnEveryDevice, CaptureLeavesAGradientOfAnotherLayoutToWhoKeptIt) {
  Tensor w = ones({2, 3}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) { w.set_grad((x * 2.0).mT()); });
  std::vector<Tensor> kept;
  for (int i = 0; i < 6; ++i) {
    step(arange(0, 6, 1, options()).reshape({3, 2}) + i);
    EXPECT_CLOSE(w.grad().reshape({6}), {2.0 * i, 2.0 * i + 4, 2.0 * i + 8, 2.0 * i + 2, 2.0 * i + 6, 2.0 * i + 10});
    kept.push_back(w.grad());
  }
}

TEST_P(OnEveryDevice, CaptureInterpolatesWithTheSameWeights) {
  const auto f = [](const Tensor& x) { return autograd::grad({sum(square(interpolate(x, {7, 3})))}, {x})[0]; };
  auto step = capture(f);
  for (int i = 0; i < 4; ++i) {
    const Tensor x = randn({2, 4, 5}, options()).set_requires_grad();
    EXPECT_CLOSE(step(x), f(x), 0, 0);
  }
  EXPECT_GT(step.stats().replays, 0u);
}

TEST_P(OnEveryDevice, CaptureForgetsWhenAskedTo) {
  double factor = 1;
  auto step = capture([&](const Tensor& x) { return x * factor; });
  const Tensor x = ones({1}, options());
  for (int i = 0; i < 3; ++i) step(x);
  factor = 5;
  EXPECT_EQ(step(x).item(), 1) << "what it does not see";
  forget_captured_steps();
  EXPECT_EQ(step(x).item(), 5);
}

TEST_P(OnEveryDevice, CaptureTellsAGradientThatItFindsByAnotherHandle) {
  Tensor w = ones({2}, options()).set_requires_grad();
  w.set_grad(zeros({2}, options()));
  struct Reading {
    bool by_view, before;
  };
  for (const Reading reading : {Reading{false, false}, {true, false}, {false, true}}) {
    const Tensor held = reading.by_view ? w.grad().slice(0, 0, 2) : w.grad();
    auto step = capture([&](const Tensor& x) {
      Tensor found;
      if (reading.before) found = held * 1.0 + x;
      sum(w * x).backward();
      return reading.before ? found : held * 1.0;
    });
    const Tensor x = ones({2}, options());
    for (int i = 1; i <= 4; ++i) EXPECT_CLOSE(step(x), w.grad(), 0, 0);
    const Tensor kept = reading.before ? held + 1.0 : held.clone();
    for (int i = 1; i <= 4; ++i) {
      w.set_grad(full({2}, 100.0 * i, options()));
      EXPECT_CLOSE(step(x), kept, 0, 0) << i;
      EXPECT_CLOSE(w.grad(), full({2}, 100.0 * i + 1, options()), 0, 0);
    }
  }
}

}  // namespace
}  // namespace fovea::test
