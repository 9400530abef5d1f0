#include "fovea/autograd/backward.h"

#include <cmath>

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

using autograd::backward;
using autograd::grad;
using test::OnEveryDevice;

Tensor leaf(std::initializer_list<double> values, TensorOptions options = {}) {
  return tensor(values, options).set_requires_grad();
}

TEST_P(OnEveryDevice, AddsToTheGradientsOfLeaves) {
  const Tensor x = leaf({1, 2, 3}, options());
  sum(x * x).backward();
  EXPECT_CLOSE(x.grad(), {2, 4, 6});
  sum(3.0 * x).backward();
  EXPECT_CLOSE(x.grad(), {5, 7, 9});
  Tensor(x).zero_grad();
  EXPECT_FALSE(x.grad().defined());
  sum(x).backward();
  EXPECT_CLOSE(x.grad(), {1, 1, 1});
}

TEST_P(OnEveryDevice, AddsUpTheGradientsOfSlices) {
  const auto parts = [](const Tensor& x) {
    return sum(square(x.slice(0, 1, 3))) + 2.0 * sum(square(x.select(1, 2))) + 3.0 * sum(square(x.slice(1, 0, 5, 2))) +
           sum(square(x.slice(0, 2, 2))) + sum(square(x.transpose(0, 1).select(0, -1)));
  };
  const Tensor values = test::random({4, 5}, options());
  const auto copy = [&] { return raw::clone(values).set_requires_grad(); };
  const Tensor x = copy(), y = copy(), z = copy();
  parts(x).backward();
  parts(y.transpose(0, 1).contiguous().transpose(0, 1)).backward();
  const Tensor want = autograd::grad({parts(z)}, {z}, {}, {.create_graph = true})[0].detach();
  EXPECT_CLOSE(x.grad(), want.to_vector<double>());
  EXPECT_CLOSE(y.grad(), want.to_vector<double>());
  parts(x).backward();
  EXPECT_CLOSE(x.grad(), (want * 2.0).to_vector<double>());
}

TEST(Backward, ChangesAnAccumulatedGradientInPlace) {
  const Tensor x = leaf({1, 2});
  sum(x * x).backward();
  const Tensor first = x.grad();
  sum(x * x).backward();
  EXPECT_CLOSE(first, {4, 8}) << "an optimizer that holds .grad sees it grow";
}

TEST(Backward, GivesEveryLeafItsOwnGradient) {
  // Addition passes one gradient to both sides: they must not end up sharing memory.
  const Tensor x = leaf({1, 2}), y = leaf({3, 4});
  Tensor seed = tensor({1, 1});
  (x + y).backward(seed);
  Tensor x_grad = x.grad();
  x_grad.mul_(10);
  EXPECT_CLOSE(y.grad(), {1, 1});
  EXPECT_CLOSE(seed, {1, 1});
}

TEST(Backward, GivesALeafNoPartOfTheGradientThatItWasGiven) {
  const Tensor x = leaf({1, 2});
  const Tensor seed = tensor({1, 1}).reshape({1, 2});
  x.reshape({1, 2}).backward(seed);
  Tensor(x.grad()).mul_(10);
  EXPECT_CLOSE(seed.reshape({2}), {1, 1});
}

TEST(Backward, CountsWhatItAddsToAGradientAsAChange) {
  const Tensor x = leaf({1, 2}), y = leaf({3, 4});
  sum(x).backward();
  const Tensor product = sum(x.grad() * y);
  sum(x).backward();
  EXPECT_ERROR(product.backward(), "mul: a value saved for its backward was changed in place (backward_test.cpp:");
}

TEST(Backward, LeavesARecordedGradientAsItIs) {
  const Tensor x = leaf({1, 2});
  autograd::backward({sum(x * x * x)}, {}, {.create_graph = true});
  const Tensor recorded = x.grad();
  sum(x).backward();
  EXPECT_CLOSE(recorded.detach(), {3, 12}, 0, 0) << "its own graph would not know of the change";
  EXPECT_CLOSE(x.grad().detach(), {4, 13}, 0, 0);
  Tensor(x).zero_grad();
}

TEST(Backward, RecordsAGradientThatTwoLeavesShare) {
  const Tensor x = leaf({1, 2}), y = leaf({3, 4});
  autograd::backward({sum(square(x + y) * (x + y))}, {}, {.create_graph = true});
  const Tensor of_x = x.grad();
  EXPECT_CLOSE(grad({sum(of_x)}, {y})[0], {24, 36}) << "6 (x + y)";
  for (Tensor each : {x, y}) each.zero_grad();
}

TEST(Backward, TakesAGradientForWhatIsNoScalar) {
  const Tensor x = leaf({1, 2});
  (x * x).backward(tensor({1, 10}));
  EXPECT_CLOSE(x.grad(), {2, 40});
}

