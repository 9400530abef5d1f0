#include "fovea/tensor/axis_order.h"

#include <cmath>

#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"
#include "support/naive.h"

namespace fovea::test {
namespace {

/// Views of all orders of axes that are not those of a dense tensor.
std::vector<Tensor> turned_views(TensorOptions options) {
  return {random({5, 7}, options).mT(),
          random({33, 130}, options).mT(),
          random({4, 1, 9}, options).transpose(0, 2),
          random({3, 4, 5}, options).permute({2, 0, 1}),
          random({3, 4, 5}, options).permute({1, 0, 2}),
          random({2, 3, 4, 17}, options).permute({0, 3, 1, 2}),
          random({6, 10}, options).slice(1, 1, 9, 2).mT(),
          random({6, 10}, options).flip({0}).mT(),
          random({6, 10}, options).flip({1}).mT(),
          random({0, 3}, options).mT(),
          random({5, 1}, options).expand({5, 4}).mT()};
}

TEST_P(OnEveryDevice, ResultsOfTurnedInputsAreThoseOfDenseOnes) {
  for (const Tensor& x : turned_views(options())) {
    SCOPED_TRACE(fmt::format("{} with strides {}", x.shape(), x.strides()));
    const Tensor dense = x.contiguous(), other = random(x.shape(), options(), 2),
                 last = random({x.shape().back()}, options(), 3);
    EXPECT_CLOSE(exp(x), exp(dense), 0, 0);
    EXPECT_CLOSE(x + x, dense + dense, 0, 0);
    EXPECT_CLOSE(x * 2.0 - last, dense * 2.0 - last, 0, 0);
    EXPECT_CLOSE(x * other, dense * other, 0, 0);
    EXPECT_CLOSE((x > 0.0).to(f32), (dense > 0.0).to(f32), 0, 0);
    EXPECT_CLOSE(x.to(bf16).to(f32), dense.to(bf16).to(f32), 0, 0);
    for (int axis = -1; axis < x.rank(); ++axis) {
      const Axes axes = axis < 0 ? Axes{} : Axes{axis};
      for (const bool keepdim : {false, true}) {
        EXPECT_CLOSE(sum(x, axes, keepdim), sum(dense, axes, keepdim), 1e-5, 1e-5);
        if (x.numel() == 0) continue;
        EXPECT_CLOSE(amax(x, axes, keepdim), amax(dense, axes, keepdim), 0, 0);
      }
    }
    Tensor a = dense.clone().set_requires_grad(), b = last.clone().set_requires_grad();
    Tensor c = dense.clone().set_requires_grad(), d = last.clone().set_requires_grad();
    // The same leaf read in the order of x, and as it lies.
    const Shape places = [&] {
      Shape all;
      for (int axis = 0; axis < x.rank(); ++axis) all.push_back(x.rank() - 1 - axis);
      return all;
    }();
    sum(tanh(a.permute(places).contiguous().permute(places) * b)).backward();
    sum(tanh(c * d)).backward();
    EXPECT_CLOSE(a.grad(), c.grad(), 1e-5, 1e-6);
    EXPECT_CLOSE(b.grad(), d.grad(), 1e-5, 1e-5);
  }
}

TEST_P(OnEveryDevice, ResultsLieAsTheInputsDo) {
  const Tensor x = random({3, 4, 5}, options()).permute({2, 0, 1}), bias = random({4}, options());
  EXPECT_EQ(exp(x).strides(), x.strides());
  EXPECT_EQ((x + bias).strides(), x.strides());
  EXPECT_EQ((x + exp(x)).strides(), x.strides());
  EXPECT_EQ(x.to(bf16).strides(), x.strides());
  EXPECT_TRUE((x + random({5, 3, 4}, options())).is_contiguous());
  EXPECT_TRUE(x.contiguous().is_contiguous());
  EXPECT_TRUE(x.clone().is_contiguous());
}

TEST_P(OnEveryDevice, RowsTimesColumns) {
  for (int64_t k : {0, 1, 2, 15, 4097, 10001}) {
    const Tensor a = random({k}, options()), b = random({k}, options(), 2);
    const double want = naive_matmul(a.unsqueeze(0), b.unsqueeze(1)).item();
    EXPECT_NEAR(matmul(a, b).item(), want, 1e-5 * (1 + std::sqrt(static_cast<double>(k))));
  }
  const Tensor a = random({3, 1, 1, 9}, options()), b = random({2, 9, 1}, options(), 2);
  EXPECT_CLOSE(matmul(a, b), naive_matmul(a, b).to(f32).to(device()));
  const Tensor column = random({1, 9}, options(), 3).mT();
  EXPECT_CLOSE(matmul(a, column), naive_matmul(a, column).to(f32).to(device()));
}

}  // namespace
}  // namespace fovea::test
