#include "fovea/autograd/shape_ops.h"

#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

TEST_P(OnEveryDevice, RepeatGivesMemoryOfItsOwn) {
  const Tensor x = ones({1, 2}, options());
  for (const Shape& repeats : {Shape{1, 1}, Shape{3, 1}, Shape{1, 2}, Shape{2, 1, 1}}) {
    repeat(x, repeats).mul_(5);
    EXPECT_CLOSE(x, {1, 1}, 0, 0) << to_string(repeats);
  }
}

TEST_P(OnEveryDevice, RepeatInterleaveRepeatsEachElement) {
  const Tensor x = arange(0, 6, 1, options()).reshape({2, 3});
  EXPECT_CLOSE(repeat_interleave(x, 2, 1), tensor({0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}, options()).reshape({2, 6}), 0,
               0);
  EXPECT_CLOSE(repeat_interleave(x, 2, -2), concat({x.slice(0, 0, 1), x.slice(0, 0, 1), x.slice(0, 1), x.slice(0, 1)}),
               0, 0);
  EXPECT_EQ(repeat_interleave(x, 0, 0).shape(), (Shape{0, 3}));
  Tensor once = repeat_interleave(x, 1, 0);
  once.fill_(7);
  EXPECT_EQ(x.select(0, 0).to_vector<float>(), (std::vector<float>{0, 1, 2})) << "a copy";
}

TEST(RepeatInterleave, NamesWhatDoesNotFit) {
  EXPECT_ERROR(repeat_interleave(ones({2}), -1, 0), "repeat_interleave: -1 is negative (shape_ops_test.cpp:");
  EXPECT_ERROR(repeat_interleave(scalar(1), 2, 0), "repeat_interleave: a scalar has no axis 0 (shape_ops_test.cpp:");
  EXPECT_ERROR(repeat_interleave(ones({2}), 2, 1), "repeat_interleave: axis 1 is not among the 1 of the tensor");
  EXPECT_ERROR(repeat_interleave(ones({2}), int64_t{1} << 62, 0),
               "repeat_interleave: 4611686018427387904 of axis 0 of [2]");
  EXPECT_ERROR(repeat_interleave(ones({2}), int64_t{1} << 60, 0),
               "repeat_interleave: [2305843009213693952] has too many");
}