TEST(Backward, TakesSeveralOutputs) {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * x, z = sum(y * x);
  backward({y, z, y}, {tensor({1, 0}), {}, tensor({0, 1})});
  EXPECT_CLOSE(x.grad(), {2 + 3, 4 + 12});
}

TEST(Backward, StartsAtALeaf) {
  const Tensor x = scalar(5).set_requires_grad();
  x.backward();
  EXPECT_CLOSE(x.grad(), {1});
  EXPECT_CLOSE(grad({x}, {x})[0], {1});
}

TEST(Backward, ExplainsWhyItCannotRun) {
  const Tensor x = leaf({1, 2});
  EXPECT_ERROR((x * x).backward(),
               "backward: an output of shape [2] needs a gradient; only a scalar's is 1 by itself (backward_test.cpp:");
  EXPECT_ERROR(sum(tensor({1})).backward(),
               "backward: output 0 was not recorded: nothing it depends on requires a gradient (backward_test.cpp:");
  EXPECT_ERROR((x * x).backward(tensor({1})),
               "backward: a gradient of shape [1] for an output of shape [2] (backward_test.cpp:");
  EXPECT_ERROR((x * x).backward(tensor({1, 1}, {f64})),
               "backward: a gradient of dtype f64 for an output of f32; convert it with .to() (backward_test.cpp:");
  EXPECT_ERROR(backward({x * x, x + x}, {tensor({1, 1})}), "backward: 1 gradients for 2 outputs (backward_test.cpp:");
}

TEST(Backward, FreesTheGraph) {
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(exp(x));
  y.backward();
  EXPECT_ERROR(y.backward(),
               "backward: the graph of sum was freed by an earlier pass; use retain_graph, or detach() what is carried "
               "over from before it (a recurrent state, say) (backward_test.cpp:");
}

TEST(Backward, FreesWhatTwoLossesShare) {
  const Tensor x = leaf({1, 2});
  const Tensor shared = exp(x);
  sum(shared * 2.0).backward();
  EXPECT_ERROR(sum(shared * 3.0).backward(),
               "backward: the graph of exp was freed by an earlier pass; use retain_graph, or detach() what is carried "
               "over from before it (a recurrent state, say) (backward_test.cpp:");
}

TEST(Backward, RetainsTheGraphOnRequest) {
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(x * x * x);
  backward({y}, {}, {.retain_graph = true});
  backward({y}, {}, {.retain_graph = true});
  y.backward();
  EXPECT_CLOSE(x.grad(), {9, 36});
}

TEST(Backward, RecordsItselfOnRequest) {
  const Tensor x = leaf({1, 2}, {f64});
  const Tensor y = sum(x * x * x);
  const Tensor first = grad({y}, {x}, {}, {.create_graph = true})[0];
  EXPECT_TRUE(first.requires_grad());
  const Tensor second = grad({sum(first)}, {x}, {}, {.create_graph = true})[0];
  const Tensor third = grad({sum(second)}, {x}, {}, {.create_graph = true})[0];
  EXPECT_CLOSE(first, {3, 12});
  EXPECT_CLOSE(second, {6, 12});
  EXPECT_CLOSE(third, {6, 6});
  EXPECT_FALSE(x.grad().defined()) << "grad() leaves .grad alone";
}

TEST(Backward, NestsToAnyDepth) {
  // d^n/dx^n of tanh, against differences of the derivative before.
  const auto derivative = [](double at, int order) {
    const Tensor x = scalar(at, {f64}).set_requires_grad();
    Tensor y = tanh(x);
    for (int i = 0; i < order; ++i) y = grad({y}, {x}, {}, {.create_graph = true})[0];
    return y.item();
  };
  for (int order = 1; order <= 5; ++order) {
    const double slope = (derivative(0.3 + 1e-5, order - 1) - derivative(0.3 - 1e-5, order - 1)) / 2e-5;
    EXPECT_NEAR(derivative(0.3, order), slope, 1e-7) << "order " << order;
  }
}

TEST(Backward, GivesEveryLeafItsOwnDifferentiableGradient) {
  const Tensor a = tensor({1}).set_requires_grad(), b = tensor({1}).set_requires_grad(), seed = ones({1});
  autograd::backward({a + b}, {seed}, {.create_graph = true});
  (b * 10.0).backward();
  EXPECT_CLOSE(a.grad(), {1});
  EXPECT_CLOSE(b.grad(), {11});
  EXPECT_CLOSE(seed, {1});
}

TEST(Backward, HidesNoGradientBehindNaN) {
  for (const Tensor& y : {Tensor(), tensor({1, NAN, 3})}) {
    const Tensor x = tensor({NAN, 2, 3}).set_requires_grad();
    sum(y.defined() ? maximum(x, y) : relu(x)).backward();
    EXPECT_CLOSE(x.grad(), (y.defined() ? std::vector<double>{1, 1, 0.5} : std::vector<double>{1, 1, 1}));
  }
}

