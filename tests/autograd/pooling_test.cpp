#include "fovea/autograd/pooling.h"

#include <cmath>
#include <limits>

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

struct PoolingCase {
  Shape x;
  Extent kernel;
  Pool2dOptions options;
};

const std::vector<PoolingCase>& pooling_cases() {
  static const std::vector<PoolingCase> list{
      {{2, 3, 6, 8}, 2, {}},
      {{2, 3, 7, 9}, {3, 2}, {}},
      {{1, 2, 7, 7}, 3, {.stride = 2, .padding = 1}},
      {{2, 1, 9, 5}, {4, 3}, {.stride = {3, 1}, .padding = {2, 0}}},
      {{3, 2, 5, 5}, 5, {}},
      {{1, 2, 5, 75}, {3, 5}, {.stride = {1, 2}, .padding = {1, 2}}},
      {{2, 1, 3, 70}, {2, 3}, {.stride = 1, .padding = {0, 1}}},
      {{1, 1, 4, 35}, {1, 2}, {}},
      {{1, 1, 1, 1}, 1, {}},
      {{0, 2, 4, 4}, 2, {}},
  };
  return list;
}

/// By the definition: the greatest of what lies inside, or the sum of it over the kernel's size.
Tensor naive(const PoolingCase& c, const Tensor& x, bool greatest) {
  const auto xs = x.to_vector<double>();
  const Shape& s = x.shape();
  const int64_t sh = c.options.stride.height ? c.options.stride.height : c.kernel.height;
  const int64_t sw = c.options.stride.width ? c.options.stride.width : c.kernel.width;
  const int64_t ph = c.options.padding.height, pw = c.options.padding.width;
  const int64_t oh = (s[2] + 2 * ph - c.kernel.height) / sh + 1, ow = (s[3] + 2 * pw - c.kernel.width) / sw + 1;
  std::vector<double> y;
  for (int64_t plane = 0; plane < s[0] * s[1]; ++plane) {
    for (int64_t i = 0; i < oh; ++i) {
      for (int64_t j = 0; j < ow; ++j) {
        double most = -std::numeric_limits<double>::infinity(), sum = 0;
        for (int64_t p = i * sh - ph; p < i * sh - ph + c.kernel.height; ++p) {
          for (int64_t q = j * sw - pw; q < j * sw - pw + c.kernel.width; ++q) {
            if (p < 0 || p >= s[2] || q < 0 || q >= s[3]) continue;
            const double value = xs[static_cast<size_t>((plane * s[2] + p) * s[3] + q)];
            most = std::max(most, value);
            sum += value;
          }
        }
        y.push_back(greatest ? most : sum / static_cast<double>(c.kernel.height * c.kernel.width));
      }
    }
  }
  return from_vector(y, {s[0], s[1], oh, ow});
}

TEST_P(OnEveryDevice, PoolsFollowTheirDefinition) {
  for (const PoolingCase& c : pooling_cases()) {
    const Tensor x = random(c.x, options());
    EXPECT_CLOSE(max_pool2d(x, c.kernel, c.options), naive(c, x, true).to(f32).to(device()));
    EXPECT_CLOSE(avg_pool2d(x, c.kernel, c.options), naive(c, x, false).to(f32).to(device()));
    for (const LaidOut& layout : layouts_of(x)) {
      EXPECT_CLOSE(max_pool2d(layout.tensor, c.kernel, c.options), max_pool2d(x, c.kernel, c.options)) << layout.name;
      EXPECT_CLOSE(avg_pool2d(layout.tensor, c.kernel, c.options), avg_pool2d(x, c.kernel, c.options)) << layout.name;
    }
  }
}

