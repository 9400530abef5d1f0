// A wrong argument is an error that names the operation, what it was given and the caller's line; no kernel sees it.
#include <gmock/gmock.h>

#include <functional>

#include "fovea/autograd/indexing.h"
#include "fovea/autograd/interpolation.h"
#include "fovea/autograd/losses.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/pooling.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/backends/memory_limit.h"
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
  EXPECT_ERROR(
      cross_entropy(a, zeros({2, 3}, {i32})),
      "cross_entropy: targets [2, 3] are no classes [2]; argmax(targets, -1) makes them of one-hot rows (errors_");
  EXPECT_ERROR(
      cross_entropy(zeros({4, 3, 8, 8}), zeros({4, 8, 8}, {i32})),
      "cross_entropy: targets [4, 8, 8] do not fit logits [4, 3, 8, 8], whose last axis are the classes; permute() ");
  EXPECT_ERROR(mse_loss(a, b), "mse_loss: shapes do not broadcast: [2, 3] and [4, 5] (errors_test.cpp:");
  EXPECT_ERROR(mse_loss(zeros({2, 1}), zeros({2})), "mse_loss: targets [2] for predictions [2, 1] (errors_test.cpp:");
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

TEST(InPlaceErrors, NameWhatWouldLoseItsGradient) {
  Tensor to = zeros({2, 3});
  const Tensor recorded = Tensor(ones({2, 3})).set_requires_grad() * 2.0;
  EXPECT_ERROR(to.copy_(recorded),
               "copy_: reads a tensor whose gradient is recorded and would be lost; stack() or concat() parts, or give "
               "its detach() (errors_test.cpp:");
  EXPECT_ERROR(to.select(0, 0).add_(recorded.select(0, 1)), "add_: reads a tensor whose gradient is recorded");
  to.copy_(recorded.detach());
  const NoGrad off;
  to.add_(recorded);
  EXPECT_CLOSE(to, full({2, 3}, 4));
}

TEST(IndexErrors, NameTheIndexAndItsBounds) {
  EXPECT_ERROR(index_select(a, 0, tensor({0, 2}, {i32})),
               "index_select: index 2 at position 1 is outside [0, 2) (errors_test.cpp:");
  EXPECT_ERROR(gather(a, 1, tensor({3}, {i32}).reshape({1, 1})),
               "gather: index 3 at position 0 is outside [0, 3) (errors_test.cpp:");
  EXPECT_ERROR(one_hot(tensor({0, 3}, {i32}), 3), "one_hot: index 3 at position 1 is outside [0, 3) (errors_test.cpp:");
  EXPECT_ERROR(cross_entropy(a, tensor({0, 3}, {i32})),
               "cross_entropy: target 3 at row 1 is outside [0, 3) (errors_test.cpp:");
  EXPECT_ERROR(nll_loss(a, tensor({0, 3}, {i32})),
               "nll_loss: index 3 at position 1 is outside [0, 3) (errors_test.cpp:");
  EXPECT_ERROR(l2_normalize(a, 2), "l2_normalize: axis 2 is not among the 2 of the tensor (errors_test.cpp:");
  EXPECT_ERROR(sum(a, 2), "sum: axis 2 is not among the 2 of the tensor (errors_test.cpp:");
  EXPECT_ERROR(softmax(a, -3), "softmax: axis -3 is not among the 2 of the tensor (errors_test.cpp:");
  EXPECT_ERROR(argmax(a, 5), "argmax: axis 5 is not among the 2 of the tensor (errors_test.cpp:");
}

TEST(ValueErrors, NameAnAxisThatStandsTwice) {
  EXPECT_ERROR(sum(a, {0, 0}), "sum: axis 0 is named twice (errors_test.cpp:");
  EXPECT_ERROR(mean(a, {1, -1}), "mean: axis -1 is named twice (errors_test.cpp:");
  EXPECT_ERROR(amax(a, {0, -2}), "amax: axis -2 is named twice (errors_test.cpp:");
  EXPECT_ERROR(prod(a, {0, 0}), "prod: axis 0 is named twice (errors_test.cpp:");
  EXPECT_ERROR(var(a, {1, 1}), "var: axis 1 is named twice (errors_test.cpp:");
  EXPECT_ERROR(norm(a, {1, 1}), "norm: axis 1 is named twice (errors_test.cpp:");
  EXPECT_ERROR(any(gt(a, 0.0), {0, 0}), "sum: axis 0 is named twice (errors_test.cpp:");
  EXPECT_ERROR(sum(a, {0, 0, 1, 1}, true), "sum: axis 0 is named twice (errors_test.cpp:");
}