TEST_P(OnEveryDevice, RollMovesElementsAround) {
  const Tensor x = arange(0, 12, 1, options()).reshape({3, 4});
  EXPECT_CLOSE(roll(x, {1}, 0), {8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_CLOSE(roll(x, {-1}, 1), {1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8});
  EXPECT_CLOSE(roll(x, {-7, 5}, {-1, 0}), roll(roll(x, {1}, 1), {2}, 0));
  EXPECT_CLOSE(roll(x, {2, -2}, {1, 1}), x);
  EXPECT_CLOSE(roll(x, {5}), {7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6});
  EXPECT_CLOSE(roll(x.mT(), {1}, 0), roll(x, {1}, 1).mT());
  EXPECT_CLOSE(roll(x.slice(0, 1, 2), {3}, 0), x.slice(0, 1, 2));
  EXPECT_CLOSE(roll(x.to(i32), {INT64_MIN}, 1), x.to(i32));
  EXPECT_EQ(roll(zeros({2, 0}, options()), {1, 1}, {0, 1}).shape(), (Shape{2, 0}));
  EXPECT_CLOSE(roll(scalar(3, options()), {1}), scalar(3, options()));
}

TEST(Roll, GivesACopy) {
  Tensor x = zeros({3});
  roll(x, {0}, 0).fill_(1);
  EXPECT_CLOSE(x, {0, 0, 0});
}

TEST(DiagonalScatter, IsTheAdjointOfDiagonal) {
  EXPECT_CLOSE(diagonal_scatter(tensor({1, 2}), {3, 3}, -1, 0, 1), {0, 0, 0, 1, 0, 0, 0, 2, 0});
  EXPECT_CLOSE(diagonal_scatter(zeros({0}), {2, 1}, 5, 0, 1), zeros({2, 1}));
}

TEST_P(OnEveryDevice, OverlapAddIsTheAdjointOfUnfold) {
  const auto at = [&](std::initializer_list<double> values, const Shape& shape) {
    return from_vector(std::vector<double>(values), shape).to(f32).to(device());
  };
  EXPECT_CLOSE(overlap_add(at({1, 2, 3, 4, 5, 6}, {3, 2}), 0, 5), at({1, 5, 9, 6, 0}, {5}));
  EXPECT_CLOSE(overlap_add(at({1, 2, 3, 4, 5, 6}, {2, 3}), 0, 5, 2), at({1, 2, 7, 5, 6}, {5}));
  EXPECT_CLOSE(overlap_add(at({1, 2, 3, 4}, {2, 2}), 0, 4, 1, 2), at({1, 3, 2, 4}, {4}));
  EXPECT_CLOSE(overlap_add(at({1, 2, 3, 4}, {2, 2}), 0, 3).to(i32), at({1, 5, 4}, {3}).to(i32));
  for (const auto& [shape, axis, size, step, dilation] : {std::tuple{Shape{3, 9, 2}, 1, 4, 1, 2},
                                                          {Shape{9, 2}, 0, 8, 1, 1},
                                                          {Shape{2, 12}, 1, 3, 5, 1},
                                                          {Shape{5}, 0, 1, 2, 1}}) {
    const Tensor x = random(shape, options(), 1),
                 g = random(x.unfold(axis, size, step, dilation).shape(), options(), 2);
    const Tensor back = overlap_add(g, axis, shape[axis], step, dilation);
    ASSERT_EQ(back.shape(), shape);
    EXPECT_NEAR(sum(x.unfold(axis, size, step, dilation) * g).item(), sum(x * back).item(), 1e-4) << to_string(shape);
    const Tensor narrow = overlap_add(g.to(bf16), axis, shape[axis], step, dilation);
    EXPECT_CLOSE(narrow, overlap_add(g.to(bf16).to(f32), axis, shape[axis], step, dilation).to(bf16), 0, 0);
  }
}

TEST_P(OnEveryDevice, PixelShuffleMakesBlocksOfChannels) {
  const Tensor x = arange(0, 16, 1, {.device = device()}).reshape({8, 1, 2});
  EXPECT_CLOSE(pixel_shuffle(x, 2), {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15});
  EXPECT_EQ(pixel_shuffle(x, 2).shape(), (Shape{2, 2, 4}));
  EXPECT_EQ(pixel_shuffle(zeros({3, 0, 4, 2, 2}), 2).shape(), (Shape{3, 0, 1, 4, 4}));
}

TEST(ShapeOps, NameShapesAndTheCaller) {
  const Tensor x = zeros({2, 3});
  EXPECT_ERROR(roll(x, {1, 2}), "roll: 2 shifts and no axes (shape_ops_test.cpp:");
  EXPECT_ERROR(roll(x, {1, 2}, 0), "roll: 2 shifts for 1 axes (shape_ops_test.cpp:");
  EXPECT_ERROR(roll(x, {1}, 2), "roll: axis 2 is not among the 2 of the tensor (shape_ops_test.cpp:");
  EXPECT_ERROR(roll(scalar(1), {1}, 0), "roll: a scalar has no axis 0 (shape_ops_test.cpp:");
  EXPECT_ERROR(pixel_shuffle(zeros({1, 6, 2, 2}), 2),
               "pixel_shuffle: input [1, 6, 2, 2] is not [..., channels 2^2, height, width] (shape_ops_test.cpp:");
  EXPECT_ERROR(pixel_shuffle(x, 1), "pixel_shuffle: input [2, 3] is not [..., channels 1^2, height, width]");
  EXPECT_ERROR(pixel_shuffle(x, 0), "pixel_shuffle: a factor of 0 (shape_ops_test.cpp:");
  EXPECT_ERROR(overlap_add(zeros({3, 2}), 0, 3),
               "overlap_add: 3 windows of 2 elements do not fit an axis of 3 in steps of 1 and 1 (shape_ops_test.cpp:");
  EXPECT_ERROR(overlap_add(zeros({1, 3}), 0, 4, 1, 2), "overlap_add: 1 windows of 3 elements do not fit an axis of 4");
  EXPECT_ERROR(overlap_add(zeros({3}), 0, 3), "overlap_add: [3] is not [..., windows, ..., size] (shape_ops_test.cpp:");
  EXPECT_ERROR(overlap_add(zeros({2, 2}), 1, 3), "overlap_add: axis 1 is not among the 1 of the tensor");
  EXPECT_ERROR(overlap_add(zeros({2, 2}), 0, 3, 0), "overlap_add: step 0 and dilation 1 must be at least 1");
  EXPECT_ERROR(overlap_add(zeros({2, 2}, {.dtype = boolean}), 0, 3), "overlap_add: needs numbers, not bool");
  EXPECT_ERROR(diagonal_scatter(zeros({3}), {2, 3}, 0, 0, 1),
               "diagonal_scatter: [3] does not fit diagonal 0 of axes 0 and 1 of [2, 3] (shape_ops_test.cpp:");
}

TEST_P(OnEveryDevice, TrilAndTriuKeepTheirSideOfADiagonal) {
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 5}, Shape{5, 3}, Shape{2, 33, 70}, Shape{0, 4}, Shape{4, 0}}) {
    for (const DType dtype : {f32, f16, i32, boolean}) {
      const Tensor values = (random(shape) * 3.0).to(dtype).to(device());
      const int64_t columns = shape.back(), rows = shape[shape.rank() - 2];
      for (int64_t diagonal :
           {int64_t{-100}, -rows, int64_t{-1}, int64_t{0}, int64_t{2}, columns, INT64_MAX, INT64_MIN}) {
        std::vector<double> lower = values.to_vector<double>(), upper = lower;
        for (int64_t i = 0; i < shape.numel(); ++i) {
          const int64_t off = i % columns - i / columns % rows;
          (off <= diagonal ? upper : lower)[static_cast<size_t>(i)] *= off == diagonal;
        }
        for (const auto& [name, x] : layouts_of(values)) {
          EXPECT_CLOSE(tril(x, diagonal), lower, 0, 0);
          EXPECT_CLOSE(triu(x, diagonal), upper, 0, 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace fovea::test
