#include "fovea/autograd/indexing.h"

#include <cmath>

#include "fovea/autograd/capture.h"
#include "fovea/autograd/ctc.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"
#include "support/naive.h"

namespace fovea::test {
namespace {

TEST_P(OnEveryDevice, NonzeroGivesPositionsInOrder) {
  const Tensor x = tensor({0, 3, 0, NAN, -0.0, 0.5}, options()).reshape({2, 3});
  EXPECT_CLOSE(nonzero(x), tensor({0, 1, 1, 0, 1, 2}, options(i32)).reshape({3, 2}));
  EXPECT_CLOSE(nonzero(x.mT()), tensor({0, 1, 1, 0, 2, 1}, options(i32)).reshape({3, 2}));
  EXPECT_CLOSE(nonzero(ne(x, 0.0)), nonzero(x));
  EXPECT_CLOSE(nonzero(tensor({0, -2}, options(i32))), tensor({1}, options(i32)).reshape({1, 1}));
  EXPECT_EQ(nonzero(zeros({2, 3}, options())).shape(), (Shape{0, 2}));
  EXPECT_EQ(nonzero(zeros({0, 3}, options())).shape(), (Shape{0, 2}));
  EXPECT_EQ(nonzero(scalar(2, options())).shape(), (Shape{1, 0}));
  EXPECT_EQ(nonzero(scalar(0, options())).shape(), (Shape{0, 0}));
}

TEST_P(OnEveryDevice, NonzeroAndMaskedSelectFindAllInOrder) {
  for (const Shape& shape : {Shape{1}, Shape{7}, Shape{3000}, Shape{3, 5}, Shape{2, 1, 33}, Shape{3, 1030},
                             Shape{4, 0, 2}, Shape{70, 3, 2}}) {
    for (double least : {-10.0, 0.0, 1.5, 10.0}) {
      const Tensor x = random(shape, options()), mask = gt(x, least);
      std::vector<double> positions, values;
      const std::vector<double> all = x.to_vector<double>();
      for (size_t i = 0; i < all.size(); ++i) {
        if (!(all[i] > least)) continue;
        values.push_back(all[i]);
        const Strides steps = contiguous_strides(shape);
        for (int axis = 0; axis < shape.rank(); ++axis)
          positions.push_back(static_cast<double>(static_cast<int64_t>(i) / steps[axis] % shape[axis]));
      }
      EXPECT_CLOSE(nonzero(mask), positions, 0, 0);
      EXPECT_CLOSE(masked_select(x, mask), values, 0, 0);
      EXPECT_EQ(nonzero(mask).shape(), (Shape{static_cast<int64_t>(values.size()), shape.rank()}));
    }
  }
}

TEST_P(OnEveryDevice, OneHotIsOneAtItsClass) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{5}, Shape{3, 70}, Shape{0}, Shape{4, 0}}) {
    for (int64_t classes : {1, 3, 65}) {
      std::vector<int32_t> index;
      std::vector<double> want;
      for (int64_t i = 0; i < shape.numel(); ++i) {
        index.push_back(static_cast<int32_t>(i * 7 % classes));
        for (int64_t c = 0; c < classes; ++c) want.push_back(c == index.back());
      }
      const Tensor given = from_vector(index, shape).to(device());
      for (const DType dtype : {f32, i32, f16, boolean}) {
        const Tensor x = one_hot(given, classes, dtype);
        EXPECT_EQ(x.dtype(), dtype);
        EXPECT_EQ(x.shape().back(), classes);
        EXPECT_CLOSE(x, want, 0, 0);
        if (shape.rank() != 2) continue;
        EXPECT_CLOSE(one_hot(given.mT(), classes, dtype), x.transpose(0, 1), 0, 0);
      }
    }
  }
}

TEST_P(OnEveryDevice, MaskedSelectBroadcastsBoth) {
  const Tensor x = arange(0, 6, 1, options()).reshape({2, 3});
  EXPECT_CLOSE(masked_select(x, ge(x, 2.0)), {2, 3, 4, 5});
  EXPECT_CLOSE(masked_select(x.mT(), ge(x.mT(), 2.0)), {3, 4, 2, 5});
  EXPECT_CLOSE(masked_select(x, tensor({1, 0, 1}, options(boolean))), {0, 2, 3, 5});
  EXPECT_CLOSE(masked_select(tensor({7, 8}, options()), ge(x.reshape({3, 2}), 3.0)), {8, 7, 8});
  EXPECT_EQ(masked_select(x, zeros({3}, options(boolean))).shape(), Shape{0});
  EXPECT_CLOSE(masked_select(scalar(4, options()), ones({}, options(boolean))), {4});
  Tensor leaf = x.clone().set_requires_grad();
  masked_select(leaf, ge(x, 3.0)).backward(tensor({10, 20, 30}, options()));
  EXPECT_CLOSE(leaf.grad(), {0, 0, 0, 10, 20, 30});
}