TEST_P(OnEveryDevice, WindowsMayBeMuchLargerThanTheImage) {
  constexpr int64_t side = int64_t{1} << 28;
  const Pool2dOptions by_one{.stride = 1, .padding = side / 2};
  const Tensor x = test::random({2, 3, 4}, options()).set_requires_grad();
  const double greatest = amax(x.detach()).item(), all = sum(x.detach()).item();
  const Tensor most = max_pool2d(x, side, by_one), means = avg_pool2d(x, side, by_one) * std::pow(2.0, 56);
  EXPECT_EQ(most.shape(), (Shape{2, 4, 5}));
  EXPECT_CLOSE(most.detach().select(0, 0), full({4, 5}, amax(x.detach().select(0, 0)).item(), options()), 0, 0);
  EXPECT_CLOSE(sum(means.detach()) / 20.0, {all});
  sum(most).backward();
  EXPECT_CLOSE(sum(x.grad()), {40});
  EXPECT_CLOSE(sum(x.grad() * x.detach()), {20 * (greatest + amin(amax(x.detach(), {1, 2})).item())});
  Tensor(x).zero_grad();
  sum(means).backward();
  EXPECT_CLOSE(x.grad(), full({2, 3, 4}, 20, options()));
}

TEST_P(OnEveryDevice, StepsMayBeMuchLargerThanTheImage) {
  for (const bool greatest : {false, true}) {
    const Tensor x = arange(16, options()).reshape({1, 4, 4}).set_requires_grad();
    const Pool2dOptions far{.stride = INT32_MAX};
    const Tensor y = greatest ? max_pool2d(x, 2, far) : avg_pool2d(x, 2, far) * 4.0;
    EXPECT_CLOSE(y.detach().reshape({1}), {greatest ? 5.0 : 10.0});
    sum(y).backward();
    const double others = greatest ? 0 : 1;
    EXPECT_CLOSE(x.grad().reshape({16}), {others, others, 0, 0, others, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  }
}

TEST(Pooling, ShortFloatsFindTheSamePlaces) {
  // Of few values, so that there are equals, and of the special ones.
  const double some[] = {
      1, 2, NAN, -std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), 0, -0.0};
  for (const PoolingCase& c : pooling_cases()) {
    std::vector<double> values;
    for (int64_t i = 0; i < c.x.numel(); ++i) values.push_back(some[static_cast<size_t>(i * i * 31 % 97 + i / 3) % 7]);
    const auto places = [&](DType dtype) {
      Tensor x = from_vector(values, c.x).to(dtype).set_requires_grad();
      const Tensor y = max_pool2d(x, c.kernel, c.options);
      // Weights that differ tell the places of the results from each other.
      y.backward(arange(1, static_cast<double>(y.numel()) + 1, 1, {dtype, {}}).reshape(y.shape()));
      return std::pair(y.detach().to(f64), x.grad().to(f64));
    };
    const auto expected = places(f64), got = places(f32);
    EXPECT_CLOSE(got.first, expected.first) << to_string(c.x);
    EXPECT_CLOSE(got.second, expected.second) << to_string(c.x);
  }
}

TEST(Pooling, GradientsHold) {
  for (const PoolingCase& c : pooling_cases()) {
    if (c.x.numel() == 0) continue;
    const auto greatest = [&](const Tensor& x) { return max_pool2d(x, c.kernel, c.options); };
    const auto means = [&](const Tensor& x) { return avg_pool2d(x, c.kernel, c.options); };
    EXPECT_GRADIENTS(greatest, random(c.x));
    EXPECT_GRADIENTS(means, random(c.x));
  }
}

TEST(Pooling, TheFirstOfEqualsTakesTheGradientAndNaNWins) {
  Tensor x = from_vector(std::vector<float>{1, 1, 1, 1, 0, NAN, 2, 3}, {1, 1, 2, 4}).set_requires_grad();
  const Tensor y = max_pool2d(x, 2);
  EXPECT_TRUE(std::isnan(y.to_vector<float>()[0]));
  EXPECT_EQ(y.to_vector<float>()[1], 3);
  y.backward(ones_like(y));
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 0, 0, 0, 0, 1, 0, 1}));
  Tensor equal = ones({1, 1, 2, 2}).set_requires_grad();
  max_pool2d(equal, 2).backward();
  EXPECT_EQ(equal.grad().to_vector<float>(), (std::vector<float>{1, 0, 0, 0}));
}

