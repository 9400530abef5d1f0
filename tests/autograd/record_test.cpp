// Operations of one's own: record() and Elementwise.
#include "fovea/autograd/backward.h"
#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/gradcheck.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

using test::OnEveryDevice;

/// x^3 with a derivative of its own.
Tensor cube(const Tensor& x, Caller caller = {}) {
  Tensor out = [&] {
    const NoGrad off;
    return x * x * x;
  }();
  return record(
      "cube", std::move(out), {x}, [x = Saved(x)](const Tensor& g) { return Gradients{g * 3.0 * square(*x)}; }, caller);
}

TEST(Record, TakesADerivativeOfOnesOwn) {
  EXPECT_GRADIENTS(cube, test::random({2, 3}));
  const Tensor x = tensor({2}).set_requires_grad();
  const Tensor y = cube(x);
  EXPECT_TRUE(y.requires_grad());
  EXPECT_FALSE(y.is_leaf());
  y.backward();
  EXPECT_CLOSE(x.grad(), {12});
}

TEST(Record, RecordsOnlyWhatWantsAGradient) {
  EXPECT_FALSE(cube(tensor({2})).requires_grad());
  const NoGrad off;
  EXPECT_FALSE(cube(tensor({2}).set_requires_grad()).requires_grad());
}

TEST(Record, ReturnsItsInputUnderAnotherHandle) {
  const Tensor x = tensor({2}).set_requires_grad();
  const Tensor y = record("same", x, {x}, [](const Tensor& g) { return Gradients{g * 5.0}; });
  EXPECT_NE(y.impl(), x.impl());
  EXPECT_TRUE(x.is_leaf());
  y.backward();
  EXPECT_CLOSE(x.grad(), {5});
}

/// (x + y, x * y, unrelated).
std::vector<Tensor> several(const Tensor& x, const Tensor& y, int* calls = nullptr) {
  std::vector<Tensor> outs = [&] {
    const NoGrad off;
    return std::vector<Tensor>{x + y, x * y, ones({3}, x.options())};
  }();
  return record("several", std::move(outs), std::array{x, y},
                [x = Saved(x), y = Saved(y), calls](std::span<const Tensor> g, Needs needs) {
                  if (calls) ++*calls;
                  Gradients made(2);
                  for (size_t i = 0; i < 2; ++i) {
                    if (!needs[i]) continue;
                    if (g[0].defined()) made[i] = g[0];
                    if (!g[1].defined()) continue;
                    const Tensor product = g[1] * (i == 0 ? *y : *x);
                    made[i] = made[i].defined() ? made[i] + product : product;
                  }
                  return made;
                });
}

TEST(Record, LeavesUnusedOutputsOut) {
  const Tensor x = tensor({2}, {f64}).set_requires_grad(), y = tensor({3}, {f64}).set_requires_grad();
  int calls = 0;
  const std::vector<Tensor> outs = several(x, y, &calls);
  outs[1].backward();
  EXPECT_EQ(calls, 1);
  EXPECT_CLOSE(x.grad(), {3});
  EXPECT_CLOSE(y.grad(), {2});
  EXPECT_GRADIENTS([](const Tensor& a, const Tensor& b) { return several(a, b); }, test::random({2}),
                   test::random({2}));
  EXPECT_GRADIENTS([](const Tensor& a, const Tensor& b) { return several(a, b)[0] * 2.0; }, test::random({2}),
                   test::random({2}));
}

TEST(Record, MayGiveNoGradientAtAll) {
  // The third output has none to give: what stands before it gets nothing, and nothing waits for it.
  const Tensor x = tensor({2}, {f64}).set_requires_grad(), y = tensor({3}, {f64}).set_requires_grad();
  const Tensor before = x * 2.0;
  const std::vector<Tensor> outs = several(before, y);
  sum(outs[2]).backward();
  EXPECT_FALSE(x.grad().defined());
  sum(several(x * 2.0, y)[2] + x * 1.0).backward();
  EXPECT_CLOSE(x.grad(), {3});
}

