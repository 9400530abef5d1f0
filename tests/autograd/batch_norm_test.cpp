#include "fovea/autograd/batch_norm.h"

#include <cmath>

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

/// x normalised within each set of elements that `set_of` puts together, then weighted per channel.
template <class F>
Tensor naive(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, int64_t sets, F set_of) {
  const auto xs = x.to_vector<double>(), w = weight.to_vector<double>(), b = bias.to_vector<double>();
  const int64_t channels = x.shape()[1], space = x.numel() / (x.shape()[0] * channels);
  std::vector<double> count(static_cast<size_t>(sets)), sum(count), squares(count), y(xs.size());
  const auto set = [&](size_t i) {
    const int64_t plane = static_cast<int64_t>(i) / space;
    return static_cast<size_t>(set_of(plane / channels, plane % channels));
  };
  for (size_t i = 0; i < xs.size(); ++i) count[set(i)] += 1, sum[set(i)] += xs[i];
  for (size_t i = 0; i < xs.size(); ++i) squares[set(i)] += std::pow(xs[i] - sum[set(i)] / count[set(i)], 2);
  for (size_t i = 0; i < xs.size(); ++i) {
    const size_t s = set(i), c = static_cast<size_t>(static_cast<int64_t>(i) / space % channels);
    y[i] = (xs[i] - sum[s] / count[s]) / std::sqrt(squares[s] / count[s] + eps) * w[c] + b[c];
  }
  return from_vector(y, x.shape());
}

TEST_P(OnEveryDevice, BatchNormUsesTheStatisticsOfTheBatch) {
  for (const Shape& shape : {Shape{5, 3}, Shape{4, 3, 7}, Shape{2, 3, 5, 4}, Shape{1, 1, 9}}) {
    const Tensor x = random(shape, options()), weight = random({shape[1]}, options(), 2);
    const Tensor bias = random({shape[1]}, options(), 3);
    const BatchNormResult made = batch_norm(x, weight, bias, 1e-3);
    const Tensor want = naive(x, weight, bias, 1e-3, shape[1], [](int64_t, int64_t c) { return c; });
    EXPECT_CLOSE(made.y, want.to(f32).to(device()), 1e-4, 1e-4);
    EXPECT_CLOSE(batch_norm_eval(x, made.mean, made.variance, weight, bias, 1e-3), made.y, 1e-4, 1e-4);
  }
}

TEST_P(OnEveryDevice, GroupNormUsesEachSamplesGroups) {
  const Tensor x = random({2, 6, 5, 3}, options()), weight = random({6}, options(), 2);
  const Tensor bias = random({6}, options(), 3);
  for (int64_t groups : {1, 2, 3, 6}) {
    const Tensor want =
        naive(x, weight, bias, 1e-5, 2 * groups, [&](int64_t b, int64_t c) { return b * groups + c / (6 / groups); });
    EXPECT_CLOSE(group_norm(x, groups, weight, bias), want.to(f32).to(device()), 1e-4, 1e-4);
  }
}

TEST(BatchNorm, GradientsHold) {
  for (const double eps : {1e-5, 0.5}) {
    const auto train = [eps](const Tensor& x, const Tensor& w, const Tensor& b) { return batch_norm(x, w, b, eps).y; };
    EXPECT_GRADIENTS(train, random({3, 2, 4}), random({2}, {}, 2), random({2}, {}, 3));
  }
  const Tensor mean = random({2}, {f64, {}}, 4), variance = full({2}, 0.7, {f64, {}});
  const auto eval = [&](const Tensor& x, const Tensor& w, const Tensor& b) {
    return batch_norm_eval(x, mean, variance, w, b);
  };
  EXPECT_GRADIENTS(eval, random({3, 2, 4}), random({2}, {}, 2), random({2}, {}, 3));
  const auto group = [](const Tensor& x, const Tensor& w, const Tensor& b) { return group_norm(x, 2, w, b); };
  EXPECT_GRADIENTS(group, random({2, 4, 3}), random({4}, {}, 2), random({4}, {}, 3));
}

TEST_P(OnEveryDevice, NormsOfHalvesHoldWhatTheirSquaresWouldNot) {
  const Tensor x = tensor({300, -500, 400, -200, 1000, 0, 600, -700}, options()).reshape({2, 4, 1});
  for (const DType dtype : {f16, bf16}) {
    const Tensor half = x.to(dtype), w = full({4}, 0.5, options(dtype)), b = ones({4}, options(dtype));
    const auto same = [&](const Tensor& got, const Tensor& want) {
      EXPECT_EQ(got.dtype(), dtype);
      EXPECT_CLOSE(got.to(f32), want, 0.01, 0.01);
    };
    same(batch_norm(half, w, b).y, batch_norm(x, w.to(f32), b.to(f32)).y);
    same(group_norm(half, 2, w, b), group_norm(x, 2, w.to(f32), b.to(f32)));
    const Tensor mean = zeros({4}, options(dtype)), variance = full({4}, 1e-7, options(dtype));
    same(batch_norm_eval(half * 1e-4, mean, variance, w, b, 1e-6),
         batch_norm_eval((half * 1e-4).to(f32), mean.to(f32), variance.to(f32), w.to(f32), b.to(f32), 1e-6));
  }
}

TEST(BatchNorm, NoticesWhereItsMeanWasChanged) {
  Tensor x = random({4, 2}).set_requires_grad();
  const BatchNormResult made = batch_norm(x);
  Tensor(made.mean).fill_(100);
  EXPECT_ERROR(sum(made.y).backward(), "batch_norm: a value saved for its backward was changed in place");
}

TEST(BatchNorm, ErrorsNameShapesAndCaller) {
  EXPECT_ERROR(batch_norm(zeros({3})), "batch_norm: input [3] is not [batch, channels, ...] (batch_norm_test.cpp:");
  EXPECT_ERROR(batch_norm(zeros({3, 4}), zeros({5})), "batch_norm: [5] for the 4 channels of input [3, 4]");
  EXPECT_ERROR(batch_norm(zeros({0, 4})), "batch_norm: input [0, 4] has no element");
  EXPECT_ERROR(group_norm(zeros({3, 4}), 3), "group_norm: the 4 channels of input [3, 4] are not in 3 even groups");
}

TEST(GroupNorm, OfAnEmptyBatchStaysInTheGraph) {
  Tensor weight = ones({4}).set_requires_grad();
  sum(group_norm(zeros({0, 4, 3}), 2, weight)).backward();
  EXPECT_CLOSE(weight.grad(), zeros({4}), 0, 0);
}

}  // namespace
}  // namespace fovea::test
