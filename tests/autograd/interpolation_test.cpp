#include "fovea/autograd/interpolation.h"

#include <cmath>

#include "fovea/autograd/pooling.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

// Expected values were worked out by hand.

Tensor line(const std::vector<double>& values) {
  return from_vector(values, {1, 1, static_cast<int64_t>(values.size())});
}

TEST(Interpolate, MixesNeighbours) {
  const Tensor x = line({1, 3, 2});
  EXPECT_CLOSE(interpolate(x, {6}), line({1, 1.5, 2.5, 2.75, 2.25, 2}));
  EXPECT_CLOSE(interpolate(x, {5}, {.align_corners = true}), line({1, 2, 3, 2.5, 2}));
  EXPECT_CLOSE(interpolate(line({1, 2, 5, 8}), {2}), line({1.5, 6.5}));
  EXPECT_CLOSE(interpolate(line({1, 2, 5, 8}), {3}, {.align_corners = true}), line({1, 3.5, 8}));
  EXPECT_CLOSE(interpolate(x, {1}), line({3}));
  EXPECT_CLOSE(interpolate(x, {1}, {.align_corners = true}), line({1}));
  EXPECT_CLOSE(interpolate(line({7}), {3}), line({7, 7, 7}));
}

TEST(Interpolate, TakesTheNearest) {
  const Tensor x = line({1, 2, 3, 4, 5});
  const auto nearest = [&](int64_t size) { return interpolate(x, {size}, {.mode = Interpolation::nearest}); };
  const auto exact = [&](int64_t size) { return interpolate(x, {size}, {.mode = Interpolation::nearest_exact}); };
  EXPECT_CLOSE(nearest(3), line({1, 2, 4}), 0, 0);
  EXPECT_CLOSE(exact(3), line({1, 3, 5}), 0, 0);
  EXPECT_CLOSE(nearest(8), line({1, 1, 2, 2, 3, 4, 4, 5}), 0, 0);
  EXPECT_CLOSE(exact(8), line({1, 1, 2, 3, 3, 4, 5, 5}), 0, 0);
  EXPECT_CLOSE(nearest(1), line({1}), 0, 0);
  EXPECT_CLOSE(exact(1), line({3}), 0, 0);
  const Tensor images = random({2, 3, 4, 5});
  for (const Interpolation mode : {Interpolation::nearest, Interpolation::nearest_exact}) {
    EXPECT_CLOSE(interpolate(images, {8, 15}, {.mode = mode}), upsample_nearest(images, {2, 3}), 0, 0);
  }
}

// Lines that are worked on by eights, by one and in several stretches, and rows.
TEST_P(OnEveryDevice, InterpolatesManyLinesAsOne) {
  const Tensor x = random({19, 1, 50}, options());
  for (const int64_t size : {7, 130, 4500}) {
    const Tensor y = interpolate(x, {size});
    for (const int64_t line : {0, 7, 8, 18}) {
      EXPECT_CLOSE(y.slice(0, line, line + 1), interpolate(x.slice(0, line, line + 1), {size}).to(Device()), 1e-6,
                   1e-6);
    }
    const Tensor rows = x.transpose(0, 2).unsqueeze(0);  // [1, 50, 1, 19]
    EXPECT_CLOSE(interpolate(rows.transpose(1, 2), {size, 19}).select(1, 0).select(0, 0).transpose(0, 1),
                 y.select(1, 0).to(Device()), 1e-6, 1e-6);
  }
}

TEST(Interpolate, ReadsNothingThatCountsNothing) {
  const Tensor x = line({1, INFINITY, 3, 4});
  EXPECT_CLOSE(interpolate(x, {2}, {.align_corners = true}), line({1, 4}), 0, 0);
  EXPECT_CLOSE(interpolate(x,
                           {
                               4,
                           },
                           {.align_corners = true}),
               x, 0, 0);
}

TEST(Interpolate, TreatsEachAxisByItself) {
  const Tensor x = random({2, 3, 4, 5});
  const Tensor rows = interpolate(x.transpose(2, 3).flatten(1, 2), {7}).reshape({2, 3, 5, 7}).transpose(2, 3);
  EXPECT_CLOSE(interpolate(x, {7, 9}), interpolate(rows.flatten(1, 2), {9}).reshape({2, 3, 7, 9}));
  EXPECT_CLOSE(interpolate(x.select(0, 1), {7, 9}), interpolate(x, {7, 9}).select(0, 1), 0, 0);
}

TEST(Interpolate, CopiesWhereNothingChanges) {
  Tensor x = random({2, 3, 4});
  const Tensor y = interpolate(x, {4}), before = y.clone();
  x.fill_(0);
  EXPECT_CLOSE(y, before, 0, 0);
}

TEST(Interpolate, ComputesHalfPrecisionInF32) {
  const Tensor x = random({1, 2, 5, 4}).to(bf16);
  EXPECT_CLOSE(interpolate(x, {9, 7}), interpolate(x.to(f32), {9, 7}).to(bf16), 0, 0);
}

TEST(Interpolate, HasNothingToDoForNoChannels) {
  EXPECT_EQ(interpolate(zeros({2, 0, 3, 4}), {6, 8}).shape(), (Shape{2, 0, 6, 8}));
}

TEST(Interpolate, NamesMisfits) {
  EXPECT_ERROR(interpolate(ones({2, 3, 4}), {5, 6, 7}),
               "interpolate: input [2, 3, 4] is not [batch, channels, space...] for a space of [5, 6, 7] "
               "(interpolation_test.cpp:");
  EXPECT_ERROR(interpolate(ones({2, 3, 4}), Shape{}),
               "interpolate: input [2, 3, 4] is not [batch, channels, space...]");
  EXPECT_ERROR(interpolate(ones({2, 3, 4}), {0}),
               "interpolate: a space of [0]; its sizes must lie between 1 and 1073741823 (interpolation_test.cpp:");
  EXPECT_ERROR(interpolate(ones({2, 3, 0}), {4}),
               "interpolate: a space of 0 elements in input [2, 3, 0] (interpolation_test.cpp:");
  EXPECT_ERROR(interpolate(ones({2, 3, 4}, {.dtype = i32}), {5}), "interpolate: ");
  EXPECT_ERROR(interpolate(ones({2, 3, 4}), {5}, {.mode = Interpolation::nearest, .align_corners = true}),
               "interpolate: nearest elements have no corners to align; align_corners is for linear "
               "(interpolation_test.cpp:");
  EXPECT_ERROR(interpolate(ones({2, 3, 4}), {int64_t{1} << 31}),
               "interpolate: a space of [2147483648]; its sizes must");
  EXPECT_ERROR(
      interpolate(ones({2, 3, 4}), {INT32_MAX}),
      "interpolate: a space of [2147483647]; its sizes must lie between 1 and 1073741823 (interpolation_test.cpp:");
  EXPECT_ERROR(
      interpolate(ones({2, 3, 4}), {int64_t{1} << 31}, {.mode = Interpolation::nearest}),
      "interpolate: a space of [2147483648]; its sizes must lie between 1 and 2147483647 (interpolation_test.cpp:");
  EXPECT_ERROR(
      interpolate(zeros({1, 3, 4, 4, 4}), {1000000000, 1000000000, 1000000000}),
      "interpolate: [1, 3, 1000000000, 1000000000, 1000000000] has too many elements (interpolation_test.cpp:");
}

}  // namespace
}  // namespace fovea::test
