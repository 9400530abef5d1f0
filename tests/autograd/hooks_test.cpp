#include "fovea/autograd/backward.h"
#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea {
namespace {

TEST(Hook, SeesAnInnerGradient) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = x * x;
  Tensor seen;
  y.register_hook([&](const Tensor& g) {
    seen = g;
    return Tensor();
  });
  sum(y * 3.0).backward();
  EXPECT_CLOSE(seen, {3, 3});
  EXPECT_CLOSE(x.grad(), {6, 12});
}

TEST(Hook, ReplacesAGradient) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = x * x;
  y.register_hook([](const Tensor& g) { return g * 10.0; });
  x.register_hook([](const Tensor& g) { return g + 1.0; });
  sum(y).backward();
  EXPECT_CLOSE(x.grad(), {21, 41});
}

TEST(Hook, SeesTheGradientOfItsOutputAlone) {
  static const Elementwise both{"both", [](Expr x) { return std::vector<Expr>{2.0 * x, 3.0 * x}; }};
  const Tensor x = tensor({1}).set_requires_grad();
  const std::vector<Tensor> y = both.all({x});
  std::vector<double> seen;
  y[1].register_hook([&](const Tensor& g) {
    seen.push_back(g.item());
    return g * 10.0;
  });
  (y[0] * 5.0 + y[1] * 7.0).backward();
  EXPECT_EQ(seen, std::vector<double>{7});
  EXPECT_CLOSE(x.grad(), {2 * 5 + 3 * 70});
}

TEST(Hook, RunsOnceOnTheWholeGradient) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = exp(x * 0.0);
  int leaf_calls = 0, inner_calls = 0;
  // Not linear: a part at a time would give something else.
  x.register_hook([&](const Tensor& g) {
    ++leaf_calls;
    return square(g);
  });
  y.register_hook([&](const Tensor& g) {
    ++inner_calls;
    return square(g);
  });
  sum(x * 2.0 + x * 3.0 + x * x + y * 0.0).backward();
  EXPECT_EQ(leaf_calls, 1);
  EXPECT_EQ(inner_calls, 1);
  EXPECT_CLOSE(x.grad(), {49, 81});
}

TEST(Hook, RunsOnceWhereTheLeafIsAnOutputToo) {
  const Tensor x = scalar(3).set_requires_grad();
  int calls = 0;
  x.register_hook([&](const Tensor& g) {
    ++calls;
    return g * g;
  });
  autograd::backward({x, x * x});
  EXPECT_EQ(calls, 1);
  EXPECT_CLOSE(x.grad(), {49});
}

TEST(Hook, RunsForGradToo) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = x * x;
  x.register_hook([](const Tensor& g) { return -g; });
  y.register_hook([](const Tensor& g) { return g * 2.0; });
  const std::vector<Tensor> found = autograd::grad({sum(y)}, {x, y});
  EXPECT_CLOSE(found[0], {-4, -8});
  EXPECT_CLOSE(found[1], {2, 2});
}

TEST(Hook, RunsInOrderUntilRemoved) {
  const Tensor x = tensor({1}).set_requires_grad();
  const int64_t twice = x.register_hook([](const Tensor& g) { return g * 2.0; });
  x.register_hook([](const Tensor& g) { return g + 1.0; });
  (x * 1.0).backward();
  EXPECT_CLOSE(x.grad(), {3});
  x.remove_hook(twice);
  Tensor(x).zero_grad();
  (x * 1.0).backward();
  EXPECT_CLOSE(x.grad(), {2});
}

TEST(Hook, MayRemoveItself) {
  const Tensor x = tensor({1}).set_requires_grad();
  const Tensor y = x * x;
  int calls = 0;
  int64_t key = 0;
  key = y.register_hook([&](const Tensor&) {
    ++calls;
    y.remove_hook(key);
    return Tensor();
  });
  autograd::backward({y}, {}, {.retain_graph = true});
  y.backward();
  EXPECT_EQ(calls, 1);
}

TEST(Hook, MayRunAPassOfItsOwn) {
  const Tensor x = tensor({3}).set_requires_grad();
  const Tensor y = x * x;
  y.register_hook([](const Tensor& g) {
    const EnableGrad on;
    const Tensor z = tensor({2}).set_requires_grad();
    (z * z).backward();
    return g * z.grad();
  });
  y.backward();
  EXPECT_CLOSE(x.grad(), {24});
}

TEST(Hook, IsSkippedWhereNoGradientComes) {
  const Tensor x = tensor({1, 2, 3, 4}).set_requires_grad();
  const Tensor unused = x * 5.0;
  int calls = 0;
  unused.register_hook([&](const Tensor&) {
    ++calls;
    return Tensor();
  });
  sum(x).backward();
  EXPECT_EQ(calls, 0);
}

TEST(Hook, ReplacesInAGraphOfTheSecondOrder) {
  const Tensor x = tensor({2}, {f64}).set_requires_grad();
  const Tensor y = x * x;
  y.register_hook([](const Tensor& g) { return g * 3.0; });
  const Tensor first = autograd::grad({y}, {x}, {}, {.create_graph = true})[0];
  EXPECT_CLOSE(first, {12});
  EXPECT_CLOSE(autograd::grad({first}, {x})[0], {6});
}

TEST(Hook, IsToldOfAGradientThatDoesNotFit) {
  const Tensor x = ones({3}).set_requires_grad(), y = softmax(x, 0);
  y.register_hook([](const Tensor&) { return ones({1}); });
  EXPECT_ERROR(sum(y).backward(), "backward: a hook of softmax gave f32 [1] for a gradient f32 [3] (hooks_test.cpp:");
}

TEST(Hook, CannotRunAPassOverTheGraphOfTheRunningOne) {
  const Tensor x = tensor({2}).set_requires_grad(), a = x * 3.0, b = a * 2.0, c = a * 5.0, y = b + c;
  b.register_hook([&](const Tensor&) {
    autograd::grad({c}, {x}, {}, {.retain_graph = true});
    return Tensor();
  });
  EXPECT_ERROR(autograd::backward({y}, {}, {.retain_graph = true}),
               "backward: a pass that is still running uses the graph of mul");
  const Tensor again = x * 3.0;
  again.backward();
  EXPECT_CLOSE(x.grad(), {3});
}

TEST(Hook, WantsATensorWithAGradient) {
  EXPECT_ERROR(tensor({1}).register_hook([](const Tensor&) { return Tensor(); }),
               "register_hook: the tensor does not require a gradient (hooks_test.cpp:");
  const Tensor x = tensor({1, 2}).set_requires_grad();
  x.register_hook([](const Tensor&) { return zeros({3}); });
  EXPECT_ERROR(sum(x * x).backward(),
               "backward: a hook of a leaf gave f32 [3] for a gradient f32 [2] (hooks_test.cpp:");
}

}  // namespace
}  // namespace fovea
