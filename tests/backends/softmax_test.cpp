#include <gtest/gtest.h>

#include <limits>

#include "backends/array.h"

namespace fovea::test {
namespace {

const Shape softmax_shapes[] = {{0, 3}, {1, 1}, {3, 17}, {2, 2, 64}, {65, 130}, {5, 1000}, {7}, {2, 0}};

std::vector<double> naive(const Array& x, bool log) {
  std::vector<double> y;
  const int64_t n = x.view.shape.back();
  for (int64_t row = 0; row * n < x.numel(); ++row) {
    double greatest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; ++i) greatest = std::max(greatest, x.get(row * n + i));
    for (int64_t i = 0; i < n; ++i) sum += std::exp(x.get(row * n + i) - greatest);
    for (int64_t i = 0; i < n; ++i) {
      const double value = x.get(row * n + i) - greatest;
      y.push_back(log ? value - std::log(sum) : std::exp(value) / sum);
    }
  }
  return y;
}

TEST(Softmax, EqualsTheDefinition) {
  for (DType dtype : {f32, f64, f16, bf16}) {
    for (const Shape& shape : softmax_shapes) {
      for (bool log : {false, true}) {
        const Array x = noise(shape, 1, dtype), y = make(shape, dtype);
        for (int64_t i = 0; i < x.numel(); ++i) x.set(i, 9 * x.get(i));
        cpu().softmax({.x = x, .out = y, .log = log});
        SCOPED_TRACE(fmt::format("{} {} log {}", shape, dtype, log));
        expect_close(y.values(), naive(x, log), tolerance(dtype));
      }
    }
  }
}

TEST(Softmax, StaysFiniteFarFromZeroAndMasksInfinity) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const Array x = from({3, 3}, {1000, 1001, -1e30, -inf, 2, -inf, -inf, -inf, -inf}), y = make({3, 3});
  cpu().softmax({.x = x, .out = y});
  const double e = std::exp(-1.0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  expect_close(y.values(), {e / (1 + e), 1 / (1 + e), 0, 0, 1, 0, nan, nan, nan}, 1e-6);
}

TEST(Softmax, KeepsTheDigitsOfLargeLogits) {
  for (double large : {1e4, 1e6, 1e7}) {
    const Array x = full({1, 4}, large), y = make({1, 4});
    cpu().softmax({.x = x, .out = y, .log = true});
    expect_close(y.values(), std::vector<double>(4, -std::log(4.0)), 1e-6);
  }
}

TEST(Softmax, BackwardEqualsTheDefinition) {
  for (DType dtype : {f32, f64, f16, bf16}) {
    for (const Shape& shape : softmax_shapes) {
      for (bool log : {false, true}) {
        const Array x = noise(shape, 1, dtype), y = make(shape, dtype), dy = noise(shape, 2, dtype),
                    dx = make(shape, dtype);
        cpu().softmax({.x = x, .out = y, .log = log});
        cpu().softmax_backward({.y = y, .dy = dy, .dx = dx, .log = log});
        std::vector<double> want;
        const int64_t n = shape.back();
        for (int64_t row = 0; row * n < x.numel(); ++row) {
          double sum = 0;
          for (int64_t i = row * n; i < row * n + n; ++i) sum += log ? dy.get(i) : dy.get(i) * y.get(i);
          for (int64_t i = row * n; i < row * n + n; ++i)
            want.push_back(log ? dy.get(i) - std::exp(y.get(i)) * sum : y.get(i) * (dy.get(i) - sum));
        }
        SCOPED_TRACE(fmt::format("{} {} log {}", shape, dtype, log));
        expect_close(dx.values(), want, 2 * tolerance(dtype));
      }
    }
  }
}

TEST(Softmax, GivesTheSameBytesOnAnyNumberOfThreads) {
  const Array x = noise({300, 257}, 1), dy = noise({300, 257}, 2);
  expect_same_bytes_on_any_threads([&] {
    const Array y = make({300, 257}), dx = make({300, 257});
    cpu().softmax({.x = x, .out = y});
    cpu().softmax_backward({.y = y, .dy = dy, .dx = dx});
    return std::vector{y, dx};
  });
}

}  // namespace
}  // namespace fovea::test