TEST_P(OnEveryDevice, TheLastOfSeveralNaNTakesTheGradient) {
  const std::vector<float> values{NAN, 1, 2, 3, 4, NAN, 6, 7, 1, 2, NAN, NAN, 3, 4, NAN, 1};
  for (const Pool2dOptions& pool : {Pool2dOptions{}, Pool2dOptions{.stride = 1, .padding = 1}}) {
    const bool apart = pool.padding.height == 0;
    Tensor x = from_vector(values, {1, 1, 4, 4}, device()).set_requires_grad();
    const Tensor y = max_pool2d(x, apart ? 2 : 3, pool);
    sum(y).backward();
    // As PyTorch 2.15.
    EXPECT_EQ(x.grad().to_vector<float>(), apart
                                               ? (std::vector<float>{0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0})
                                               : (std::vector<float>{0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 1, 2, 0, 1, 6, 0}));
  }
}

TEST_P(OnEveryDevice, AdaptiveAveragesKeepInfinitiesInTheirParts) {
  const float inf = std::numeric_limits<float>::infinity();
  Tensor x = from_vector(std::vector<float>{1, 2, 3, inf, 5, 6, 7, 8, 9}, {1, 3, 3}, device()).set_requires_grad();
  const Tensor y = adaptive_avg_pool2d(x, 2);
  EXPECT_CLOSE(y, {inf, 4, inf, 7});
  sum(y).backward();
  EXPECT_CLOSE(x.grad(), {0.25, 0.5, 0.25, 0.5, 1, 0.5, 0.25, 0.5, 0.25});
  const Tensor even = from_vector(std::vector<float>{inf, 2, 3, 4, 5, 6, 7, NAN}, {1, 2, 4}, device());
  EXPECT_CLOSE(adaptive_avg_pool2d(even, {1, 4}), {inf, 4, 5, NAN});
  EXPECT_CLOSE(adaptive_avg_pool2d(even, {2, 3}), {inf, 2.5, 3.5, 5.5, 6.5, NAN});
  EXPECT_CLOSE(adaptive_avg_pool2d(even, {4, 4}).select(1, 3), {5, 6, 7, NAN});
}

TEST(Pooling, OneDimension) {
  const Tensor x = random({2, 3, 9});
  EXPECT_CLOSE(max_pool1d(x, 3, {.stride = 2, .padding = 1}),
               max_pool2d(x.unsqueeze(2), {1, 3}, {.stride = {1, 2}, .padding = {0, 1}}).squeeze(2));
  EXPECT_CLOSE(avg_pool1d(x, 3), avg_pool2d(x.unsqueeze(2), {1, 3}).squeeze(2));
  EXPECT_CLOSE(max_pool1d(x.select(0, 0), 3), max_pool1d(x, 3).select(0, 0));
}

TEST_P(OnEveryDevice, AdaptiveAveragesCoverTheImage) {
  const Tensor x = random({2, 3, 7, 5}, options());
  const auto xs = x.to_vector<double>();
  std::vector<double> y;
  for (int64_t plane = 0; plane < 6; ++plane) {
    for (int64_t i = 0; i < 3; ++i) {
      for (int64_t j = 0; j < 2; ++j) {
        const int64_t p0 = i * 7 / 3, p1 = ((i + 1) * 7 + 2) / 3, q0 = j * 5 / 2, q1 = ((j + 1) * 5 + 1) / 2;
        double sum = 0;
        for (int64_t p = p0; p < p1; ++p) {
          for (int64_t q = q0; q < q1; ++q) sum += xs[static_cast<size_t>((plane * 7 + p) * 5 + q)];
        }
        y.push_back(sum / static_cast<double>((p1 - p0) * (q1 - q0)));
      }
    }
  }
  EXPECT_CLOSE(adaptive_avg_pool2d(x, {3, 2}), from_vector(y, {2, 3, 3, 2}).to(f32).to(device()), 1e-5, 1e-5);
  EXPECT_CLOSE(adaptive_avg_pool2d(x, 1),
               adaptive_avg_pool2d(x, {1, 2}).shape() == Shape{2, 3, 1, 2} ? avg_pool2d(x, {7, 5}) : Tensor(), 1e-5,
               1e-5);
}

