#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include <limits>

#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

/// What the kernels make of x and of a gradient of the results.
struct Pooled {
  std::vector<float> out, dx;
  std::vector<int32_t> index;
};

Pooled pool(const Tensor& x, int64_t rows, int64_t columns, const WindowSteps& steps) {
  Shape shape{x.size(0), x.size(1), steps.positions(0, x.size(2), rows), steps.positions(1, x.size(3), columns)};
  const Tensor out = empty(shape, x.options()), index = empty(shape, {.dtype = i32});
  const Tensor dout = random(shape, {}, 2).to(x.dtype()), dx = empty(x.shape(), x.options());
  x.backend().pool({x.view(), out.view(), &index.view(), {rows, columns}, steps});
  x.backend().pool_backward({dout.view(), &index.view(), dx.view(), {rows, columns}, steps});
  return {out.to_vector<float>(), dx.to_vector<float>(), index.to_vector<int32_t>()};
}

// f32 is computed by vectors, f64 element by element.
void expect_same(const Tensor& x, int64_t rows, int64_t columns, const WindowSteps& steps) {
  const Pooled narrow = pool(x, rows, columns, steps), wide = pool(x.to(f64), rows, columns, steps);
  const auto what = fmt::format("{} kernel {} x {}, steps {} and {}, padding {}", x.shape(), rows, columns,
                                steps.stride[0], steps.stride[1], steps.padding[1]);
  EXPECT_EQ(narrow.index, wide.index) << what;
  EXPECT_THAT(narrow.out, ::testing::Pointwise(::testing::NanSensitiveFloatEq(), wide.out)) << what;
  EXPECT_CLOSE(from_vector(narrow.dx), from_vector(wide.dx)) << what;
}

TEST(Pool, OfF32IsThatOfF64) {
  for (int64_t width : {1, 2, 3, 7, 15, 16, 17, 28, 31, 32, 33, 64, 65, 70}) {
    for (int64_t kernel : {1, 2, 3, 5}) {
      for (int64_t stride : {1, 2, 3, 4, 5}) {
        for (int64_t padding : {0, 1}) {
          if (kernel > width + 2 * padding || 2 * padding > kernel) continue;
          const Tensor x = random({2, 3, 9, width});
          expect_same(x, 2, kernel, {.stride = {2, stride}, .padding = {0, padding}});
          expect_same(x, 3, kernel, {.stride = {1, stride}, .padding = {1, padding}});
          expect_same(x, 3, kernel, {.stride = {2, stride}, .padding = {0, padding}});
        }
      }
    }
  }
}

TEST(Pool, TiesAndValuesThatAreNoNumbersAreTheSame) {
  constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (double value : {1.0, -infinity, nan}) {
    Tensor x = empty({1, 1, 6, 34}).fill_(value);
    expect_same(x, 2, 2, {.stride = {2, 2}});
    expect_same(x, 3, 3, {.stride = {1, 1}, .padding = {1, 1}});
    x.slice(3, 5, 30, 3).fill_(2);
    expect_same(x, 2, 2, {.stride = {2, 2}});
    expect_same(x, 3, 3, {.stride = {2, 2}, .padding = {1, 1}});
  }
}

TEST(Pool, MeansAndTheirGradientsAreTheDefinitions) {
  for (const DType dtype : {f32, f64}) {
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {2, 3}, {5, 7}, {9, 33}}) {
      for (int64_t kernel : {1, 2, 3, 7}) {
        for (int64_t stride : {1, 2, 3, 4}) {
          for (int64_t padding : {0, 1}) {
            const WindowSteps steps{.stride = {stride, 1 + stride % 3}, .padding = {padding, padding}};
            const int64_t tall = std::min(kernel, height), wide = std::min(kernel, width);
            if (2 * padding > std::min(tall, wide)) continue;
            const Tensor x = random({2, 3, height, width}).to(dtype);
            const Shape shape{2, 3, steps.positions(0, height, tall), steps.positions(1, width, wide)};
            const Tensor out = empty(shape, x.options()), dx = empty(x.shape(), x.options());
            const Tensor dout = random(shape, {}, 2).to(dtype);
            x.backend().pool({x.view(), out.view(), nullptr, {tall, wide}, steps});
            x.backend().pool_backward({dout.view(), nullptr, dx.view(), {tall, wide}, steps});
            const auto at = x.to_vector<double>(), share = dout.to_vector<double>();
            std::vector<double> means(static_cast<size_t>(out.numel())), gradient(at.size());
            for (int64_t r = 0; r < out.numel(); ++r) {
              const int64_t j = r % shape[3], i = r / shape[3] % shape[2], plane = r / shape[3] / shape[2];
              for (int64_t p = i * steps.stride[0] - padding; p < i * steps.stride[0] - padding + tall; ++p) {
                for (int64_t q = j * steps.stride[1] - padding; q < j * steps.stride[1] - padding + wide; ++q) {
                  if (p < 0 || p >= height || q < 0 || q >= width) continue;
                  const auto place = static_cast<size_t>((plane * height + p) * width + q);
                  means[static_cast<size_t>(r)] += at[place] / static_cast<double>(tall * wide);
                  gradient[place] += share[static_cast<size_t>(r)] / static_cast<double>(tall * wide);
                }
              }
            }
            EXPECT_CLOSE(out, means);
            EXPECT_CLOSE(dx, gradient);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace fovea::test
