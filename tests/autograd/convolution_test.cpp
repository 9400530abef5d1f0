#include "fovea/autograd/convolution.h"

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

struct ConvolutionCase {
  Shape x, weight;
  Conv2dOptions options;
};

const std::vector<ConvolutionCase>& convolution_cases() {
  static const std::vector<ConvolutionCase> list{
      {{2, 3, 7, 6}, {4, 3, 3, 2}, {}},
      {{1, 1, 5, 5}, {1, 1, 5, 5}, {}},
      {{2, 4, 9, 8}, {6, 4, 3, 3}, {.stride = 2, .padding = 1}},
      {{2, 2, 8, 9}, {3, 2, 3, 3}, {.padding = 2, .dilation = 2}},
      {{3, 4, 6, 7}, {6, 2, 3, 3}, {.padding = 1, .groups = 2}},
      {{2, 5, 7, 7}, {5, 1, 3, 3}, {.padding = 1, .groups = 5}},
      {{2, 3, 8, 8}, {6, 1, 3, 3}, {.stride = 2, .padding = 1, .groups = 3}},
      {{2, 7, 5, 3}, {5, 7, 1, 1}, {}},
      {{2, 3, 5, 5}, {4, 3, 1, 1}, {.stride = 2}},
      {{1, 2, 4, 9}, {3, 2, 2, 4}, {.stride = {1, 3}, .padding = {0, 2}, .dilation = {2, 1}}},
      {{1, 40, 6, 70}, {33, 40, 3, 3}, {.padding = 1}},
      {{0, 2, 5, 5}, {3, 2, 3, 3}, {}},
  };
  return list;
}

/// By the definition, element by element.
Tensor naive(const ConvolutionCase& c, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const auto xs = x.to_vector<double>(), ws = weight.to_vector<double>(), bs = bias.to_vector<double>();
  const Shape &s = x.shape(), &w = weight.shape();
  const Conv2dOptions& o = c.options;
  const int64_t oh = (s[2] + 2 * o.padding.height - o.dilation.height * (w[2] - 1) - 1) / o.stride.height + 1;
  const int64_t ow = (s[3] + 2 * o.padding.width - o.dilation.width * (w[3] - 1) - 1) / o.stride.width + 1;
  std::vector<double> y;
  for (int64_t b = 0; b < s[0]; ++b) {
    for (int64_t out = 0; out < w[0]; ++out) {
      const int64_t first = out / (w[0] / o.groups) * w[1];
      for (int64_t i = 0; i < oh; ++i) {
        for (int64_t j = 0; j < ow; ++j) {
          double sum = bs[static_cast<size_t>(out)];
          for (int64_t in = 0; in < w[1]; ++in) {
            for (int64_t p = 0; p < w[2]; ++p) {
              for (int64_t q = 0; q < w[3]; ++q) {
                const int64_t row = i * o.stride.height + p * o.dilation.height - o.padding.height;
                const int64_t column = j * o.stride.width + q * o.dilation.width - o.padding.width;
                if (row < 0 || row >= s[2] || column < 0 || column >= s[3]) continue;
                sum += xs[static_cast<size_t>(((b * s[1] + first + in) * s[2] + row) * s[3] + column)] *
                       ws[static_cast<size_t>(((out * w[1] + in) * w[2] + p) * w[3] + q)];
              }
            }
          }
          y.push_back(sum);
        }
      }
    }
  }
  return from_vector(y, {s[0], w[0], oh, ow});
}

TEST_P(OnEveryDevice, Conv2dFollowsItsDefinition) {
  for (const ConvolutionCase& c : convolution_cases()) {
    const Tensor x = random(c.x, options(), 1), weight = random(c.weight, options(), 2);
    const Tensor bias = random({c.weight[0]}, options(), 3);
    EXPECT_CLOSE(conv2d(x, weight, bias, c.options), naive(c, x, weight, bias).to(f32).to(device()), 1e-4, 1e-4);
    for (const LaidOut& layout : layouts_of(x)) {
      EXPECT_CLOSE(conv2d(layout.tensor, weight, bias, c.options), conv2d(x, weight, bias, c.options))
          << layout.name << " " << to_string(c.x);
    }
  }
}

