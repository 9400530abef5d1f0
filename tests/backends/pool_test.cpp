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
      for (int64_t stride : {1, 2, 3}) {
        for (int64_t padding : {0, 1}) {
          if (kernel > width + 2 * padding || 2 * padding > kernel) continue;
          const Tensor x = random({2, 3, 9, width});
          expect_same(x, 2, kernel, {.stride = {2, stride}, .padding = {0, padding}});
          expect_same(x, 3, kernel, {.stride = {1, stride}, .padding = {1, padding}});
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

}  // namespace
}  // namespace fovea::test
