#include "fovea/autograd/shape_ops.h"

#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

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

TEST(ShapeOps, NameShapesAndTheCaller) {
  const Tensor x = zeros({2, 3});
  EXPECT_ERROR(roll(x, {1, 2}), "roll: 2 shifts and no axes (shape_ops_test.cpp:");
  EXPECT_ERROR(roll(x, {1, 2}, 0), "roll: 2 shifts for 1 axes (shape_ops_test.cpp:");
  EXPECT_ERROR(roll(x, {1}, 2), "roll: axis 2 is not among the 2 of the tensor (shape_ops_test.cpp:");
  EXPECT_ERROR(roll(scalar(1), {1}, 0), "roll: a scalar has no axis 0 (shape_ops_test.cpp:");
  EXPECT_ERROR(diagonal_scatter(zeros({3}), {2, 3}, 0, 0, 1),
               "diagonal_scatter: [3] does not fit diagonal 0 of axes 0 and 1 of [2, 3] (shape_ops_test.cpp:");
}

}  // namespace
}  // namespace fovea::test
