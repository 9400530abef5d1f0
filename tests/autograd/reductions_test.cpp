#include "fovea/autograd/reductions.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"
#include "support/naive.h"

namespace fovea::test {
namespace {

constexpr double inf = INFINITY;

TEST_P(OnEveryDevice, StandardDeviationFollowsItsDefinition) {
  for (const Shape& shape : {Shape{5}, Shape{3, 1, 7}, Shape{2, 3, 2}, Shape{1, 2}, Shape{33, 65}}) {
    const Tensor x = random(shape, options());
    for (const Axes& axes : {Axes{}, Axes{-1}, Axes{0, -1}}) {
      if (axes.list.rank() > shape.rank()) continue;
      for (const double correction : {0.0, 1.0, 0.5}) {
        const auto deviation = [&](const std::vector<double>& v) {
          double mean = 0, squares = 0;
          for (double value : v) mean += value / static_cast<double>(v.size());
          for (double value : v) squares += (value - mean) * (value - mean);
          return std::sqrt(squares / std::max(static_cast<double>(v.size()) - correction, 0.0));
        };
        EXPECT_CLOSE(stddev(x, axes, correction, true), naive_reduce(x, axes, true, deviation).to(f32).to(device()));
        EXPECT_CLOSE(stddev(x, axes, correction), naive_reduce(x, axes, false, deviation).to(f32).to(device()));
      }
    }
  }
  EXPECT_CLOSE(stddev(tensor({300, -300}, options()).to(f16), {}, 0), full({}, 300, options(f16)));
}

/// The value of `f` at x and the gradient of its sum.
std::pair<Tensor, Tensor> with_gradient(const std::function<Tensor(const Tensor&)>& f, const Tensor& given) {
  Tensor x = given.clone().set_requires_grad();
  const Tensor y = f(x);
  sum(y).backward();
  return {y.detach(), x.grad()};
}

TEST_P(OnEveryDevice, ReductionsOfWhatVanishesMakeNoNaN) {
  const auto second = [&](const std::function<Tensor(const Tensor&)>& f, const Tensor& given) {
    Tensor x = given.clone().set_requires_grad();
    const Tensor g = autograd::grad({sum(f(x))}, {x}, {}, {.create_graph = true})[0];
    return std::pair(g.detach(), autograd::grad({sum(g)}, {x})[0]);
  };
  const Tensor none = zeros({2, 3}, options());
  const auto [norm_first, norm_second] = second([](const Tensor& x) { return norm(x, 1); }, none);
  EXPECT_CLOSE(norm_first, none, 0, 0);
  EXPECT_CLOSE(norm_second, none, 0, 0);
  const Tensor masked = tensor({-inf, -inf, -inf, 1, -inf, 1}, options()).reshape({2, 3});
  EXPECT_CLOSE(logsumexp(masked, 1), {-inf, 1 + std::log(2.0)});
  const auto [log_first, log_second] = second([](const Tensor& x) { return logsumexp(x, 1); }, masked);
  EXPECT_CLOSE(log_first, {0, 0, 0, 0.5, 0, 0.5}, 1e-5, 1e-6);
  EXPECT_CLOSE(log_second, none, 1e-5, 1e-6);
}

// What PyTorch 2.15 gives.
TEST_P(OnEveryDevice, VarianceOfTooFewIsInfiniteOrNaN) {
  const Tensor x = tensor({1, 2, 4, 3, 3, 3}, options()).reshape({2, 3});
  const auto check = [&](double correction, bool deviation, const std::vector<double>& gradient) {
    const auto [y, g] =
        with_gradient([&](const Tensor& x) { return deviation ? stddev(x, 1, correction) : var(x, 1, correction); }, x);
    EXPECT_CLOSE(y, {inf, NAN}) << correction;
    EXPECT_CLOSE(g, gradient, 1e-4, 1e-6) << correction << deviation;
  };
  check(3, false, {-inf, -inf, inf, NAN, NAN, NAN});
  check(4, false, {8.0 / 3, 2.0 / 3, -10.0 / 3, 0, 0, 0});
  check(5, false, {4.0 / 3, 1.0 / 3, -5.0 / 3, 0, 0, 0});
  check(3, true, {NAN, NAN, NAN, NAN, NAN, NAN});
  check(4, true, {0, 0, 0, NAN, NAN, NAN});
  // An element at the mean itself makes no NaN of the value.
  EXPECT_CLOSE(var(tensor({1, 2, 3}, options()), {}, 3), scalar(inf, options()));
  for (const Tensor& one : {scalar(3, options()), ones({1}, options())}) {
    const auto [y, g] = with_gradient([](const Tensor& x) { return var(x); }, one);
    EXPECT_TRUE(std::isnan(y.item()));
    EXPECT_TRUE(std::isnan(g.item()));
  }
  const auto [y, g] = with_gradient([](const Tensor& x) { return stddev(x, 1, 1, true); }, zeros({2, 0}, options()));
  EXPECT_CLOSE(y, full({2, 1}, NAN, options()));
  EXPECT_EQ(g.shape(), (Shape{2, 0}));
}

TEST_P(OnEveryDevice, SoftmaxAlongAnAxisWithOthersBehindIt) {
  const auto shares = [](const std::vector<double>& v) {
    const double greatest = *std::max_element(v.begin(), v.end());
    std::vector<double> out;
    double total = 0;
    for (double value : v) total += std::exp(value - greatest);
    for (double value : v) out.push_back(std::exp(value - greatest) / total);
    return out;
  };
  // 256 and more behind the axis are walked across.
  for (const Shape& shape : {Shape{3, 5, 255}, Shape{3, 5, 256}, Shape{1, 1, 300}, Shape{2, 21, 17, 19}}) {
    const Tensor x = random(shape, options());
    const Tensor want = naive_along(x, 1, shares).to(f32).to(device());
    EXPECT_CLOSE(softmax(x, 1), want);
    EXPECT_CLOSE(softmax(x.transpose(0, -1).contiguous().transpose(0, -1), 1), want);
    EXPECT_CLOSE(exp(log_softmax(x, 1)), want);
  }
  const Tensor x = random({2, 3, 256}, options());
  EXPECT_TRUE(all(isnan(softmax(where(x > 100.0, x, -inf), 1))).item<bool>());
  EXPECT_EQ(softmax(zeros({2, 0, 300}, options()), 1).shape(), (Shape{2, 0, 300}));
  if (device() != Device::cpu()) return;
  const Tensor small = random({3, 256}, {f64});
  const auto shared = [&](const Tensor& y) { return sum(softmax(y * small, 0) * small, 1); };
  const auto logs_of = [&](const Tensor& y) { return sum(log_softmax(y * small, 0) * small, 1); };
  EXPECT_GRADIENTS(shared, random({3, 1}, {f64}));
  EXPECT_GRADIENTS(logs_of, random({3, 1}, {f64}));
  Tensor across = small.clone().set_requires_grad(), along = small.mT().clone().set_requires_grad();
  const Tensor g = random({3, 256}, {f64}, 2);
  for (const bool logs : {false, true}) {
    across.zero_grad();
    along.zero_grad();
    (logs ? log_softmax(across, 0) : softmax(across, 0)).backward(g);
    (logs ? log_softmax(along, 1) : softmax(along, 1)).backward(g.mT());
    EXPECT_CLOSE(across.grad(), along.grad().mT());
  }
}

TEST_P(OnEveryDevice, StandardDeviationHasTheGradientZeroAtZero) {
  EXPECT_CLOSE(with_gradient([](const Tensor& x) { return stddev(x); }, full({4}, 2, options())).second,
               zeros({4}, options()));
}

// What PyTorch 2.15 gives.
TEST_P(OnEveryDevice, TheSignOfNaNIsZeroAndSoIsTheGradientOfItsAbsoluteValue) {
  const Tensor x = tensor({NAN, -2, 0, 3, -inf}, options());
  EXPECT_CLOSE(sign(x), {0, -1, 0, 1, -1});
  const auto [y, g] = with_gradient([](const Tensor& x) { return abs(x); }, x);
  EXPECT_CLOSE(y, {NAN, 2, 0, 3, inf});
  EXPECT_CLOSE(g, {0, -1, 0, 1, -1});
  EXPECT_CLOSE(sign(tensor({-3, 0, 5}, options(i32))), tensor({-1, 0, 1}, options(i32)));
}

TEST_P(OnEveryDevice, SlopesOfActivationsAtTheirEdges) {
  const auto slopes = [](auto f, const Tensor& x) { return with_gradient(f, x).second; };
  const Tensor x = tensor({NAN, -inf, -3, 0, 3, inf}, options());
  EXPECT_CLOSE(slopes([](const Tensor& x) { return elu(x, 2); }, x), {NAN, 0, 2 * std::exp(-3.0), 2, 1, 1});
  EXPECT_CLOSE(slopes([](const Tensor& x) { return hardsigmoid(x); }, x.slice(0, 1)), {0, 0, 1.0 / 6, 0, 0});
  const Tensor around = tensor({-1, 0, 1}, options()).set_requires_grad();
  const Tensor slope = autograd::grad({sum(elu(around, 2))}, {around}, {}, {.create_graph = true})[0];
  EXPECT_CLOSE(autograd::grad({sum(slope)}, {around})[0], {2 * std::exp(-1.0), 0, 0});
}

TEST_P(OnEveryDevice, ASlopeOfAPowerOfZeroIsDifferentiated) {
  const Tensor a = tensor({0, 2}, options()).set_requires_grad(), b = tensor({1.5, 1.5}, options()).set_requires_grad();
  const Tensor seed = ones({2}, options()).set_requires_grad();
  const auto g = autograd::grad({pow(a, b)}, {a, b}, {seed}, {.create_graph = true});
  EXPECT_CLOSE(autograd::grad({sum(g[0]) + sum(g[1])}, {seed})[0],
               {0, 1.5 * std::sqrt(2.0) + std::sqrt(8.0) * std::log(2.0)});
}

TEST_P(OnEveryDevice, WhatHasNoLengthIsNormalizedToNothing) {
  for (const DType dtype : {f32, f16, bf16}) {
    const Tensor x = tensor({0, 0, 3, 4}, options()).to(dtype).reshape({2, 2});
    EXPECT_CLOSE(l2_normalize(x), tensor({0, 0, 0.6, 0.8}, options()).to(dtype).reshape({2, 2}));
  }
}

TEST_P(OnEveryDevice, AScalarIsSortedAndSummedUp) {
  const Tensor x = scalar(3, options()).set_requires_grad();
  const Sorted sorted = sort(x), top = topk(x, 1, 0);
  EXPECT_CLOSE(sorted.values, x);
  EXPECT_CLOSE(top.indices, scalar(0, options(i32)));
  (sorted.values * top.values).backward();
  EXPECT_CLOSE(x.grad(), scalar(6, options()));
  EXPECT_CLOSE(cumsum(scalar(1, options(boolean)), 0), scalar(1, options(i32)));
  EXPECT_ERROR(topk(x, 2), "topk: 2 elements of a scalar (reductions_test.cpp:");
}

TEST_P(OnEveryDevice, TellsFiniteFromInfiniteAndNaN) {
  for (const DType dtype : {f32, f16, bf16}) {
    const Tensor x = tensor({0, -1, 3e4, INFINITY, -INFINITY, NAN}, options()).to(dtype);
    EXPECT_CLOSE(isfinite(x), {1, 1, 1, 0, 0, 0});
    EXPECT_CLOSE(isinf(x), {0, 0, 0, 1, 1, 0});
    EXPECT_EQ(isinf(x).dtype(), boolean);
  }
  for (const DType dtype : {i32, boolean}) {
    const Tensor x = tensor({0, 1}, options(dtype));
    EXPECT_CLOSE(isfinite(x), {1, 1});
    EXPECT_CLOSE(isinf(x), {0, 0});
  }
}

TEST_P(OnEveryDevice, AllcloseTakesTolerancesAndBroadcasts) {
  const auto of = [&](std::initializer_list<double> values) { return tensor(values, options()); };
  EXPECT_TRUE(allclose(of({1, 2}), of({1, 2})));
  EXPECT_TRUE(allclose(of({1, 100}), of({1, 100.0009})));
  EXPECT_FALSE(allclose(of({1, 100}), of({1, 100.002})));
  EXPECT_TRUE(allclose(of({0}), of({0.5}), 0, 0.5));
  EXPECT_TRUE(allclose(of({1}), of({2}), 0.5)) << "relative to b";
  EXPECT_FALSE(allclose(of({2}), of({1}), 0.5));
  EXPECT_TRUE(allclose(of({inf, -inf}), of({inf, -inf}), 0, 0));
  EXPECT_FALSE(allclose(of({inf}), of({-inf}), inf, inf));
  EXPECT_FALSE(allclose(of({1}), of({inf})));
  EXPECT_FALSE(allclose(of({NAN}), of({NAN})));
  EXPECT_TRUE(allclose(of({NAN, 1}), of({NAN, 1}), 1e-5, 1e-8, true));
  EXPECT_FALSE(allclose(of({NAN}), of({1}), 1e-5, 1e-8, true));
  EXPECT_TRUE(allclose(ones({2, 3}, options()), of({1})));
  EXPECT_TRUE(allclose(zeros({0}, options()), of({1})));
  const Tensor large = full({2}, 16777217, options(i32));
  EXPECT_FALSE(allclose(large, full({2}, 16777216, options(i32)), 0, 0)) << "f32 cannot tell these two";
  EXPECT_TRUE(allclose(large, full({2}, 16777216, options(i32)), 0, 1));
  EXPECT_TRUE(allclose(gt(large, 0.0), gt(large, 1.0)));
  EXPECT_TRUE(allclose(of({1, 2}).to(f16), of({1, 2}).to(f16)));
  EXPECT_TRUE(allclose(of({1}).set_requires_grad(), of({1})));
}

TEST(TopK, TakesNoMoreThanThereIs) {
  const Tensor x = tensor({3, 1});
  EXPECT_EQ(topk(x, 0).values.shape(), Shape{0});
  EXPECT_ERROR(topk(x, -1), "topk: -1 of 2 elements (reductions_test.cpp:");
  EXPECT_ERROR(topk(x, 3), "topk: 3 of 2 elements (reductions_test.cpp:");
}

TEST(Allclose, NamesWhatDoesNotFit) {
  const Tensor x = zeros({2});
  EXPECT_ERROR(allclose(x, zeros({3})), "allclose: shapes do not broadcast: [2] and [3] (reductions_test.cpp:");
  EXPECT_ERROR(allclose(x, x.to(f64)), "allclose: dtypes differ: f32 and f64; convert one with .to() (reductions_");
  EXPECT_ERROR(allclose(x, x, -1), "allclose: rtol -1 or atol 1e-08 is negative (reductions_test.cpp:");
  EXPECT_ERROR(stddev(zeros({2}, {i32})), "stddev: needs a floating dtype, not i32; convert with .to(f32) (reduc");
  EXPECT_ERROR(stddev(x, 1), "stddev: axis 1 is not among the 1 of the tensor (reductions_test.cpp:");
}

TEST_P(OnEveryDevice, AProductOfOneElementHasMemoryOfItsOwn) {
  const Tensor x = tensor({3, 4}, options()).reshape({1, 2}).set_requires_grad();
  const Tensor y = prod(x, 0);
  y.detach().mul_(2.0);
  EXPECT_CLOSE(x.detach(), {3, 4});
  EXPECT_CLOSE(autograd::grad({sum(prod(x, 0))}, {x})[0], {1, 1});
}

TEST_P(OnEveryDevice, ProductsAndTheirGradientsFollowTheDefinition) {
  for (int64_t n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 65, 130, 1003}) {
    for (int axis : {0, 1}) {
      const Shape shape = axis == 0 ? Shape{n, 3} : Shape{3, n};
      const Tensor values = exp(random(shape) * 0.1);
      // No zero, one, and two in a row.
      std::vector<double> with = values.to_vector<double>();
      const auto at = [&](int64_t row, int64_t i) {
        return static_cast<size_t>(axis == 0 ? i * 3 + row : row * n + i);
      };
      with[at(1, n / 2)] = 0;
      with[at(2, 0)] = with[at(2, n - 1)] = 0;
      std::vector<double> product(3, 1.0), gradient(with.size(), 1.0);
      for (int64_t row = 0; row < 3; ++row) {
        for (int64_t i = 0; i < n; ++i) {
          product[static_cast<size_t>(row)] *= with[at(row, i)];
          for (int64_t j = 0; j < n; ++j) gradient[at(row, i)] *= j == i ? 1 : with[at(row, j)];
        }
      }
      const Tensor given = from_vector(with, shape).to(f32).to(device());
      for (const LaidOut& x : layouts_of(given)) {
        const Tensor leaf = x.tensor.detach().set_requires_grad();
        const Tensor y = prod(leaf, axis);
        EXPECT_CLOSE(y, product, 1e-4, 1e-6) << x.name << " " << n;
        sum(y).backward();
        EXPECT_CLOSE(leaf.grad(), gradient, 1e-4, 1e-6) << x.name << " " << n;
      }
    }
  }
  EXPECT_CLOSE(prod(tensor({2, -3, 7, 1, 1, 1, 1, 1, 5}, options(i32))), {-210});
}

TEST_P(OnEveryDevice, SortedValuesStandInTheirPlacesAlongAnyAxis) {
  const Tensor values = random({4, 130, 3}).to(device());
  for (int axis : {0, 1, 2}) {
    for (int64_t k : {int64_t{1}, std::min<int64_t>(7, values.size(axis)), values.size(axis)}) {
      for (const LaidOut& x : layouts_of(values)) {
        const Tensor leaf = x.tensor.detach().set_requires_grad();
        const Sorted found = topk(leaf, k, axis);
        EXPECT_CLOSE(found.values, naive_gather(values, axis, found.indices).to_vector<double>(), 0, 0) << x.name;
        const Tensor want = naive_along(values, axis, [&](const std::vector<double>& v) {
          std::vector<double> sorted = v;
          std::sort(sorted.begin(), sorted.end(), std::greater<>());
          return sorted;
        });
        EXPECT_CLOSE(found.values, want.slice(axis, 0, k).to_vector<double>(), 0, 0) << x.name;
        EXPECT_TRUE(found.values.is_contiguous());
        sum(found.values).backward();
        EXPECT_CLOSE(sum(leaf.grad()), {static_cast<double>(found.values.numel())});
        EXPECT_CLOSE(gather(leaf.grad(), axis, found.indices), ones(found.values.shape()).to_vector<double>());
      }
    }
  }
}

TEST_P(OnEveryDevice, LogaddexpTakesInfinitiesAndGreatDistances) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor a = tensor({-inf, -inf, inf, inf, 1, 1000, -1000, nan, 2}, options()).set_requires_grad();
  const Tensor b = tensor({-inf, 2, inf, -inf, 1, 0, -1000, 2, nan}, options()).set_requires_grad();
  const Tensor sums = logaddexp(a, b);
  EXPECT_CLOSE(sums.detach().slice(0, 0, 7), {-inf, 2, inf, inf, 1 + std::log(2), 1000, -1000 + std::log(2)});
  EXPECT_TRUE(all(isnan(sums.detach().slice(0, 7))).item<bool>());
  sum(sums.slice(0, 1, 2) + 2.0 * sums.slice(0, 4, 5) + 3.0 * sums.slice(0, 5, 6)).backward();
  EXPECT_EQ(a.grad().select(0, 1).item(), 0);
  EXPECT_EQ(b.grad().select(0, 1).item(), 1);
  EXPECT_CLOSE(a.grad().slice(0, 4, 6), {1, 3});
  EXPECT_CLOSE(b.grad().slice(0, 4, 6), {1, 0});
}

}  // namespace
}  // namespace fovea::test