TEST(Pooling, AdaptiveAndUpsampleGradientsHold) {
  const auto adaptive = [](const Tensor& x) { return adaptive_avg_pool2d(x, {2, 3}); };
  const auto upsample = [](const Tensor& x) { return upsample_nearest(x, {2, 3}); };
  EXPECT_GRADIENTS(adaptive, random({1, 2, 5, 4}));
  EXPECT_GRADIENTS(upsample, random({1, 2, 2, 3}));
}

TEST_P(OnEveryDevice, UpsampleRepeatsEveryElement) {
  const Tensor x = from_vector(std::vector<float>{1, 2, 3, 4}, {1, 1, 2, 2}, device());
  EXPECT_CLOSE(upsample_nearest(x, {1, 2}),
               from_vector(std::vector<float>{1, 1, 2, 2, 3, 3, 4, 4}, {1, 1, 2, 4}, device()));
  EXPECT_CLOSE(upsample_nearest(x, {2, 1}),
               from_vector(std::vector<float>{1, 2, 1, 2, 3, 4, 3, 4}, {1, 1, 4, 2}, device()));
}

TEST_P(OnEveryDevice, UpsampleGivesMemoryOfItsOwn) {
  const Tensor x = ones({1, 1, 2}, options());
  for (const Extent& factor : {Extent{1, 1}, Extent{3, 1}, Extent{2, 2}}) {
    upsample_nearest(x, factor).mul_(5);
    EXPECT_CLOSE(x, {1, 1}, 0, 0) << factor.height;
  }
}

TEST(Pooling, ErrorsNameShapesAndCaller) {
  EXPECT_ERROR(max_pool2d(zeros({2, 3}), 2), "max_pool2d: input [2, 3] is not [batch, channels, height, width] (");
  EXPECT_ERROR(max_pool2d(zeros({1, 1, 2, 2}), 3),
               "max_pool2d: a window of 3 is larger than the padded input [1, 1, 2, 2] (pooling_test.cpp:");
  EXPECT_ERROR(avg_pool2d(zeros({1, 1, 8, 8}), 2, {.padding = 2}), "avg_pool2d: kernel and stride must be");
  EXPECT_ERROR(avg_pool2d(zeros({1, 1, 8, 8}), 2, {.padding = INT64_MAX}), "avg_pool2d: kernel and stride must be");
  EXPECT_ERROR(avg_pool2d(zeros({1, 1, 8, 8}), 2, {.padding = {0, 2}}), "avg_pool2d: kernel and stride must be");
  EXPECT_ERROR(upsample_nearest(zeros({1, 2, 2}), {int64_t{1} << 62, 1}),
               "upsample_nearest: [1, 2, 4611686018427387904, 2, 1] has too many elements (pooling_test.cpp:");
  EXPECT_ERROR(adaptive_avg_pool2d(zeros({1, 4, 4}, {i32, {}}), 2), "adaptive_avg_pool2d: needs a floating dtype");
  EXPECT_ERROR(adaptive_avg_pool2d(zeros({1, 0, 4}), 2),
               "adaptive_avg_pool2d: there is nothing in an input of [1, 0, 4] (pooling_test.cpp:");
  EXPECT_ERROR(max_pool2d(zeros({1, 1, 8, 8}, {i32, {}}), 2), "max_pool2d: needs a floating dtype, not i32");
  const int64_t large = int64_t{1} << 40;
  EXPECT_ERROR(max_pool1d(zeros({1, 1, 4}), large, {.padding = large / 2}),
               "max_pool1d: a kernel or stride of 1099511627776 is too large (pooling_test.cpp:");
  EXPECT_ERROR(avg_pool1d(zeros({1, 1, 4}), 2, {.stride = large}),
               "avg_pool1d: a kernel or stride of 1099511627776 is");
  EXPECT_ERROR(max_pool2d(zeros({1}).expand({1, 1, large, 1}), 2, {.padding = 1}),
               "max_pool2d: input [1, 1, 1099511627776, 1] has more elements in a plane than i32 counts (");
  EXPECT_ERROR(adaptive_avg_pool1d(zeros({1, 1, 4}), large),
               "adaptive_avg_pool1d: 1099511627776 parts of 4 elements are too many (pooling_test.cpp:");
}

