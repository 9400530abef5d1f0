// Convolutions and pools of volumes, which are made of those of images.
#include <cmath>

#include "fovea/autograd/convolution.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/pooling.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"
#include "support/numbers.h"

namespace fovea::test {
namespace {

struct VolumeCase {
  Shape x, weight;
  Conv3dOptions options;
};

const std::vector<VolumeCase>& volume_cases() {
  static const std::vector<VolumeCase> list{
      {{2, 3, 5, 6, 7}, {4, 3, 3, 3, 3}, {.padding = 1}},
      {{1, 2, 4, 5, 5}, {3, 2, 1, 3, 2}, {}},
      {{2, 4, 6, 5, 4}, {6, 2, 2, 3, 1}, {.stride = {2, 1, 3}, .padding = {1, 0, 2}, .groups = 2}},
      {{1, 3, 7, 4, 4}, {3, 1, 3, 2, 2}, {.stride = 2, .padding = {2, 1, 0}, .dilation = {2, 1, 2}, .groups = 3}},
      {{2, 1, 1, 1, 1}, {2, 1, 1, 1, 1}, {}},
      {{0, 2, 3, 3, 3}, {3, 2, 2, 2, 2}, {}},
  };
  return list;
}

TEST_P(OnEveryDevice, Conv3dFollowsItsDefinition) {
  for (const VolumeCase& c : volume_cases()) {
    const Tensor x = random(c.x, options(), 1), weight = random(c.weight, options(), 2);
    const Tensor bias = random({c.weight[0]}, options(), 3), y = conv3d(x, weight, bias, c.options);
    const Numbers want = naive_conv3d(Numbers(x), Numbers(weight), Numbers(bias), c.options);
    EXPECT_CLOSE(y, from_vector(want.values, want.shape).to(f32).to(device()), 1e-4, 1e-4);
    for (const LaidOut& layout : layouts_of(x)) {
      EXPECT_CLOSE(conv3d(layout.tensor, weight, bias, c.options), y) << layout.name << " " << to_string(c.x);
    }
    if (c.x[0] == 0) continue;
    EXPECT_CLOSE(conv3d(x.select(0, c.x[0] - 1), weight, bias, c.options), y.select(0, c.x[0] - 1), 1e-4, 1e-4);
  }
}

TEST(Volumes, TheTransposedConvolutionIsTheAdjoint) {
  for (const VolumeCase& c : volume_cases()) {
    if (c.x[0] == 0) continue;
    const Tensor x = random(c.x, {f64, {}}), weight = random(c.weight, {f64, {}}, 2);
    const Tensor y = conv3d(x, weight, {}, c.options), g = random(y.shape(), {f64, {}}, 3);
    // What a stride leaves over at the end.
    const auto rest = [&](int axis, int64_t stride, int64_t padding, int64_t dilation) {
      return (c.x[axis] + 2 * padding - dilation * (c.weight[axis] - 1) - 1) % stride;
    };
    const Conv3dOptions& o = c.options;
    const Extent3d left{rest(2, o.stride.depth, o.padding.depth, o.dilation.depth),
                        rest(3, o.stride.plane.height, o.padding.plane.height, o.dilation.plane.height),
                        rest(4, o.stride.plane.width, o.padding.plane.width, o.dilation.plane.width)};
    const Tensor back = conv_transpose3d(g, weight, {}, o, left);
    ASSERT_EQ(back.shape(), x.shape());
    EXPECT_NEAR(sum(y * g).item(), sum(x * back).item(), 1e-9) << to_string(c.x);
    const Tensor bias = random({back.size(1)}, {f64, {}}, 4);
    EXPECT_CLOSE(conv_transpose3d(g, weight, bias, o, left), back + bias.reshape({-1, 1, 1, 1}));
    EXPECT_CLOSE(conv_transpose3d(g.select(0, 0), weight, bias, o, left),
                 (back + bias.reshape({-1, 1, 1, 1})).select(0, 0));
  }
}

TEST(Volumes, ShortTypesAreComputedInF32) {
  const Tensor x = random({1, 2, 3, 4, 4}).to(bf16), weight = random({3, 2, 2, 2, 2}, {}, 2).to(bf16);
  const Tensor y = conv3d(x, weight);
  EXPECT_EQ(y.dtype(), bf16);
  EXPECT_CLOSE(y, conv3d(x.to(f32), weight.to(f32)).to(bf16), 0, 0);
  const Tensor adjoint = weight.transpose(0, 1).contiguous(), back = conv_transpose3d(x, adjoint, {}, {.stride = 1});
  EXPECT_EQ(back.dtype(), bf16);
  EXPECT_CLOSE(back, conv_transpose3d(x.to(f32), adjoint.to(f32)).to(bf16), 0, 0);
  EXPECT_CLOSE(avg_pool3d(x, {3, 2, 3}), avg_pool3d(x.to(f32), {3, 2, 3}).to(bf16), 0, 0);
}

TEST_P(OnEveryDevice, PoolsOfVolumesAreThoseOfTheirWindows) {
  const Tensor x = random({2, 3, 4, 5, 6}, options());
  const Pool3dOptions o{.stride = {1, 2, 2}};
  const Tensor windows = x.unfold(2, 2, 1).unfold(3, 3, 2).unfold(4, 2, 2).flatten(5, -1);
  EXPECT_CLOSE(max_pool3d(x, {2, 3, 2}, o), amax(windows, -1), 0, 0);
  EXPECT_CLOSE(avg_pool3d(x, {2, 3, 2}, o), mean(windows, -1));
  EXPECT_CLOSE(max_pool3d(x.select(0, 1), 2), max_pool3d(x, 2).select(0, 1), 0, 0);
  EXPECT_EQ(max_pool3d(zeros({0, 3, 4, 4, 4}, options()), 2).shape(), (Shape{0, 3, 2, 2, 2}));
  EXPECT_CLOSE(adaptive_avg_pool3d(x, 1), mean(x, {2, 3, 4}, true));
  EXPECT_CLOSE(adaptive_avg_pool3d(x, {4, 5, 6}), x);
  EXPECT_CLOSE(adaptive_avg_pool1d(x.flatten(1, 3), 3), mean(x.flatten(1, 3).unfold(2, 2, 2), -1));
}

TEST_P(OnEveryDevice, TheFirstOfEqualsInAVolumeTakesTheGradientAndTheLastNaN) {
  for (const bool none : {false, true}) {
    std::vector<float> values(8, 1);
    if (none) values[3] = values[4] = NAN;
    Tensor x = from_vector(values, {1, 1, 2, 2, 2}, device()).set_requires_grad();
    const Tensor y = max_pool3d(x, 2);
    EXPECT_EQ(std::isnan(y.item()), none);
    y.backward();
    std::vector<float> want(8, 0);
    want[none ? 4 : 0] = 1;
    EXPECT_EQ(x.grad().to_vector<float>(), want);
  }
}

TEST(Volumes, ErrorsNameShapesAndCaller) {
  const Tensor x = zeros({1, 3, 4, 4, 4});
  EXPECT_ERROR(conv3d(x, zeros({4, 2, 3, 3, 3})),
               "conv3d: input [1, 3, 4, 4, 4] does not fit weight [4, 2, 3, 3, 3] in 1 group (volumes_test.cpp:");
  EXPECT_ERROR(conv3d(x, zeros({4, 3, 5, 3, 3})),
               "conv3d: kernel [4, 3, 5, 3, 3] is larger than the padded input [1, 3, 4, 4, 4] (volumes_test.cpp:");
  EXPECT_ERROR(conv3d(x, zeros({4, 3, 3, 5, 3})), "conv3d: kernel [4, 3, 3, 5, 3] is larger than the padded input");
  EXPECT_ERROR(conv3d(x, zeros({4, 3, 0, 3, 3})), "conv3d: input [1, 3, 4, 4, 4] does not fit weight [4, 3, 0, 3, 3]");
  EXPECT_ERROR(conv3d(x, zeros({4, 3, 3, 3, 3}), zeros({3})),
               "conv3d: input [1, 3, 4, 4, 4] does not fit weight [4, 3, 3, 3, 3] and bias [3] in 1 group");
  EXPECT_ERROR(conv3d(x, zeros({4, 3, 3, 3, 3}), {}, {.stride = {0, 1, 1}}), "conv3d: stride, dilation and groups");
  EXPECT_ERROR(conv3d(x, zeros({4, 3, 3, 3, 3}), {}, {.padding = {1, -1, 1}}), "conv3d: stride, dilation and groups");
  EXPECT_ERROR(conv_transpose3d(x, zeros({3, 2, 2, 2, 2}), {}, {.stride = {2, 1, 1}}, {2, 0, 0}),
               "conv_transpose3d: output padding 2 must be less than stride or dilation (volumes_test.cpp:");
  EXPECT_ERROR(conv_transpose3d(zeros({1, 3, 1, 4, 4}), zeros({3, 2, 1, 1, 1}), {}, {.padding = {1, 0, 0}}),
               "conv_transpose3d: input [1, 3, 1, 4, 4] and weight [3, 2, 1, 1, 1] leave no output (volumes_test.cpp:");
  EXPECT_ERROR(
      conv_transpose3d(x, zeros({3, 2, 0, 2, 2})),
      "conv_transpose3d: input [1, 3, 4, 4, 4] does not fit weight [3, 2, 0, 2, 2] in 1 group (volumes_test.cpp:");
  EXPECT_ERROR(
      conv_transpose3d(zeros({1, 3, 0, 4, 4}), zeros({3, 2, 3, 2, 2})),
      "conv_transpose3d: input [1, 3, 0, 4, 4] does not fit weight [3, 2, 3, 2, 2] in 1 group (volumes_test.cpp:");
  EXPECT_ERROR(max_pool3d(zeros({2, 3, 4}), 2),
               "max_pool3d: input [2, 3, 4] is not [batch, channels, depth, height, width] (volumes_test.cpp:");
  EXPECT_ERROR(avg_pool3d(x, {5, 2, 2}), "avg_pool3d: a window of 5 is larger than the padded input [1, 3, 4, 4, 4] (");
  EXPECT_ERROR(max_pool3d(x, 2, {.padding = {2, 0, 0}}),
               "max_pool3d: kernel and stride must be at least 1 and padding");
  EXPECT_ERROR(adaptive_avg_pool3d(x, {1, 0, 2}), "adaptive_avg_pool3d: 0 parts; there must be at least 1 (");
}

}  // namespace
}  // namespace fovea::test
