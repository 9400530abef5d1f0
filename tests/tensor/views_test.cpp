#include "fovea/autograd/graph.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

using test::OnEveryDevice;

/// 0, 1, 2, ... in a shape.
Tensor counted(const Shape& shape, TensorOptions options = {}) {
  return arange(0, static_cast<double>(shape.numel()), 1, options).reshape(shape);
}

bool shares_memory(const Tensor& a, const Tensor& b) { return a.buffer().get() == b.buffer().get(); }

TEST_P(OnEveryDevice, ReshapesInRowMajorOrder) {
  for (const auto& [name, x] : test::layouts_of(counted({2, 3, 4}, options()))) {
    SCOPED_TRACE(name);
    const Tensor y = x.reshape({6, -1});
    EXPECT_EQ(y.shape(), (Shape{6, 4}));
    EXPECT_CLOSE(y, counted({6, 4}));
    EXPECT_CLOSE(x.reshape({-1}), counted({24}));
    EXPECT_CLOSE(x.flatten(1), counted({2, 12}));
    EXPECT_CLOSE(x.flatten(0, 1), counted({6, 4}));
    EXPECT_CLOSE(x.flatten(), counted({24}));
  }
  EXPECT_EQ(scalar(1, options()).reshape({1, 1}).shape(), (Shape{1, 1}));
  EXPECT_EQ(scalar(1, options()).flatten().shape(), Shape{1});
  EXPECT_EQ(zeros({0, 3}, options()).reshape({3, 0, 2}).shape(), (Shape{3, 0, 2}));
  EXPECT_EQ(zeros({2, 0}, options()).reshape({-1}).shape(), Shape{0});
}

TEST_P(OnEveryDevice, SharesMemoryWhereStridesAllow) {
  const Tensor x = counted({2, 3, 4}, options());
  EXPECT_TRUE(shares_memory(x, x.reshape({4, 6})));
  EXPECT_TRUE(shares_memory(x, x.mT()));
  EXPECT_TRUE(shares_memory(x, x.slice(1, 0, 2).reshape({2, 2, 2, 2}))) << "splitting an axis needs no copy";
  EXPECT_FALSE(shares_memory(x, x.mT().reshape({-1})));
  EXPECT_TRUE(shares_memory(x, x.permute({2, 0, 1}).reshape({4, 6}))) << "neighbours 0 and 1 join";
  EXPECT_TRUE(shares_memory(x, x.flip(-1)));
  EXPECT_TRUE(shares_memory(x, x.detach()));
  EXPECT_TRUE(shares_memory(x, x.contiguous()));
  EXPECT_FALSE(shares_memory(x, x.clone()));
  EXPECT_FALSE(shares_memory(x, x.mT().contiguous()));
  EXPECT_CLOSE(x.view({3, 8}), counted({3, 8}));
  EXPECT_CLOSE(x.mT().view({2, 2, 2, 3}), x.mT().clone().reshape({2, 2, 2, 3}));
}

TEST_P(OnEveryDevice, SwapsAxes) {
  for (const auto& [name, x] : test::layouts_of(counted({2, 3, 4}, options()))) {
    SCOPED_TRACE(name);
    const Tensor y = x.permute({2, 0, -2});
    EXPECT_EQ(y.shape(), (Shape{4, 2, 3}));
    EXPECT_CLOSE(y.select(0, 1), {1, 5, 9, 13, 17, 21});
    EXPECT_CLOSE(x.transpose(0, -1), y.transpose(1, 2));
    EXPECT_CLOSE(x.mT().select(0, 1), {12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23});
  }
  EXPECT_CLOSE(counted({5}, options()).transpose(0, -1), {0, 1, 2, 3, 4});
  EXPECT_CLOSE(scalar(3, options()).permute({}), {3});
}

TEST_P(OnEveryDevice, SlicesWithSteps) {
  for (const auto& [name, x] : test::layouts_of(counted({3, 7}, options()))) {
    SCOPED_TRACE(name);
    EXPECT_CLOSE(x.slice(1, 1, 6, 2).select(0, 2), {15, 17, 19});
    EXPECT_CLOSE(x.slice(-1, -2).select(0, 0), {5, 6});
    EXPECT_CLOSE(x.slice(0, 1, 2), {7, 8, 9, 10, 11, 12, 13});
    EXPECT_CLOSE(x.slice(1, 0, 100, 5), {0, 5, 7, 12, 14, 19});
    EXPECT_EQ(x.slice(1, 5, 2).shape(), (Shape{3, 0}));
    EXPECT_EQ(x.slice(1, 50, 60).shape(), (Shape{3, 0}));
    EXPECT_CLOSE(x.slice(1, -100, 2, 1), {0, 1, 7, 8, 14, 15});
    EXPECT_CLOSE(x.slice(1, 6, INT64_MAX, INT64_MAX), {6, 13, 20});
  }
}

