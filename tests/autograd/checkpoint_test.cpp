#include "fovea/autograd/autocast.h"
#include "fovea/autograd/backward.h"
#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

using autograd::checkpoint;
using autograd::grad;
using test::OnEveryDevice;
using Inputs = std::vector<Tensor>;

/// Two layers with dropout.
Tensor block(const Tensor& x, const Tensor& w) {
  const Tensor hidden = tanh(matmul(x, w));
  const Tensor kept = gt(rand(hidden.shape(), {f32, hidden.device()}), 0.4);
  return matmul(hidden * kept, w);
}

TEST_P(OnEveryDevice, GivesTheSameGradientsWhenRunAgain) {
  const Tensor x = test::random({3, 4}, options()).set_requires_grad();
  const Tensor w = test::random({4, 4}, options(), 2).set_requires_grad();
  manual_seed(5);
  const Tensor plain = block(block(x, w), w);
  const std::vector<Tensor> expected = grad({sum(square(plain))}, {x, w});

  manual_seed(5);
  Tensor y = checkpoint([&](const Inputs& in) { return block(in[0], w); }, {x}, {w});
  y = checkpoint([](const Inputs& in) { return block(in[0], in[1]); }, {y, w});
  EXPECT_CLOSE(y, plain);
  const Generator before = default_generator();
  sum(square(y)).backward();
  EXPECT_CLOSE(x.grad(), expected[0]);
  EXPECT_CLOSE(w.grad(), expected[1]);
  EXPECT_EQ(default_generator().offset, before.offset) << "running again draws nothing from the stream";
}

TEST(Checkpoint, IsDifferentiableTwice) {
  const Tensor x = test::random({2, 3}, {f64}), w = test::random({3, 3}, {f64}, 2);
  EXPECT_GRADIENTS(
      [](const Tensor& a, const Tensor& b) {
        return checkpoint([](const Inputs& in) { return tanh(matmul(in[0], in[1])) * in[0]; }, {a, b});
      },
      x, w);
  EXPECT_GRADIENTS(
      [](const Tensor& a, const Tensor& b) {
        const Tensor c = exp(a);
        return checkpoint([&](const Inputs& in) { return sin(matmul(in[0], b)) * in[0]; }, {c * a}, {b});
      },
      x, w);
}

TEST(Checkpoint, HooksOfAParameterRunOnceOnItsWholeGradient) {
  const Tensor x = test::random({2, 3}), w = test::random({3, 3}, {}, 2).set_requires_grad();
  const auto layer = [](const Inputs& in) { return tanh(matmul(in[0], in[1])); };
  sum(layer({layer({x, w}), w})).backward();
  const Tensor whole = w.grad().clone();
  Tensor(w).zero_grad();
  int calls = 0;
  const int64_t key = w.register_hook([&](const Tensor& gradient) {
    ++calls;
    EXPECT_CLOSE(gradient, whole);
    return gradient * 2.0;
  });
  sum(checkpoint(layer, {checkpoint(layer, {x, w}), w})).backward();
  EXPECT_EQ(calls, 1);
  EXPECT_CLOSE(w.grad(), whole * 2.0);
  w.remove_hook(key);
}

TEST(Checkpoint, Nests) {
  const Tensor x = test::random({2, 3}, {f64});
  EXPECT_GRADIENTS(
      [](const Tensor& a) {
        return checkpoint(
            [](const Inputs& outer) {
              const Tensor y = checkpoint([](const Inputs& in) { return sin(in[0]) * in[0]; }, {outer[0]});
              return exp(y) * outer[0];
            },
            {a});
      },
      x);
}

TEST(Checkpoint, RunsOnceMoreInEachPass) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  int runs = 0;
  const Tensor y = checkpoint(
      [&](const Inputs& in) {
        ++runs;
        return exp(in[0]);
      },
      {x});
  EXPECT_EQ(runs, 1);
  autograd::backward({sum(y)}, {}, {.retain_graph = true});
  EXPECT_EQ(runs, 2);
  EXPECT_CLOSE(x.grad(), exp(x.detach()));
}

TEST(Checkpoint, KeepsNothingOfTheInside) {
  Backend& cpu = backend(Device::cpu());
  constexpr int64_t n = 1 << 16;
  const Tensor x = ones({n}).set_requires_grad();
  const auto deep = [](const Inputs& in) {
    Tensor y = in[0];
    for (int i = 0; i < 20; ++i) y = sin(y);
    return y;
  };
  const size_t before = cpu.memory().live;
  const Tensor y = checkpoint(deep, {x});
  EXPECT_LE(cpu.memory().live, before + n * sizeof(float));
}