TEST_P(OnEveryDevice, IndexSelectReadsAlongAnyAxis) {
  // Few of an axis and many, the last axis and others: they take different ways.
  for (const Shape& shape : {Shape{40, 3}, Shape{3, 40}, Shape{2, 40, 3}, Shape{5}, Shape{2, 3, 40, 1}, Shape{0, 4}}) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      for (const int64_t count : {0, 1, 2, 50}) {
        if (shape[axis] == 0 && count > 0) continue;
        const Tensor index = randint(0, std::max<int64_t>(shape[axis], 1), {count}).to(device());
        Shape along, wide = shape;
        for (int i = 0; i < shape.rank(); ++i) along.push_back(i == axis ? count : 1);
        wide[axis] = count;
        for (const LaidOut& layout : layouts_of(random(shape, options()))) {
          const Tensor& x = layout.tensor;
          EXPECT_CLOSE(index_select(x, axis, index),
                       naive_gather(x, axis, index.reshape(along).expand(wide)).to(f32).to(device()), 0, 0)
              << to_string(shape) << axis << ' ' << count << ' ' << layout.name;
        }
      }
    }
  }
}

TEST(IndexSelect, NamesAnIndexOutsideItsAxis) {
  const Tensor x = zeros({2, 3});
  EXPECT_ERROR(index_select(x, 1, tensor({0, 3}, {i32})),
               "index_select: index 3 at position 1 is outside [0, 3) (indexing");
  EXPECT_ERROR(index_select(x, 1, tensor({-1}, {i32})),
               "index_select: index -1 at position 0 is outside [0, 3) (indexing");
  EXPECT_ERROR(index_select(zeros({2, 32, 2}), 1, tensor({32}, {i32})),
               "index_select: index 32 at position 0 is outside");
}

TEST(MaskedSelect, NamesWhatDoesNotFit) {
  const Tensor x = zeros({2, 3});
  EXPECT_ERROR(masked_select(x, x), "masked_select: the mask must be bool, not f32 (indexing_test.cpp:");
  EXPECT_ERROR(masked_select(x, zeros({2}, {boolean})),
               "masked_select: shapes do not broadcast: [2, 3] and [2] (indexing_test.cpp:");
}

TEST_P(OnEveryDevice, WhatTheHostReadsIsNoPartOfACapturedStep) {
  const Tensor x = ones({3}, options());
  const auto refused = [&](const std::function<Tensor(const Tensor&)>& f, const std::string& name) {
    auto step = capture([&](const Tensor& x) { return f(x); });
    EXPECT_ERROR((step(x), step(x), step(x)),
                 name + ": a captured step cannot give values to the host; read them behind it (indexing_test.cpp:");
  };
  refused([](const Tensor& x) { return nonzero(x); }, "nonzero");
  refused([](const Tensor& x) { return masked_select(x, gt(x, 0.0)); }, "masked_select");
  refused(
      [&](const Tensor& x) {
        const Tensor one = tensor({1}, options(i32));
        return ctc_loss(x.reshape({3, 1, 1}).expand({3, 1, 2}), one.reshape({1, 1}), one, one);
      },
      "ctc_loss");
  refused([](const Tensor& x) { return allclose(x, x) ? x * 2.0 : x; }, "allclose");
}

TEST_P(OnEveryDevice, IndexAddAddsRowsOfAnyAxis) {
  for (const Shape& shape : {Shape{40, 3}, Shape{3, 40}, Shape{2, 5, 3}, Shape{6}, Shape{4, 0}}) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] == 0) continue;
      for (const int64_t count : {0, 1, 50}) {
        Shape wide = shape, along;
        for (int i = 0; i < shape.rank(); ++i) along.push_back(i == axis ? count : 1);
        wide[axis] = count;
        const Tensor index = randint(0, shape[axis], {count}, {.device = device()});
        const Tensor x = random(shape, options(), 3);
        for (const LaidOut& layout : layouts_of(random(wide, options()))) {
          // One index for each element takes the way of single elements.
          const Tensor want = scatter_add(x, axis, index.reshape(along).expand(wide).clone(), layout.tensor);
          EXPECT_CLOSE(index_add(x, axis, index, layout.tensor), want, 1e-5, 1e-5) << to_string(shape) << axis;
          EXPECT_CLOSE(scatter_add(x, axis, index.reshape(along).expand(wide), layout.tensor), want, 1e-5, 1e-5);
        }
      }
    }
  }
  const Tensor counts = index_add(zeros({3, 2}, options(i32)), 0, from_vector({2, 2, 0}, device()),
                                  from_vector({1, 2, 3, 4, 5, 6}, {3, 2}, device()));
  EXPECT_EQ(counts.to_vector<int32_t>(), (std::vector<int32_t>{5, 6, 0, 0, 4, 6}));
  // No float holds what lies behind 2^24.
  const Tensor large = from_vector({16777217, INT32_MAX, 5}, device()), place = from_vector({1, 0, 1}, device());
  const Tensor sums = index_add(zeros({2}, options(i32)), 0, place, large);
  EXPECT_EQ(sums.to_vector<int32_t>(), (std::vector<int32_t>{INT32_MAX, 16777222}));
}