TEST(Convolution, GradientsHold) {
  for (const ConvolutionCase& c : convolution_cases()) {
    if (c.x.numel() == 0 || c.x.numel() > 400) continue;
    const auto f = [&](const Tensor& x, const Tensor& weight, const Tensor& bias) {
      return conv2d(x, weight, bias, c.options);
    };
    EXPECT_GRADIENTS(f, random(c.x), random(c.weight, {}, 2), random({c.weight[0]}, {}, 3));
  }
}

TEST(Convolution, OneDimensionIsTwoOfHeightOne) {
  const Tensor x = random({2, 4, 11}), weight = random({6, 2, 3}, {}, 2), bias = random({6}, {}, 3);
  const Conv1dOptions o{.stride = 2, .padding = 2, .dilation = 2, .groups = 2};
  EXPECT_CLOSE(conv1d(x, weight, bias, o),
               conv2d(x.unsqueeze(2), weight.unsqueeze(2), bias,
                      {.stride = {1, 2}, .padding = {0, 2}, .dilation = {1, 2}, .groups = 2})
                   .squeeze(2));
  EXPECT_CLOSE(conv1d(x.select(0, 1), weight, bias, o), conv1d(x, weight, bias, o).select(0, 1));
}

TEST(Convolution, ShortTypesAreComputedInF32) {
  const Tensor x = random({1, 2, 5, 5}).to(bf16), weight = random({3, 2, 3, 3}, {}, 2).to(bf16);
  const Tensor y = conv2d(x, weight);
  EXPECT_EQ(y.dtype(), bf16);
  EXPECT_CLOSE(y, conv2d(x.to(f32), weight.to(f32)).to(bf16));
}

TEST(ConvolutionTranspose, IsTheAdjointOfTheConvolution) {
  const Conv2dOptions o{.stride = 2, .padding = 1, .groups = 2};
  const Tensor x = random({2, 4, 8, 7}, {f64, {}}), weight = random({6, 2, 3, 3}, {f64, {}}, 2);
  const Tensor y = conv2d(x, weight, {}, o), g = random(y.shape(), {f64, {}}, 3);
  const Tensor back = conv_transpose2d(g, weight, {}, o, {1, 0});
  ASSERT_EQ(back.shape(), x.shape());
  EXPECT_NEAR(sum(y * g).item(), sum(x * back).item(), 1e-9);
}

TEST(ConvolutionTranspose, OneDimensionIsTwoOfHeightOne) {
  const Tensor x = random({2, 4, 5}), weight = random({4, 3, 3}, {}, 2), bias = random({6}, {}, 3);
  const Conv1dOptions o{.stride = 3, .padding = 1, .dilation = 2, .groups = 2};
  const Tensor y = conv_transpose1d(x, weight, bias, o, 1);
  EXPECT_EQ(y.shape(), (Shape{2, 6, 16}));
  EXPECT_CLOSE(y, conv_transpose2d(x.unsqueeze(2), weight.unsqueeze(2), bias,
                                   {.stride = {1, 3}, .padding = {0, 1}, .dilation = {1, 2}, .groups = 2}, {0, 1})
                      .squeeze(2));
  EXPECT_CLOSE(conv_transpose1d(x.select(0, 1), weight, bias, o, 1), y.select(0, 1));
}

TEST(ConvolutionTranspose, GradientsHold) {
  const auto f = [](const Tensor& x, const Tensor& weight, const Tensor& bias) {
    return conv_transpose2d(x, weight, bias, {.stride = 2, .padding = 1}, 1);
  };
  EXPECT_GRADIENTS(f, random({2, 3, 3, 4}), random({3, 2, 3, 3}, {}, 2), random({2}, {}, 3));
}