/// The first element of x; counts which way its gradient went.
struct FirstBackward {
  Shape shape;
  int *made, *added;

  Gradients operator()(const Tensor& g) const {
    ++*made;
    return {slice_scatter(g, shape, 0, 0, 1)};
  }
  void accumulate(const Tensor& g, const Tensor& sum) const {
    ++*added;
    raw::accumulate(raw::slice(sum, 0, 0, 1, 1), g);
  }
};

TEST(Record, AddsAGradientToASumThatHasBegun) {
  int made = 0, added = 0;
  const auto first = [&](const Tensor& x) {
    return record("first", raw::clone(raw::slice(x, 0, 0, 1, 1)), {x}, FirstBackward{x.shape(), &made, &added});
  };
  const auto expect = [&](int want_made, int want_added, const char* where) {
    EXPECT_EQ(std::exchange(made, 0), want_made) << where;
    EXPECT_EQ(std::exchange(added, 0), want_added) << where;
  };
  const Tensor x = tensor({1, 2, 3}).set_requires_grad();
  const auto three = [&](const Tensor& of) { return first(of) + 2.0 * first(of) + 3.0 * first(of); };
  three(x).backward();
  EXPECT_CLOSE(x.grad(), {6, 0, 0});
  expect(1, 2, "a leaf");
  three(x).backward();
  EXPECT_CLOSE(x.grad(), {12, 0, 0});
  expect(0, 3, "a leaf that has a gradient");
  Tensor(x).zero_grad();
  three(x * 2.0).backward();
  EXPECT_CLOSE(x.grad(), {12, 0, 0});
  expect(1, 2, "a result");
  const Tensor held = x.grad();
  three(x).backward();
  EXPECT_CLOSE(held, {18, 0, 0});
  expect(0, 3, "a gradient that someone holds grows in place");
  autograd::backward({first(x)}, {held.slice(0, 0, 1)});
  EXPECT_CLOSE(x.grad(), {36, 0, 0});
  expect(1, 0, "what is added lies in the sum");
  Tensor(x).zero_grad();
  EXPECT_CLOSE(autograd::grad({three(x)}, {x})[0], {6, 0, 0});
  expect(3, 0, "captured gradients");
  EXPECT_CLOSE(autograd::grad({three(x * 1.0)}, {x}, {}, {.create_graph = true})[0], {6, 0, 0});
  expect(3, 0, "a pass that is recorded");
  x.register_hook([](const Tensor& g) { return g * 10.0; });
  three(x).backward();
  EXPECT_CLOSE(x.grad(), {60, 0, 0});
  expect(3, 0, "a leaf whose hooks wait for the whole sum");
}

TEST(Record, AddsToNoSumThatSomeoneElseSees) {
  // Both sides of the addition are given one gradient, to which the part is added on one side alone.
  int made = 0, added = 0;
  const Tensor x = tensor({1, 2, 3}).set_requires_grad(), y = tensor({4, 5, 6}).set_requires_grad();
  const Tensor a = x * 1.0, b = y * 1.0, seed = ones({3});
  const Tensor part = record("first", raw::clone(raw::slice(a, 0, 0, 1, 1)), {a}, FirstBackward{{3}, &made, &added});
  autograd::backward({part, a + b}, {full({1}, 5), seed});
  EXPECT_CLOSE(x.grad(), {6, 1, 1});
  EXPECT_CLOSE(y.grad(), {1, 1, 1});
  EXPECT_CLOSE(seed, {1, 1, 1});
}