TEST(Backward, KeepsADifferentiableGradOnLeaves) {
  const Tensor x = leaf({3}, {f64});
  backward({x * x * x}, {}, {.create_graph = true});
  ASSERT_TRUE(x.grad().requires_grad());
  const Tensor second = grad({x.grad()}, {x})[0];
  EXPECT_CLOSE(second, {18});
}

TEST(Backward, AddsUpAlongEveryPath) {
  const Tensor x = leaf({1.5, -2}, {f64});
  // A diamond of diamonds: the number of paths doubles with each, the number of nodes does not.
  Tensor y = x;
  for (int i = 0; i < 40; ++i) y = y * 0.5 + y * 0.5;
  sum(y).backward();
  EXPECT_CLOSE(x.grad(), {1, 1});
}

TEST(Backward, WaitsForTheLongestPath) {
  const Tensor x = leaf({2}, {f64});
  const Tensor y = x * x;
  Tensor longer = y;
  for (int i = 0; i < 10; ++i) longer = longer * 1.0;
  sum(exp(y) + longer * y).backward();
  EXPECT_CLOSE(x.grad(), {4 * std::exp(4.0) + 32});
}

TEST(Backward, SkipsWhatNothingUses) {
  const Tensor x = leaf({1, 2, 3, 4, 5});
  const std::vector<Tensor> parts = (x * x).split(2);
  sum(parts[1]).backward();
  EXPECT_CLOSE(x.grad(), {0, 0, 6, 8, 0});
}

TEST(Grad, TakesAnyTensorAsInput) {
  const Tensor x = leaf({1, 2}, {f64});
  const Tensor y = x * x, z = sum(y * y);
  const std::vector<Tensor> found = grad({z}, {y, x, tensor({1}, {f64}), leaf({7}, {f64})});
  EXPECT_CLOSE(found[0], {2, 8});
  EXPECT_CLOSE(found[1], {4, 32});
  EXPECT_FALSE(found[2].defined()) << "nothing was recorded of it";
  EXPECT_FALSE(found[3].defined()) << "the output does not depend on it";
  EXPECT_FALSE(x.grad().defined());
}

TEST(Grad, TakesTheOutputItself) {
  const Tensor x = leaf({1, 2}, {f64});
  const Tensor y = x * x;
  const std::vector<Tensor> found = grad({y}, {y, x}, {tensor({3, 4}, {f64})});
  EXPECT_CLOSE(found[0], {3, 4});
  EXPECT_CLOSE(found[1], {6, 16});
}

TEST(Grad, LeavesOtherBranchesAlone) {
  const Tensor x = leaf({1, 2}), w = leaf({3, 4});
  const Tensor hidden = exp(w);
  const Tensor y = sum(x * hidden);
  EXPECT_CLOSE(grad({y}, {x})[0], exp(w.detach()));
  EXPECT_FALSE(w.grad().defined());
  sum(hidden).backward();  // the branch to w was not run, so it is whole
  EXPECT_TRUE(w.grad().defined());
}

TEST(NoGrad, RecordsNothing) {
  const Tensor x = leaf({1, 2});
  {
    const NoGrad off;
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE((x * x).requires_grad());
    {
      const EnableGrad on;
      EXPECT_TRUE((x * x).requires_grad());
    }
    EXPECT_FALSE(grad_enabled());
  }
  EXPECT_TRUE(grad_enabled());
  EXPECT_TRUE((x * x).requires_grad());
}

TEST(Backward, LeavesRecordingAsItWas) {
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(x * x);
  {
    const NoGrad off;
    y.backward();
    EXPECT_FALSE(grad_enabled());
  }
  EXPECT_CLOSE(x.grad(), {2, 4});
  EXPECT_FALSE(x.grad().requires_grad());
  EXPECT_ERROR((x * x).backward(), "backward: an output of shape [2]");
  EXPECT_TRUE(grad_enabled());
}

TEST(Detach, CutsTheGraph) {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * x;
  EXPECT_FALSE(y.detach().requires_grad());
  sum(y.detach() * x).backward();
  EXPECT_CLOSE(x.grad(), {1, 4});
  EXPECT_TRUE(y.detach().is_leaf());
  EXPECT_FALSE(y.is_leaf());
}

TEST(Leaf, RefusesWhatHasNoGradient) {
  EXPECT_ERROR(zeros({2}, {i32}).set_requires_grad(), "set_requires_grad: a i32 tensor has no gradient (backward_test");
  const Tensor x = leaf({1});
  EXPECT_ERROR((x * x).set_requires_grad(false),
               "set_requires_grad: mul made this tensor; use detach() (backward_test");
  EXPECT_ERROR(Tensor(x).set_grad(zeros({2})),
               "set_grad: a gradient of shape [2] for a tensor of shape [1] (backward_test.cpp:");
  EXPECT_ERROR(Tensor(x).set_grad(zeros({1}, {f64})),
               "set_grad: a gradient of dtype f64 for a tensor of f32; convert it with .to() (backward_test.cpp:");
}

}  // namespace
}  // namespace fovea