TEST(ValueErrors, NameANegativeEps) {
  EXPECT_ERROR(layer_norm(a, {}, {}, -1e-5), "layer_norm: eps -1e-05 is negative (errors_test.cpp:");
  EXPECT_ERROR(rms_norm(a, {}, NAN), "rms_norm: eps nan is negative (errors_test.cpp:");
  EXPECT_ERROR(group_norm(a, 1, {}, {}, -1), "group_norm: eps -1 is negative (errors_test.cpp:");
}

TEST(ShapeErrors, NameWhatIsTooLarge) {
  const int64_t large = int64_t{1} << 32;
  EXPECT_ERROR(ones({1}).expand({large, large}),
               "expand: [4294967296, 4294967296] has too many elements (errors_test.cpp:");
  EXPECT_ERROR(ones({1}).expand({2 * large, 1}) + ones({1}).expand({1, large}),
               "add: [8589934592, 4294967296] has too many elements (errors_test.cpp:");
  const Tensor line = ones({1}).expand({2 * large});
  EXPECT_ERROR(line.unfold(0, large), "unfold: [4294967297, 4294967296] has too many elements (errors_test.cpp:");
  EXPECT_ERROR(concat(std::vector<Tensor>(8, ones({1}).expand({int64_t{1} << 59}))),
               "empty: [4611686018427387904] has too many elements (errors_test.cpp:");
  EXPECT_ERROR(ones({4}).reshape({(int64_t{1} << 62) + 1, 4}), "reshape: ");
  EXPECT_ERROR(zeros({0}).reshape({large, large}), "reshape: ");
  EXPECT_ERROR(repeat(a, {int64_t{1} << 62, 1}),
               "repeat: [4611686018427387904, 1] of a tensor of shape [2, 3] are too many (errors_test.cpp:");
  EXPECT_ERROR(eye(large, large), "eye: [4294967296, 4294967296] has too many elements (errors_test.cpp:");
}

TEST(ShapeErrors, NameASliceThatDoesNotFit) {
  EXPECT_ERROR(slice_scatter(ones({3}), {4}, 0, 10, 1), "slice_scatter: [3] does not fit axis 0 of [4] from 10");
  EXPECT_ERROR(slice_scatter(ones({3}), {4}, 0, 0, 2), "slice_scatter: [3] does not fit axis 0 of [4] from 0");
  EXPECT_ERROR(slice_scatter(ones({3}), {4}, 0, -1, 1), "slice_scatter: [3] does not fit axis 0 of [4] from -1");
  EXPECT_ERROR(slice_scatter(ones({3}), {4}, 1, 0, 1), "slice_scatter: axis 1 is not among the 1");
}

TEST(DtypeErrors, NameWeightsAndTargetsThatDoNotFit) {
  const Tensor logits = zeros({2, 3}), targets = from_vector(std::vector<int32_t>{0, 1});
  EXPECT_ERROR(cross_entropy(logits, targets, {.weight = ones({3}, {f64})}),
               "cross_entropy: dtypes differ: f32 and f64");
  EXPECT_ERROR(cross_entropy(logits, softmax(logits, 1), {.weight = ones({1})}), "cross_entropy: class weights [1]");
  EXPECT_ERROR(binary_cross_entropy_with_logits(zeros({2, 1}), zeros({2})),
               "binary_cross_entropy_with_logits: targets [2] for predictions [2, 1]");
  EXPECT_ERROR(binary_cross_entropy_with_logits(logits, logits, {.pos_weight = ones({2})}),
               "binary_cross_entropy_with_logits: shapes do not broadcast: [2, 3] and [2] (errors_test.cpp:");
  EXPECT_ERROR(binary_cross_entropy_with_logits(logits, logits, {.weight = ones({4, 2, 3})}),
               "binary_cross_entropy_with_logits: weights [4, 2, 3] for predictions [2, 3] (errors_test.cpp:");
  EXPECT_ERROR(one_hot(zeros({2}), 3), "one_hot: indices must be i32, not f32");
  EXPECT_ERROR(pad(whole, {1, 0}, 0.5), "pad: 0.5 is no i32 number (errors_test.cpp:");
  EXPECT_ERROR(pad(a, {int64_t{1} << 62, 0}), "pad: ");
  EXPECT_ERROR(pad(a, {INT64_MAX, INT64_MAX}), "pad: axis 1 of [2, 3] cannot grow by ");  // together -2
  EXPECT_ERROR(pad(a, {INT64_MIN, 0}), "pad: axis 1 of [2, 3] is cropped below 0 (errors_test.cpp:");
}