TEST(Checkpoint, NamesAForgottenLeaf) {
  const Tensor x = tensor({1, 2}).set_requires_grad(), w = tensor({3, 4}).set_requires_grad();
  const Tensor y = checkpoint([&](const Inputs& in) { return in[0] * w; }, {x});
  EXPECT_ERROR(sum(y).backward(),
               "checkpoint: the function uses a leaf of shape [2] that stands in neither inputs nor parameters "
               "(checkpoint_test.cpp:");
}

TEST(Checkpoint, GivesGradientsOfSomeInputsAlone) {
  const Tensor a = tensor({2}).set_requires_grad(), b = tensor({3}).set_requires_grad(),
               w = tensor({5}).set_requires_grad();
  const auto product = [&](const std::vector<Tensor>& in) { return in[0] * in[1] * w; };
  const Tensor inner = b * 1.0;
  EXPECT_CLOSE(autograd::grad({autograd::checkpoint(product, {a, inner}, {w})}, {a})[0], {15});
  EXPECT_CLOSE(autograd::grad({autograd::checkpoint(product, {a, inner}, {w})}, {w})[0], {6});
}

TEST(Checkpoint, RunsAgainInThePrecisionOfItsFirstRun) {
  const Tensor x = test::random({8, 64}).set_requires_grad(), w = test::random({64, 8}, {}, 2).set_requires_grad();
  const auto f = [&](const Inputs& in) { return square(matmul(in[0], w)); };
  std::vector<Tensor> y;
  {
    const Autocast half(bf16);
    y = {checkpoint(f, {x}, {w}), f({x})};
  }
  const auto got = grad({sum(y[0])}, {x, w}), want = grad({sum(y[1])}, {x, w});
  for (size_t i = 0; i < 2; ++i) EXPECT_CLOSE(got[i], want[i], 0, 0);
}

TEST(Checkpoint, NamesAFunctionThatGivesSomethingElseTheSecondTime) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  int runs = 0;
  const Tensor y = checkpoint([&](const Inputs& in) { return ++runs == 1 ? in[0] * 2.0 : sum(in[0]); }, {x});
  EXPECT_ERROR(sum(y).backward(),
               "checkpoint: the function returned f32 [] when it was run again, for a gradient f32 [2] "
               "(checkpoint_test.cpp:");
}

TEST(Checkpoint, TellsTheOutputsOfOneOperationApart) {
  static const Elementwise twice{"twice", [](Expr x) { return std::vector<Expr>{2.0 * x, 3.0 * x}; }};
  const Tensor x = tensor({5}).set_requires_grad();
  const std::vector<Tensor> w = twice.all({x});
  const Tensor y = checkpoint([&](const Inputs& in) { return in[0] * square(w[0]) * w[1]; }, {ones({1})}, w);
  EXPECT_CLOSE(grad({y}, {x})[0], {3 * 12 * 25});
}

TEST(Checkpoint, NoticesAChangeInPlace) {
  const Tensor a = tensor({2}).set_requires_grad();
  Tensor h = a * 1.0;
  const Tensor y = autograd::checkpoint([](const std::vector<Tensor>& in) { return in[0] * in[0]; }, {h}, {});
  {
    const NoGrad off;
    h.mul_(10);
  }
  EXPECT_ERROR(y.backward(), "checkpoint: a value saved for its backward was changed in place");
}

TEST(Checkpoint, LeavesTheGeneratorAloneWhereItFails) {
  manual_seed(3);
  int runs = 0;
  const Tensor x = ones({4}).set_requires_grad();
  const Tensor y = autograd::checkpoint(
      [&](const std::vector<Tensor>& in) {
        if (++runs == 2) throw ValueError("no second time");
        return sum(in[0] * rand({4}));
      },
      {x}, {});
  rand({100});
  const uint64_t before = default_generator().offset;
  EXPECT_ERROR(y.backward(), "no second time");
  EXPECT_EQ(default_generator().offset, before);
}

TEST(Checkpoint, RecordsNothingWhereNothingWantsAGradient) {
  const Tensor y = checkpoint([](const Inputs& in) { return exp(in[0]); }, {tensor({1, 2})});
  EXPECT_FALSE(y.requires_grad());
}

TEST(Checkpoint, WorksWhereOnlyParametersWantAGradient) {
  const Tensor w = tensor({3, 4}).set_requires_grad();
  const Tensor x = tensor({1, 2});
  const Tensor y = checkpoint([&](const Inputs& in) { return in[0] * w * w; }, {x}, {w});
  sum(y).backward();
  EXPECT_CLOSE(w.grad(), {6, 16});
}

}  // namespace
}  // namespace fovea