TEST(IndexAdd, NamesWhatDoesNotFit) {
  const Tensor x = zeros({3, 2});
  EXPECT_ERROR(index_add(x, 0, from_vector({0, 1}), zeros({3, 2})),
               "index_add: index [2] and source [3, 2] do not fit axis 0 of [3, 2] (indexing_test.cpp:");
  EXPECT_ERROR(index_add(x, 0, from_vector({0, 3}), zeros({2, 2})),
               "index_add: index 3 at position 1 is outside [0, 3) (indexing_test.cpp:");
  EXPECT_ERROR(index_add(x, 0, from_vector({0}), zeros({1, 2}, {f64})), "index_add: ");
  EXPECT_ERROR(scatter_add(x, 0, from_vector({0, 3}).unsqueeze(1).expand({2, 2}), zeros({2, 2})),
               "scatter_add: index 3 at position 1 is outside [0, 3) (indexing_test.cpp:");
}

TEST_P(OnEveryDevice, ScatterReduceFoldsByPlace) {
  using enum ScatterReduction;
  const Tensor x = tensor({1, 2, 3, 4}, options()), index = from_vector({0, 0, 1, 0, 2, 1}, device());
  const Tensor source = tensor({5, -6, 0, 5, 3, -1}, options());
  const auto made = [&](ScatterReduction reduction, bool include_self) {
    return scatter_reduce(x, 0, index, source, reduction, include_self);
  };
  // What PyTorch 2 gives.
  EXPECT_CLOSE(made(sum, true), {5, 1, 6, 4});
  EXPECT_CLOSE(made(sum, false), {4, -1, 3, 4});
  EXPECT_CLOSE(made(mean, true), {1.25, 1.0 / 3, 3, 4});
  EXPECT_CLOSE(made(mean, false), {4.0 / 3, -0.5, 3, 4});
  EXPECT_CLOSE(made(amax, true), {5, 2, 3, 4});
  EXPECT_CLOSE(made(amax, false), {5, 0, 3, 4});
  EXPECT_CLOSE(made(amin, true), {-6, -1, 3, 4});
  EXPECT_CLOSE(made(amin, false), {-6, -1, 3, 4});
  EXPECT_CLOSE(made(prod, true), {-150, 0, 9, 4});
  EXPECT_CLOSE(made(prod, false), {-150, 0, 3, 4});
  const Tensor whole = scatter_reduce(x.to(i32), 0, index, source.to(i32), amax);
  EXPECT_EQ(whole.to_vector<int32_t>(), (std::vector<int32_t>{5, 2, 3, 4}));
  const Tensor product = scatter_reduce(x.to(i32), 0, index, source.to(i32), prod);
  EXPECT_EQ(product.to_vector<int32_t>(), (std::vector<int32_t>{-150, 0, 9, 4}));
  const Tensor lost =
      scatter_reduce(x, 0, from_vector({0, 0, 1}, device()), tensor({NAN, 1, -INFINITY}, options()), amin, false);
  EXPECT_TRUE(std::isnan(lost.to_vector<float>()[0]));
  EXPECT_EQ(lost.to_vector<float>()[1], -INFINITY);
  EXPECT_CLOSE(scatter_reduce(x, 0, zeros({0}, options(i32)), zeros({0}, options()), amax, false), x);
  // The least number has no negative.
  const Tensor least = scatter_reduce(zeros({2}, options(i32)), 0, from_vector({0, 0, 1}, device()),
                                      from_vector({INT32_MIN, 5, 1000}, device()), amin, false);
  EXPECT_EQ(least.to_vector<int32_t>(), (std::vector<int32_t>{INT32_MIN, 1000}));
}