TEST(IndexErrors, NameALengthThatIsNone) {
  const Tensor x = ones({2, 3, 4}), w = ones({4, 4});
  for (int32_t wrong : {-1, 4, 200000}) {
    const Tensor lengths = from_vector(std::vector<int32_t>{3, wrong});
    EXPECT_ERROR(recurrent(x, w, {}, {.kind = RecurrentKind::rnn_tanh, .lengths = lengths}),
                 fmt::format("recurrent: length {} of sequence 1 is outside [0, 3] (errors_test.cpp:", wrong));
  }
}

TEST(RecurrentErrors, NameAStateThatTheKindHasNot) {
  const Tensor x = ones({2, 3, 4}), w = ones({4, 4});
  EXPECT_ERROR(recurrent(x, w, {}, {.kind = RecurrentKind::rnn_tanh, .c0 = zeros({2, 4})}),
               "recurrent: only an LSTM has an initial cell state (errors_test.cpp:");
}

TEST(ValueErrors, NameAFunctionOfSeveralOutputs) {
  const Elementwise both{"both", [](Expr x) { return std::vector<Expr>{x + 1, x * 2}; }};
  EXPECT_ERROR(both(ones({3})), "both: has 2 outputs; all() gives them (errors_test.cpp:");
  EXPECT_ERROR(both.sum({}, false, {ones({3})}), "both: has 2 outputs; all() gives them (errors_test.cpp:");
}

TEST(Elementwise, NamesItselfAndTheUsersLineOnceWhereMemoryEnds) {
  const Tensor x = ones({1000, 500});
  const auto message = [](const std::function<void()>& f) -> std::string {
    backend(Device::cpu()).empty_cache();
    set_memory_limit(Device::Kind::cpu, 1);
    try {
      f();
    } catch (const OutOfMemoryError& error) {
      set_memory_limit(Device::Kind::cpu, 0);
      return error.what();
    }
    set_memory_limit(Device::Kind::cpu, 0);
    return "no error";
  };
  const auto told = testing::MatchesRegex(
      "exp: cpu: no memory for [0-9]+ bytes \\([0-9]+ in use, 1 allowed\\) "
      "\\(errors_test.cpp:[0-9]+\\)");
  EXPECT_THAT(message([&] { exp(x); }), told);
  EXPECT_THAT(message([&] {
                const ErrorScope scope(Caller{});
                exp(x);
              }),
              told);
  Tensor w = ones({1000, 500}).set_requires_grad();
  const Tensor y = sum(exp(w) * 2.0);
  EXPECT_THAT(message([&] { y.backward(); }), testing::HasSubstr("errors_test.cpp"));
}

TEST(TooManyElements, AreOfTheOperationThatWasCalled) {
  constexpr int64_t huge = int64_t{1} << 61;
  EXPECT_ERROR(one_hot(zeros({2}, {i32}), huge),
               "one_hot: [2, 2305843009213693952] has too many elements (errors_test");
  EXPECT_ERROR(overlap_add(a, 0, huge), "overlap_add: [2305843009213693952] has too many elements (errors_test.cpp:");
  EXPECT_ERROR(upsample_nearest(zeros({1, 1, 2, 2}), {huge, 1}),
               "upsample_nearest: [1, 1, 2, 2305843009213693952, 2, 1] has too many elements (errors_test.cpp:");
  EXPECT_ERROR(interpolate(zeros({1, 1, 2}), {huge}), "interpolate: a space of [2305843009213693952]; its sizes must");
  EXPECT_ERROR(repeat(a, {huge, 1}), "repeat: [4611686018427387904, 3] has too many elements (errors_test.cpp:");
  EXPECT_ERROR(arange(4e18), "arange: [4000000000000000000] has too many elements (errors_test.cpp:");
  EXPECT_ERROR(eye(huge), "eye: [2305843009213693952, 2305843009213693952] has too many elements (errors_test.cpp:");
}

TEST(HostMemory, IsTheLibrarysErrorWhereItEnds) {
  const auto lists = [](Caller caller = {}) {
    const ErrorScope scope(caller);
    std::vector<double> values;
    with_host_memory("stretch", [&] { values.reserve(SIZE_MAX); });
  };
  EXPECT_ERROR(lists(), "stretch: the host has no memory for so many elements (errors_test.cpp:");
  EXPECT_THROW(with_host_memory("f", [] { throw std::bad_alloc(); }), OutOfMemoryError);
  EXPECT_THROW(with_host_memory("f", []() -> int { throw ValueError("other"); }), ValueError);
  EXPECT_EQ(with_host_memory("f", [] { return 3; }), 3);
}

}  // namespace
}  // namespace fovea