TEST(Pooling, ThereIsNoWindowOfNothing) {
  for (const DType dtype : {f32, f64}) {
    const Tensor none = zeros({1, 1, 0, 4}, {dtype, {}});
    EXPECT_ERROR(max_pool2d(none, 2, {.padding = 1}), "max_pool2d: there is nothing in an input of [1, 1, 0, 4] (");
    EXPECT_ERROR(avg_pool2d(none, 2, {.padding = 1}), "avg_pool2d: there is nothing in an input of [1, 1, 0, 4] (");
    EXPECT_ERROR(avg_pool3d(none, 2, {.padding = 1}), "avg_pool3d: there is nothing in an input of [1, 1, 0, 4] (");
    EXPECT_ERROR(adaptive_avg_pool2d(none, 1), "adaptive_avg_pool2d: there is nothing in an input of [1, 1, 0, 4] (");
  }
  EXPECT_EQ(max_pool2d(zeros({0, 3, 4, 4}), 2).shape(), (Shape{0, 3, 2, 2}));
}

TEST_P(OnEveryDevice, UpsampleRepeatsEveryElementOfAnyShape) {
  for (const Shape& shape :
       {Shape{1, 1, 1}, Shape{2, 3, 5}, Shape{2, 3, 4, 17}, Shape{1, 2, 7, 33}, Shape{0, 2, 3, 4}}) {
    for (const Extent& factor : {Extent{1, 1}, Extent{2, 2}, Extent{3, 1}, Extent{1, 3}, Extent{2, 4}, Extent{3, 20}}) {
      for (const DType dtype : {f32, f16, i32, boolean}) {
        const Tensor values = (random(shape) * 3.0).to(dtype).to(device());
        Shape large = shape;
        const int64_t height = large[large.rank() - 2] *= factor.height,
                      width = large[large.rank() - 1] *= factor.width;
        for (const auto& [name, x] : layouts_of(values)) {
          const Tensor y = upsample_nearest(x, factor);
          ASSERT_EQ(y.shape(), large);
          ASSERT_EQ(y.dtype(), dtype);
          const std::vector<double> from = values.to_vector<double>();
          std::vector<double> want;
          for (int64_t i = 0; i < large.numel(); ++i) {
            const int64_t plane = i / (height * width), row = i / width % height, column = i % width;
            want.push_back(
                from[static_cast<size_t>(plane * (height / factor.height) * (width / factor.width) +
                                         row / factor.height * (width / factor.width) + column / factor.width)]);
          }
          EXPECT_CLOSE(y, want, 0, 0);
        }
      }
    }
  }
  const Tensor x = random({2, 3, 4, 5}).to(device()).set_requires_grad(), g = random({2, 3, 8, 15}, {}, 2).to(device());
  upsample_nearest(x, {2, 3}).backward(g);
  EXPECT_CLOSE(x.grad(), sum(g.reshape({2, 3, 4, 2, 5, 3}), {3, 5}).to_vector<double>());
}

}  // namespace
}  // namespace fovea::test