TEST_P(OnEveryDevice, SelectsAndDropsAnAxis) {
  const Tensor x = counted({2, 3, 2}, options());
  EXPECT_CLOSE(x.select(1, -1), {4, 5, 10, 11});
  EXPECT_EQ(x.select(0, 1).shape(), (Shape{3, 2}));
  EXPECT_EQ(counted({4}, options()).select(0, 2).shape(), Shape{});
  EXPECT_EQ(counted({4}, options()).select(0, 2).item(), 2);
}

TEST_P(OnEveryDevice, RepeatsBySteppingNowhere) {
  const Tensor x = counted({3, 1}, options());
  EXPECT_CLOSE(x.expand({2, 3, 2}), {0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2});
  EXPECT_EQ(x.expand({-1, 4}).shape(), (Shape{3, 4}));
  EXPECT_TRUE(shares_memory(x, x.expand({-1, 4})));
  EXPECT_CLOSE(scalar(5, options()).expand({2, 2}), {5, 5, 5, 5});
  EXPECT_EQ(x.expand({3, 0}).shape(), (Shape{3, 0}));
  EXPECT_CLOSE(x.expand({3, 2}).reshape({6}), {0, 0, 1, 1, 2, 2});
}

TEST_P(OnEveryDevice, AddsAndDropsAxesOfSizeOne) {
  const Tensor x = counted({2, 1, 3, 1}, options());
  EXPECT_EQ(x.squeeze().shape(), (Shape{2, 3}));
  EXPECT_EQ(x.squeeze(1).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(x.squeeze(0).shape(), x.shape()) << "an axis of another size stays";
  EXPECT_EQ(x.unsqueeze(-1).shape(), (Shape{2, 1, 3, 1, 1}));
  EXPECT_EQ(x.unsqueeze(0).shape(), (Shape{1, 2, 1, 3, 1}));
  EXPECT_EQ(scalar(2, options()).unsqueeze(0).shape(), Shape{1});
  EXPECT_EQ(ones({1, 1}, options()).squeeze().shape(), Shape{});
  EXPECT_CLOSE(x.permute({2, 1, 0, 3}).squeeze(), {0, 3, 1, 4, 2, 5});
}

TEST_P(OnEveryDevice, SplitsIntoPieces) {
  const std::vector<Tensor> pieces = counted({2, 5}, options()).split(2, 1);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_CLOSE(pieces[0], {0, 1, 5, 6});
  EXPECT_CLOSE(pieces[2], {4, 9});
  EXPECT_EQ(zeros({0, 2}, options()).split(3).size(), 1u);
  EXPECT_EQ(counted({4}, options()).split(100).at(0).shape(), Shape{4});
}

TEST_P(OnEveryDevice, WalksBackwards) {
  for (const auto& [name, x] : test::layouts_of(counted({2, 3}, options()))) {
    SCOPED_TRACE(name);
    EXPECT_CLOSE(x.flip({0, 1}), {5, 4, 3, 2, 1, 0});
    EXPECT_CLOSE(x.flip(-1), {2, 1, 0, 5, 4, 3});
    EXPECT_CLOSE(x.flip(1).slice(1, 1), {1, 0, 4, 3});
    EXPECT_CLOSE(x.flip(0).reshape({3, 2}), {3, 4, 5, 0, 1, 2});
    EXPECT_CLOSE(x.flip({0, 1}).mT(), {5, 2, 4, 1, 3, 0});
    EXPECT_CLOSE(x.flip(1).flip(1), x);
  }
  EXPECT_CLOSE(scalar(4, options()).flip({}), {4});
  EXPECT_EQ(zeros({0, 2}, options()).flip({0, 1}).shape(), (Shape{0, 2}));
}

TEST(Views, DiagonalHoldsWhatItsAxesShare) {
  const Tensor x = arange(0, 24).reshape({2, 3, 4});
  EXPECT_CLOSE(x.diagonal(), tensor({0, 16, 1, 17, 2, 18, 3, 19}).reshape({4, 2}));
  EXPECT_CLOSE(x.diagonal(1, 1, 2), tensor({1, 6, 11, 13, 18, 23}).reshape({2, 3}));
  EXPECT_CLOSE(x.diagonal(-1, -2, -1), tensor({4, 9, 16, 21}).reshape({2, 2}));
  EXPECT_CLOSE(x.diagonal(1, 2, 1), x.diagonal(-1, 1, 2));
  EXPECT_CLOSE(x.flip({1, 2}).diagonal(0, 1, 2).flip(1).select(0, 0), {1, 6, 11});
  for (const int64_t far : {int64_t{4}, int64_t{-3}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(x.diagonal(far, 1, 2).shape(), (Shape{2, 0})) << far;
  }
  EXPECT_EQ(zeros({0, 3}).diagonal().shape(), Shape{0});
  EXPECT_EQ(zeros({1, 5}).diagonal(4).shape(), Shape{1});
  Tensor y = zeros({2, 3});
  y.diagonal(1).fill_(7);
  EXPECT_CLOSE(y, {0, 7, 0, 0, 0, 7});
}

TEST_P(OnEveryDevice, UnfoldGivesWindows) {
  const Tensor x = arange(0, 7, 1, options());
  EXPECT_CLOSE(x.unfold(0, 3, 2), tensor({0, 1, 2, 2, 3, 4, 4, 5, 6}).reshape({3, 3}).to(device()), 0, 0);
  EXPECT_CLOSE(x.unfold(0, 3, 1, 2), tensor({0, 2, 4, 1, 3, 5, 2, 4, 6}).reshape({3, 3}).to(device()), 0, 0);
  EXPECT_CLOSE(x.unfold(0, 7), x.reshape({1, 7}), 0, 0);
  EXPECT_CLOSE(x.unfold(0, 1, 6), tensor({0, 6}).reshape({2, 1}).to(device()), 0, 0);
  const Tensor matrix = arange(0, 12, 1, options()).reshape({4, 3});
  const Tensor windows = matrix.unfold(0, 2, 2);
  EXPECT_EQ(windows.shape(), (Shape{2, 3, 2}));
  EXPECT_CLOSE(windows, tensor({0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}).reshape({2, 3, 2}).to(device()), 0, 0);
  EXPECT_CLOSE(matrix.mT().flip(1).unfold(1, 2, 1).select(0, 0),
               tensor({9, 6, 6, 3, 3, 0}).reshape({3, 2}).to(device()), 0, 0);
  EXPECT_EQ(windows.buffer().get(), matrix.buffer().get());
  // Windows that overlap as the rows of a product.
  const Tensor wide = test::random({40}, options(), 1), weight = test::random({16, 5}, options(), 2);
  EXPECT_CLOSE(matmul(wide.unfold(0, 16, 3), weight), matmul(wide.unfold(0, 16, 3).clone(), weight));
  EXPECT_CLOSE(sum(wide.unfold(0, 16, 3), 0), sum(wide.unfold(0, 16, 3).clone(), 0));
  EXPECT_EQ(zeros({0, 5}, options()).unfold(1, 2).shape(), (Shape{0, 4, 2}));
}

TEST(Views, OverlappingWindowsInF64MultiplyLikeTheirCopies) {
  const Tensor x = test::random({80}, {f64, {}}, 1), weight = test::random({24, 30}, {f64, {}}, 2);
  const Tensor windows = x.unfold(0, 24);
  EXPECT_CLOSE(matmul(windows, weight), matmul(windows.clone(), weight));
  EXPECT_CLOSE(matmul(windows.mT(), windows), matmul(windows.mT().clone(), windows.clone()));
}

TEST(Views, NothingIsWrittenIntoWindowsThatOverlap) {
  Tensor x = zeros({7});
  EXPECT_ERROR(x.unfold(0, 3, 2).fill_(1),
               "fill_: cannot write into [3, 3] with strides [2, 1]: elements repeat; clone it first (views_test.cpp:");
  EXPECT_ERROR(x.unfold(0, 3).add_(ones({5, 3})), "add_: cannot write into [5, 3] with strides [1, 1]");
  x.unfold(0, 2, 3).fill_(1);
  EXPECT_CLOSE(x, {1, 1, 0, 1, 1, 0, 0}, 0, 0);
}

TEST(Views, ChunkAndUnbindAreViewsOfTheirParts) {
  Tensor x = arange(0, 10).reshape({5, 2});
  const auto sizes = [](const std::vector<Tensor>& pieces) {
    std::vector<int64_t> all;
    for (const Tensor& piece : pieces) all.push_back(piece.size(0));
    return all;
  };
  EXPECT_EQ(sizes(x.chunk(2)), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(sizes(x.chunk(4)), (std::vector<int64_t>{2, 2, 1}));
  EXPECT_EQ(sizes(x.chunk(9)), (std::vector<int64_t>{1, 1, 1, 1, 1}));
  EXPECT_EQ(sizes(zeros({0, 2}).chunk(3)), (std::vector<int64_t>{0}));
  EXPECT_CLOSE(x.chunk(2, -1)[1], x.slice(1, 1));
  const std::vector<Tensor> columns = x.unbind(-1);
  ASSERT_EQ(columns.size(), 2u);
  EXPECT_CLOSE(columns[1], {1, 3, 5, 7, 9});
  x.unbind()[2].fill_(-1);
  EXPECT_CLOSE(x.slice(0, 2, 3), tensor({-1, -1}).reshape({1, 2}));
  EXPECT_TRUE(zeros({0, 2}).unbind().empty());
  EXPECT_EQ(zeros({3, 0}).unbind()[2].shape(), Shape{0});
}

TEST(Views, PiecesThatNothingUsesHaveTheGradientZero) {
  Tensor x = ones({5, 2}).set_requires_grad();
  sum(x.split(2)[1] * 3.0).backward();
  EXPECT_CLOSE(x.grad(), {0, 0, 0, 0, 3, 3, 3, 3, 0, 0});
  x.zero_grad();
  const std::vector<Tensor> rows = x.unbind();
  sum(rows[4] * rows[0] * 2.0).backward();
  EXPECT_CLOSE(x.grad(), {2, 2, 0, 0, 0, 0, 0, 0, 2, 2});
}

TEST(Views, WriteThroughToTheBase) {
  Tensor x = zeros({3, 4});
  x.select(0, 1).fill_(5);
  x.slice(1, 0, INT64_MAX, 2).select(0, 2).fill_(7);
  x.flip(1).slice(1, 0, 1).copy_(tensor({1, 2, 3}).unsqueeze(1));
  EXPECT_CLOSE(x, {0, 0, 0, 1, 5, 5, 5, 2, 7, 0, 7, 3});
}

TEST(Views, NameTheCallerInErrors) {
  const Tensor x = zeros({2, 3, 4});
  EXPECT_ERROR(x.reshape({5, 5}), "reshape: 24 elements of [2, 3, 4] do not fill [5, 5] (views_test.cpp:");
  EXPECT_ERROR(x.reshape({-1, 5}), "reshape: 24 elements of [2, 3, 4] do not fill [-1, 5] (views_test.cpp:");
  EXPECT_ERROR(x.reshape({-1, -1}), "reshape: [-1, -1] has more than one unknown or a negative size (views_test.cpp:");
  EXPECT_ERROR(zeros({0}).reshape({-1, 0}), "reshape: 0 elements of [0] do not fill [-1, 0] (views_test.cpp:");
  EXPECT_ERROR(
      x.mT().view({24}),
      "view: [2, 4, 3] with strides [12, 1, 4] cannot be seen as [24] without a copy; use reshape (views_test");
  EXPECT_ERROR(x.permute({0, 1}), "permute: axes [0, 1] for a tensor of shape [2, 3, 4] (views_test.cpp:");
  EXPECT_ERROR(x.permute({0, 1, 1}), "permute: axis 1 stands twice in [0, 1, 1] (views_test.cpp:");
  EXPECT_ERROR(x.permute({0, 1, 3}), "permute: axis 3 is not among the 3 of the tensor (views_test.cpp:");
  EXPECT_ERROR(x.transpose(0, 3), "transpose: axis 3 is not among the 3 of the tensor (views_test.cpp:");
  EXPECT_ERROR(scalar(1).mT(), "transpose: axis -2 is not among the 0 of the tensor (views_test.cpp:");
  EXPECT_ERROR(x.slice(3, 0), "slice: axis 3 is not among the 3 of the tensor (views_test.cpp:");
  EXPECT_ERROR(x.slice(0, 0, 2, 0), "slice: step 0 is not positive (views_test.cpp:");
  EXPECT_ERROR(scalar(1).slice(0, 0), "slice: a scalar has no axis 0 (views_test.cpp:");
  EXPECT_ERROR(x.select(1, 3), "select: index 3 is outside axis 1 of [2, 3, 4] (views_test.cpp:");
  EXPECT_ERROR(x.select(1, -4), "select: index -4 is outside axis 1 of [2, 3, 4] (views_test.cpp:");
  EXPECT_ERROR(x.expand({2, 3}), "expand: [2, 3, 4] cannot be repeated to [2, 3] (views_test.cpp:");
  EXPECT_ERROR(x.expand({2, 5, 4}), "expand: [2, 3, 4] cannot be repeated to [2, 5, 4] (views_test.cpp:");
  EXPECT_ERROR(x.expand({-1, 2, 3, 4}), "expand: [2, 3, 4] cannot be repeated to [-1, 2, 3, 4] (views_test.cpp:");
  EXPECT_ERROR(x.unsqueeze(5), "unsqueeze: axis 5 is not among the 4 of the tensor (views_test.cpp:");
  EXPECT_ERROR(x.flatten(2, 1), "flatten: axis 2 comes after axis 1 (views_test.cpp:");
  EXPECT_ERROR(x.split(0), "split: size 0 is not positive (views_test.cpp:");
  EXPECT_ERROR(x.chunk(0), "chunk: 0 pieces; there must be at least 1 (views_test.cpp:");
  EXPECT_ERROR(zeros({4, 2}).unfold(0, 5),
               "unfold: a window of 5 elements 1 apart is longer than axis 0 of [4, 2] (views_test.cpp:");
  EXPECT_ERROR(zeros({4}).unfold(-1, 2, 1, 4), "unfold: a window of 2 elements 4 apart is longer than axis -1 of [4]");
  EXPECT_ERROR(zeros({4}).unfold(0, 0), "unfold: size 0, step 1 and dilation 1 must be at least 1 (views_test.cpp:");
  EXPECT_ERROR(zeros({4}).unfold(0, 2, 0), "unfold: size 2, step 0");
  EXPECT_ERROR(scalar(1).unfold(0, 1), "unfold: a scalar has no axis 0 (views_test.cpp:");
  EXPECT_ERROR(zeros({0}).unfold(0, 1), "unfold: a window of 1 elements 1 apart is longer than axis 0 of [0]");
  EXPECT_ERROR(zeros({1, 1, 1, 1, 1, 1, 1, 1}).unfold(0, 1), "unfold: [1, 1, 1, 1, 1, 1, 1, 1] has 8 axes already");
  EXPECT_ERROR(x.unbind(3), "unbind: axis 3 is not among the 3 of the tensor (views_test.cpp:");
  EXPECT_ERROR(scalar(1).unbind(), "unbind: a scalar has no axis 0 (views_test.cpp:");
  EXPECT_ERROR(zeros({3}).diagonal(), "diagonal: needs a matrix, not [3] (views_test.cpp:");
  EXPECT_ERROR(x.diagonal(0, 1, -2), "diagonal: axes 1 and -2 are the same (views_test.cpp:");
  EXPECT_ERROR(x.diagonal(0, 0, 3), "diagonal: axis 3 is not among the 3 of the tensor (views_test.cpp:");
  EXPECT_ERROR(x.flip(7), "flip: axis 7 is not among the 3 of the tensor (views_test.cpp:");
  EXPECT_ERROR(x.flip({1, -2}), "flip: axis -2 is named twice (views_test.cpp:");
  EXPECT_ERROR(x.size(3), "size: axis 3 is not among the 3 of the tensor (views_test.cpp:");
  EXPECT_ERROR(scalar(1).size(0), "size: a scalar has no axis 0 (views_test.cpp:");
  EXPECT_ERROR(zeros({1, 1, 1, 1, 1, 1, 1, 1}).unsqueeze(0), "unsqueeze: [1, 1, 1, 1, 1, 1, 1, 1] has 8 axes already");
  EXPECT_ERROR(Tensor().reshape({1}), "reshape: an undefined tensor is used (views_test.cpp:");
}

}  // namespace
}  // namespace fovea