TEST_P(OnEveryDevice, ScatterReduceCountsMoreThanAHalfDoes) {
  for (const DType dtype : {f16, bf16}) {
    const int64_t count = dtype == f16 ? 3000 : 300;  // f16 counts to 2048, bf16 to 256
    const Tensor source = zeros({count}, options(dtype)), index = zeros({count}, options(i32));
    const Tensor made = scatter_reduce(ones({1}, options(dtype)) * 512.0, 0, index, source, ScatterReduction::mean);
    EXPECT_NEAR(made.to(f32).item(), 512.0 / static_cast<double>(count + 1), 0.01);
  }
}

TEST_P(OnEveryDevice, ScatterAddTakesAnIndexThatCoversAPartOfTheSource) {
  const Tensor x = zeros({3, 2}, options()), index = from_vector({2, 0}, {2, 1}, device()).expand({2, 2});
  Tensor source = arange(0, 8, 1, options()).reshape({4, 2}).set_requires_grad();
  const Tensor made = scatter_add(x, 0, index, source);
  EXPECT_CLOSE(made.detach().reshape({6}), {2, 3, 0, 0, 0, 1});
  sum(made).backward();
  EXPECT_CLOSE(source.grad().reshape({8}), {1, 1, 1, 1, 0, 0, 0, 0});
}

TEST_P(OnEveryDevice, TheSecondDerivativeOfAnEmbeddingPassesPaddingOver) {
  const Tensor index = from_vector({1, 0, 2}, device());
  Tensor weight = ones({3, 2}, options()).set_requires_grad(), g = ones({3, 2}, options()).set_requires_grad();
  const Tensor y = embedding(index, weight, {.padding_index = 0});
  const Tensor first = autograd::grad({y}, {weight}, {g}, {.create_graph = true})[0];
  EXPECT_CLOSE(first.detach().reshape({6}), {0, 0, 1, 1, 1, 1});
  EXPECT_CLOSE(autograd::grad({sum(first * 3.0)}, {g})[0].reshape({6}), {3, 3, 0, 0, 3, 3});
}

TEST_P(OnEveryDevice, AnEmbeddingThatIsReadTwiceAddsUpItsRows) {
  const Tensor weight = ones({4, 3}, options()).set_requires_grad(), table = weight * 1.0;
  const auto read = [&](const Tensor& rows, std::initializer_list<int32_t> index, int64_t padding) {
    return sum(embedding(from_vector(std::vector<int32_t>(index), device()), rows, {.padding_index = padding}));
  };
  for (const Tensor& rows : {weight, table}) {
    Tensor(weight).zero_grad();
    (read(rows, {1, 2, 2}, 0) + 2.0 * read(rows, {3, 2, 1, 2}, 3) + 3.0 * read(rows, {0, 3, 0}, 0)).backward();
    EXPECT_CLOSE(weight.grad().select(1, 1), {0, 3, 6, 3});
  }
}

TEST_P(OnEveryDevice, ScatterReduceSharesTheGradientOfTies) {
  Tensor x = tensor({5, 7}, options()).set_requires_grad();
  Tensor source = tensor({5, 1, 5, 2}, options()).set_requires_grad();
  const Tensor index = from_vector({0, 0, 0, 1}, device());
  scatter_reduce(x, 0, index, source, ScatterReduction::amax).backward(tensor({3, 10}, options()));
  EXPECT_CLOSE(x.grad(), {1, 10});
  EXPECT_CLOSE(source.grad(), {1, 0, 1, 0});
  x.zero_grad();
  source.zero_grad();
  scatter_reduce(x, 0, index, source, ScatterReduction::amax, false).backward(tensor({3, 10}, options()));
  EXPECT_CLOSE(x.grad(), {0, 0});
  EXPECT_CLOSE(source.grad(), {1.5, 0, 1.5, 10});
}

TEST_P(OnEveryDevice, ScatterReduceMultipliesByPlace) {
  for (const auto& [rows, sources, width, places] :
       {std::array<int64_t, 4>{5, 1, 1, 5}, {1, 7, 3, 1}, {4, 37, 3, 4}, {9, 64, 2, 5}, {100, 33, 5, 100}}) {
    for (const bool include_self : {true, false}) {
      SCOPED_TRACE(fmt::format("{} rows, {} sources, {} places, {}", rows, sources, places, include_self));
      const Tensor x = randn({rows, width}, options()), source = 1.0 + 0.3 * randn({sources, width}, options());
      const Tensor index = randint(0, places, {sources, width}, options(i32));
      auto want = x.to_vector<double>();
      const auto at = index.to_vector<int32_t>();
      const auto values = source.to_vector<double>();
      const auto own = want;
      std::vector<bool> met(want.size(), false);
      for (size_t i = 0; i < at.size(); ++i) {
        const size_t place = static_cast<size_t>(at[i] * width) + i % static_cast<size_t>(width);
        if (!include_self && !met[place]) want[place] = 1;
        met[place] = true;
        want[place] *= values[i];
      }
      EXPECT_CLOSE(scatter_reduce(x, 0, index, source, ScatterReduction::prod, include_self), want);
    }
  }
}