TEST(Record, SaysWhenTheBackwardIsWrong) {
  const Tensor x = tensor({2}).set_requires_grad();
  EXPECT_ERROR(record("two", tensor({1}), {x},
                      [](const Tensor& g) {
                        return Gradients{g, g};
                      })
                   .backward(),
               "two: its backward made 2 gradients for 1 inputs (record_test.cpp:");
  const int wide_line = __LINE__ + 1;
  const Tensor wide = record("wide", tensor({1}), {x}, [](const Tensor&) { return Gradients{zeros({2})}; });
  EXPECT_ERROR(
      wide.backward(),
      fmt::format("wide: its backward made f32 [2] for input 0, a leaf f32 [1] (record_test.cpp:{})", wide_line));
  EXPECT_ERROR(record("f64", tensor({1}), {x}, [](const Tensor&) { return Gradients{zeros({1}, {f64})}; }).backward(),
               "f64: its backward made f64 [1] for input 0, a leaf f32 [1] (record_test.cpp:");
  const Tensor inner = softmax(ones({4}).set_requires_grad(), 0);
  EXPECT_ERROR(record("narrow", sum(inner), {inner}, [](const Tensor& g) { return Gradients{g}; }).backward(),
               "narrow: its backward made f32 [] on cpu for input 0, which is no such tensor (record_test.cpp:");
}

// Elementwise functions of one's own.

TEST_P(OnEveryDevice, RunsAFunctionOfOnesOwn) {
  static const Elementwise squash{"squash", [](Expr x) { return x / (1.0 + abs(x)); }};
  EXPECT_CLOSE(squash(tensor({-1, 0, 3}, options())), {-0.5, 0, 0.75});
  EXPECT_GRADIENTS(squash, test::random({2, 3}));
}

TEST_P(OnEveryDevice, RunsSeveralInputsAndOutputs) {
  static const Elementwise f{"f", [](Expr a, Expr b) {
                               const Expr product = a * tanh(b);
                               return std::vector<Expr>{product + b, product * a, a < b};
                             }};
  const Tensor a = test::random({3, 1}, options()), b = test::random({2}, options(), 2);
  const std::vector<Tensor> made = f.all({a, b});
  ASSERT_EQ(made.size(), 3u);
  EXPECT_CLOSE(made[0], a * tanh(b) + b);
  EXPECT_CLOSE(made[1], a * tanh(b) * a);
  EXPECT_EQ(made[2].dtype(), boolean);
  EXPECT_EQ(made[2].shape(), (Shape{3, 2}));
}

TEST(Elementwise, DifferentiatesSeveralOutputsInAnyCombination) {
  static const Elementwise f{"f", [](Expr a, Expr b) {
                               const Expr product = a * tanh(b);
                               return std::vector<Expr>{product + b, exp(product * a), a < b, a};
                             }};
  const Tensor a = test::random({3, 1}), b = test::random({2}, {}, 2);
  EXPECT_GRADIENTS([](const Tensor& x, const Tensor& y) { return f.all({x, y}); }, a, b);
  for (const size_t output : {0, 1, 3}) {
    EXPECT_GRADIENTS([&](const Tensor& x, const Tensor& y) { return f.all({x, y})[output]; }, a, b);
    EXPECT_GRADIENTS([&](const Tensor& x) { return f.all({x, b.to(f64)})[output] * x; }, a);
    EXPECT_GRADIENTS([&](const Tensor& y) { return f.all({a.to(f64), y})[output] * y; }, b);
  }
}

TEST(Elementwise, TakesNumbersForInputs) {
  static const Elementwise f{"f", [](Expr a, Expr b, Scalar s) { return a * b + s * a; }};
  EXPECT_CLOSE(f(tensor({1, 2}), 3, 10), {13, 26});
  EXPECT_CLOSE(f(3, tensor({1, 2}), 10), {33, 36});
  EXPECT_CLOSE(f(tensor({1, 2}), tensor({3, 4}), -1), {2, 6});
  EXPECT_GRADIENTS([](const Tensor& x) { return f(x, 0.3, 2); }, test::random({3}));
  EXPECT_GRADIENTS([](const Tensor& x) { return f(0.3, x, 2); }, test::random({3}));
  EXPECT_ERROR(f(1, 2, 3), "f: needs a tensor among its arguments (record_test.cpp:");
  EXPECT_ERROR(f(tensor({1}), tensor({1}), tensor({1})), "f: argument 2 must be a number (record_test.cpp:");
  EXPECT_ERROR(f(tensor({1})), "f: takes 3 arguments, not 1 (record_test.cpp:");
}