TEST(Convolution, DoesNotDependOnTheNumberOfThreads) {
  const Tensor x = random({5, 8, 17, 19}), weight = random({16, 8, 3, 3}, {}, 2), g = random({5, 16, 17, 19}, {}, 3);
  const auto results = [&] {
    Tensor a = x.clone().set_requires_grad(), b = weight.clone().set_requires_grad();
    const Tensor y = conv2d(a, b, {}, {.padding = 1});
    y.backward(g);
    return std::array{y.to_vector<float>(), a.grad().to_vector<float>(), b.grad().to_vector<float>()};
  };
  const int before = num_threads();
  set_num_threads(1);
  const auto one = results();
  set_num_threads(3);
  const auto three = results();
  set_num_threads(before);
  EXPECT_EQ(one, three);
}

TEST_P(OnEveryDevice, ConvolutionOfNothingHasGradientsOfZero) {
  for (const auto& [channels, height, out] : {std::array<int64_t, 3>{0, 3, 4}, {2, 0, 4}, {2, 3, 0}}) {
    const Tensor x = ones({2, channels, 5, 5}, options()).set_requires_grad();
    const Tensor weight = ones({out, channels, height, 3}, options()).set_requires_grad();
    sum(conv2d(x, weight)).backward();
    EXPECT_EQ(x.grad().to_vector<float>(), std::vector<float>(static_cast<size_t>(x.numel()), 0));
    EXPECT_EQ(weight.grad().to_vector<float>(), std::vector<float>(static_cast<size_t>(weight.numel()), 0));
  }
}

TEST(Convolution, ErrorsNameShapesAndCaller) {
  EXPECT_ERROR(conv2d(zeros({1, 3, 8, 8}), zeros({4, 2, 3, 3})),
               "conv2d: input [1, 3, 8, 8] does not fit weight [4, 2, 3, 3] in 1 group (convolution_test.cpp:");
  EXPECT_ERROR(conv2d(zeros({1, 3, 2, 8}), zeros({4, 3, 3, 3})),
               "conv2d: kernel [4, 3, 3, 3] is larger than the padded input [1, 3, 2, 8]");
  EXPECT_ERROR(conv2d(zeros({1, 3, 8, 8}), zeros({4, 3, 3, 3}), {}, {.stride = 0}), "conv2d: stride, dilation");
  EXPECT_ERROR(conv1d(zeros({1, 1, 4}), zeros({1, 1, 2}), {}, {.padding = INT64_MAX}),
               "conv1d: a stride, dilation or padding of 9223372036854775807 is too large (convolution_test.cpp:");
  EXPECT_ERROR(conv_transpose1d(zeros({1, 3, 8}), zeros({4, 3, 3}), zeros({3})),
               "conv_transpose1d: input [1, 3, 8] does not fit weight [4, 3, 3] and bias [3] in 1 group "
               "(convolution_test.cpp:");
  EXPECT_ERROR(conv_transpose1d(zeros({1, 3, 8, 8}), zeros({3, 3, 3})),
               "conv_transpose1d: input [1, 3, 8, 8] does not fit weight [3, 3, 3] (convolution_test.cpp:");
  EXPECT_ERROR(conv_transpose1d(zeros({1, 3, 8}), zeros({3, 3, 3}), {}, {.stride = 2}, 2),
               "conv_transpose1d: output padding 2 must be less than stride or dilation (convolution_test.cpp:");
  EXPECT_ERROR(conv_transpose1d(zeros({1, 3, 1}), zeros({3, 3, 3}), {}, {.padding = 2}),
               "conv_transpose1d: input [1, 3, 1] and weight [3, 3, 3] leave no output (convolution_test.cpp:");
  EXPECT_ERROR(conv1d(zeros({1, 3, 8}), zeros({4, 3, 3}, {f64, {}})), "conv1d: dtypes differ: f32 and f64");
  const Tensor dot = zeros({1, 1, 1, 1}), image = zeros({1, 1, 3, 3}), kernel = zeros({1, 1, 2, 2});
  EXPECT_ERROR(conv2d(dot, dot, {}, {.padding = INT32_MAX}),
               "conv2d: [1, 1, 4294967295, 4294967295] has too many elements (convolution_test.cpp:");
  EXPECT_ERROR(conv_transpose2d(image, kernel, {}, {.stride = INT32_MAX}),  // 0 to 64 bits
               "conv_transpose2d: [1, 1, 4294967296, 4294967296] has too many elements (convolution_test.cpp:");
}

}  // namespace
}  // namespace fovea::test