TEST_P(OnEveryDevice, ScatterReduceHasTheGradientsOfZeros) {
  const Tensor index = from_vector({0, 0, 0, 1, 1, 2}, device());
  Tensor x = tensor({2, 0, 3, 4}, options()).set_requires_grad();
  Tensor source = tensor({0, 5, -3, 0, 0, 0}, options()).set_requires_grad();
  // Each has the product of all the others at its place: what PyTorch 2 gives.
  scatter_reduce(x, 0, index, source, ScatterReduction::prod).backward(tensor({1, 10, 100, 1000}, options()));
  EXPECT_CLOSE(x.grad(), {0, 0, 0, 1000});
  EXPECT_CLOSE(source.grad(), {-30, 0, 0, 0, 0, 300});
  x.zero_grad();
  source.zero_grad();
  scatter_reduce(x, 0, index, source, ScatterReduction::prod, false).backward(tensor({1, 10, 100, 1000}, options()));
  EXPECT_CLOSE(x.grad(), {0, 0, 0, 1000});
  EXPECT_CLOSE(source.grad(), {-15, 0, 0, 0, 0, 100});
}

TEST(ScatterReduce, HasTheSecondDerivativesOfZeros) {
  const Tensor index = from_vector({0, 0, 0, 1, 1, 2});
  for (const bool include_self : {true, false}) {
    const auto product = [&](const Tensor& x, const Tensor& source) {
      return scatter_reduce(x, 0, index, source, ScatterReduction::prod, include_self);
    };
    EXPECT_GRADIENTS(product, tensor({2, 0, 3, 4}), tensor({0, 5, -3, 0, 0, 0}));
  }
}

// The softmax of each segment, of scores that exp alone would lose.
TEST_P(OnEveryDevice, ScatterReduceMakesASegmentSoftmax) {
  const Tensor index = from_vector({0, 1, 1, 0, 2}, device());
  Tensor scores = tensor({0, -200, -201, 3, 90}, options()).set_requires_grad();
  const Tensor most = scatter_reduce(zeros({3}, options()), 0, index, scores, ScatterReduction::amax, false);
  const Tensor e = exp(scores - index_select(most, 0, index));
  const Tensor total = index_add(zeros({3}, options()), 0, index, e);
  const Tensor weights = e / index_select(total, 0, index);
  const double a = 1 / (1 + std::exp(3)), b = 1 / (1 + std::exp(-1));
  EXPECT_CLOSE(weights, {a, b, 1 - b, 1 - a, 1});
  weights.backward(tensor({1, 1, 0, 0, 0}, options()));
  EXPECT_CLOSE(scores.grad(), {a * (1 - a), b * (1 - b), -b * (1 - b), -a * (1 - a), 0});
}

TEST_P(OnEveryDevice, WhatIsAddedByIndexIsNoBool) {
  const Tensor x = zeros({2}, options(boolean)), index = from_vector({0, 1}, device());
  EXPECT_ERROR(index_add(x, 0, index, x), "index_add: bool has no sums; convert with .to(i32) (indexing_test.cpp:");
  EXPECT_ERROR(scatter_add(x, 0, index, x), "scatter_add: bool has no sums; convert with .to(i32) (indexing_test.cpp:");
  EXPECT_ERROR(scatter_reduce(x, 0, index, x, ScatterReduction::amax),
               "scatter_reduce: bool has no sums; convert with .to(i32) (indexing_test.cpp:");
}

TEST(ScatterReduce, NamesWhatDoesNotFit) {
  EXPECT_ERROR(scatter_reduce(zeros({3}), 0, from_vector({0, 1}), zeros({1}), ScatterReduction::amax),
               "scatter_reduce: index [2] and source [1] do not fit [3] (indexing_test.cpp:");
  EXPECT_ERROR(scatter_reduce(zeros({3}, {i32}), 0, from_vector({0}), zeros({1}, {i32}), ScatterReduction::mean),
               "scatter_reduce: ");
}

}  // namespace
}  // namespace fovea::test