TEST(Elementwise, ReadsItsScalarsAnewEachTime) {
  static const Elementwise f{"f", [](Expr x, Scalar s) { return x * s; }};
  const Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor a = sum(f(x, 2)), b = sum(f(x, 30));
  a.backward();
  EXPECT_CLOSE(x.grad(), {2, 2});
  b.backward();
  EXPECT_CLOSE(x.grad(), {32, 32});
}

TEST(Elementwise, SumsInTheSamePass) {
  static const Elementwise f{"f", [](Expr a, Expr b) { return square(a - b); }};
  const Tensor a = test::random({2, 3}), b = test::random({3}, {}, 2);
  EXPECT_CLOSE(f.sum({}, false, {a, b}), sum(square(a - b)));
  EXPECT_CLOSE(f.sum(0, true, {a, b}), sum(square(a - b), 0, true));
  EXPECT_CLOSE(f.sum(-1, false, {a, b}), sum(square(a - b), -1));
  EXPECT_GRADIENTS([](const Tensor& x, const Tensor& y) { return f.sum(1, false, {x, y}); }, a, b);
}

TEST(Elementwise, MixesBoolWithNumbers) {
  const Tensor x = tensor({1, -2, 3}), mask = tensor({1, 0, 1}, {boolean});
  EXPECT_CLOSE(x * mask, {1, 0, 3});
  EXPECT_CLOSE(mask * x, {1, 0, 3});
  EXPECT_EQ((mask * x).dtype(), f32);
  EXPECT_CLOSE(where(mask, x, 0.0), {1, 0, 3});
  EXPECT_GRADIENTS([&](const Tensor& y) { return y * mask; }, x);
}

TEST(Elementwise, WorksOnIntegers) {
  const Tensor x = tensor({7, -8, 16777217}, {i32});
  EXPECT_CLOSE(x + 1.0, {8, -7, 16777218});
  EXPECT_CLOSE(x * x.slice(0, 0, 1), {49, -56, 117440519});
  EXPECT_EQ((x - 1.0).dtype(), i32);
  EXPECT_CLOSE(abs(x), {7, 8, 16777217});
  EXPECT_CLOSE(maximum(x, 0), {7, 0, 16777217});
  EXPECT_EQ(gt(x, 0).dtype(), boolean);
}

TEST(Elementwise, ExplainsWhatItRefuses) {
  const Tensor x = tensor({1, 2}), whole = tensor({1, 2}, {i32}), mask = tensor({1, 0}, {boolean});
  EXPECT_ERROR(x + tensor({1, 2, 3}), "add: shapes do not broadcast: [2] and [3] (record_test.cpp:");
  EXPECT_ERROR(x + x.to(f64), "add: dtypes differ: f32 and f64; convert one with .to() (record_test.cpp:");
  EXPECT_ERROR(x * whole, "mul: dtypes differ: f32 and i32; convert one with .to() (record_test.cpp:");
  EXPECT_ERROR(exp(whole), "exp: needs a floating dtype, not i32; convert with .to(f32) (record_test.cpp:");
  EXPECT_ERROR(whole / whole,
               "div: needs a floating dtype, not i32; convert with .to(f32), or use floor_divide (record_test.cpp:");
  EXPECT_ERROR(mask + mask, "add: has no result for bool inputs; convert with .to(f32) or .to(i32) (record_test.cpp:");
  EXPECT_ERROR(whole * 0.5, "mul: 0.5 is no i32 number, as the i32 tensor asks for; convert it with .to(f32) (record");
  EXPECT_ERROR(lt(whole, 2.5),
               "lt: 2.5 is no i32 number, as the i32 tensor asks for; convert it with .to(f32) (record");
  EXPECT_ERROR(where(x, x, x), "where: the condition must be a bool tensor (record_test.cpp:");
  EXPECT_ERROR(masked_fill(x, x, 0), "masked_fill: the mask must be a bool tensor (record_test.cpp:");
  static const Elementwise half{"half", [](Expr x) { return x * 0.5; }};
  EXPECT_ERROR(half(whole), "half: needs a floating dtype, not i32; convert with .to(f32) (record_test.cpp:");
}

