// A wrong argument is an error that names the operation, what it was given and the caller's line; no kernel sees it.
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/losses.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea {
namespace {

const Tensor a = zeros({2, 3}), b = zeros({4, 5}), whole = zeros({2, 3}, {i32}), wide = zeros({2, 3}, {f64});

TEST(ShapeErrors, NameTheShapes) {
  EXPECT_ERROR(matmul(a, b), "matmul: inner sizes differ: [2, 3] x [4, 5] (errors_test.cpp:");
  EXPECT_ERROR(matmul(zeros({2, 3, 4}), zeros({3, 4, 5})),
               "matmul: leading sizes do not broadcast: [2, 3, 4] x [3, 4, 5] (errors_test.cpp:");
  EXPECT_ERROR(a * b, "mul: shapes do not broadcast: [2, 3] and [4, 5] (errors_test.cpp:");
  EXPECT_ERROR(concat({a, b}, 0), "concat: [2, 3] and [4, 5] differ beside axis 0 (errors_test.cpp:");
  EXPECT_ERROR(concat({}, 0), "concat: no tensors given (errors_test.cpp:");
  EXPECT_ERROR(stack({a, b}, 0), "stack: shapes differ: [2, 3] and [4, 5] (errors_test.cpp:");
  EXPECT_ERROR(cross_entropy(a, zeros({3}, {i32})),
               "cross_entropy: targets [3] do not fit logits [2, 3] (errors_test.cpp:");
  EXPECT_ERROR(mse_loss(a, b), "mse_loss: shapes do not broadcast: [2, 3] and [4, 5] (errors_test.cpp:");
  EXPECT_ERROR(layer_norm(a, zeros({4}), zeros({4})),
               "layer_norm: input [2, 3] does not fit a weight or bias of shape [4] (errors_test.cpp:");
  EXPECT_ERROR(gather(a, 1, zeros({4, 2}, {i32})), "gather: index [4, 2] does not fit [2, 3] (errors_test.cpp:");
}

TEST(DtypeErrors, NameTheDtypesAndWhatToCall) {
  EXPECT_ERROR(matmul(a, wide), "matmul: dtypes differ: f32 and f64; convert one with .to() (errors_test.cpp:");
  EXPECT_ERROR(a + wide, "add: dtypes differ: f32 and f64; convert one with .to() (errors_test.cpp:");
  EXPECT_ERROR(concat({a, wide}, 0), "concat: dtypes differ: f32 and f64; convert one with .to() (errors_test.cpp:");
  EXPECT_ERROR(softmax(whole, -1), "softmax: needs a floating dtype, not i32; convert with .to(f32) (errors_test.cpp:");
  EXPECT_ERROR(cross_entropy(a, zeros({2})),
               "cross_entropy: targets must be i32, not f32; convert with .to(i32) (errors_test.cpp:");
  EXPECT_ERROR(index_select(a, 0, zeros({2})),
               "index_select: indices must be i32, not f32; convert with .to(i32) (errors_test.cpp:");
  EXPECT_ERROR(mean(whole), "mean: needs a floating dtype, not i32; convert with .to(f32) (errors_test.cpp:");
}

TEST(IndexErrors, NameTheIndexAndItsBounds) {
  EXPECT_ERROR(index_select(a, 0, tensor({0, 2}, {i32})),
               "gather: index 2 at position 1 is outside [0, 2) (errors_test.cpp:");
  EXPECT_ERROR(gather(a, 1, tensor({3}, {i32}).reshape({1, 1})),
               "gather: index 3 at position 0 is outside [0, 3) (errors_test.cpp:");
  EXPECT_ERROR(cross_entropy(a, tensor({0, 3}, {i32})),
               "cross_entropy: target 3 at row 1 is outside [0, 3) (errors_test.cpp:");
  EXPECT_ERROR(sum(a, 2), "sum: axis 2 is not among the 2 of the tensor (errors_test.cpp:");
  EXPECT_ERROR(softmax(a, -3), "softmax: axis -3 is not among the 2 of the tensor (errors_test.cpp:");
  EXPECT_ERROR(argmax(a, 5), "argmax: axis 5 is not among the 2 of the tensor (errors_test.cpp:");
}

}  // namespace
}  // namespace fovea