TEST(Gradcheck, FindsAWrongDerivative) {
  const auto wrong = [](const std::vector<Tensor>& x) {
    return std::vector{record("wrong", square(x[0].detach()), {x[0]}, [x = Saved(x[0])](const Tensor& g) {
      return Gradients{g * *x};  // half of what it should be
    })};
  };
  const std::vector<Tensor> inputs{tensor({1, 3}, {f64}).set_requires_grad()};
  const autograd::GradcheckResult result = autograd::gradcheck(wrong, inputs);
  EXPECT_FALSE(result);
  EXPECT_TRUE(result.message.starts_with("input 0 element ")) << result.message;
  EXPECT_EQ(fmt::format("{}", result), result.message);
  const auto right = [](const std::vector<Tensor>& x) { return std::vector{square(x[0])}; };
  EXPECT_EQ(fmt::format("{}", autograd::gradcheck(right, inputs)), "passed");
}

TEST(Gradcheck, FindsAWrongSecondDerivative) {
  const auto cut = [](const std::vector<Tensor>& x) {
    return std::vector{record("cut", square(x[0].detach()), {x[0]}, [x = x[0].detach()](const Tensor& g) {
      return Gradients{g * x * 2.0};  // right, but a constant to the pass itself
    })};
  };
  const std::vector<Tensor> inputs{tensor({1, 3}, {f64}).set_requires_grad()};
  EXPECT_TRUE(autograd::gradcheck(cut, inputs));
  const autograd::GradcheckResult second = autograd::gradgradcheck(cut, inputs);
  EXPECT_FALSE(second);
  EXPECT_TRUE(second.message.starts_with("second order: ")) << second.message;
}

TEST(Gradcheck, FindsARecordedDerivativeThatIsAnother) {
  const auto torn = [](const std::vector<Tensor>& x) {
    return std::vector{record("torn", square(x[0].detach()), {x[0]}, [x = Saved(x[0])](const Tensor& g) {
      return Gradients{g * *x * (grad_enabled() ? 3.0 : 2.0)};  // each of them consistent in itself
    })};
  };
  const std::vector<Tensor> inputs{tensor({1, 3}, {f64}).set_requires_grad()};
  EXPECT_TRUE(autograd::gradcheck(torn, inputs));
  const autograd::GradcheckResult second = autograd::gradgradcheck(torn, inputs);
  EXPECT_FALSE(second);
  EXPECT_TRUE(second.message.ends_with(" where it is recorded")) << second.message;
}

TEST(Gradcheck, SaysWhatItCannotCheck) {
  const auto same = [](const std::vector<Tensor>& x) { return x; };
  EXPECT_ERROR(autograd::gradcheck(same, {tensor({1}).set_requires_grad()}), "gradcheck: inputs must be f64, not f32");
  const Tensor leaf = tensor({2}, {f64}).set_requires_grad();
  const auto scaled = [&](const std::vector<Tensor>& x) { return std::vector{x[0] * leaf}; };
  for (const autograd::Function& function : {autograd::Function(same), autograd::Function(scaled)}) {
    EXPECT_ERROR(autograd::gradcheck(function, {tensor({1}, {f64})}), "gradcheck: no input requires a gradient");
    EXPECT_ERROR(autograd::gradgradcheck(function, {tensor({1}, {f64})}),
                 "gradgradcheck: no input requires a gradient");
  }
}

}  // namespace
}  // namespace fovea
