#include "fovea/nn/embedding.h"

#include <gmock/gmock.h>

#include "fovea/autograd/sparse_rows.h"
#include "layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

using nn::BagMode;
using nn::Embedding;
using nn::EmbeddingBag;

Tensor ids(const std::vector<int32_t>& values, const Shape& shape) { return from_vector(values, shape); }

TEST(Embedding, ReadsRows) {
  Embedding layer(5, 3);
  const Tensor y = layer.forward(ids({4, 0, 4, 2}, {2, 2})).detach();
  EXPECT_EQ(y.shape(), (Shape{2, 2, 3}));
  EXPECT_CLOSE(y.select(0, 0).select(0, 0), layer.weight.detach().select(0, 4), 0, 0);
  EXPECT_CLOSE(y.select(0, 1).select(0, 1), layer.weight.detach().select(0, 2), 0, 0);
  EXPECT_EQ(layer.forward(ids({}, {0, 7})).shape(), (Shape{0, 7, 3}));
  EXPECT_THAT(test::described(layer), ::testing::ElementsAre("weight [5, 3]"));
}

TEST(Embedding, PaddingRowIsZeroAndGetsNoGradient) {
  Embedding layer(4, 2, {.padding_index = 1});
  EXPECT_CLOSE(layer.weight.detach().select(0, 1), zeros({2}));
  sum(layer.forward(ids({1, 1, 3}, {3}))).backward();
  EXPECT_CLOSE(layer.weight.grad(), {0, 0, 0, 0, 0, 0, 1, 1}, 0, 0);
}

TEST(Embedding, StandardNormal) {
  Embedding layer(300, 100);
  EXPECT_NEAR(mean(layer.weight).item(), 0, 0.03);
  EXPECT_NEAR(mean(square(layer.weight)).item(), 1, 0.03);
}

TEST(Embedding, SparseGradientEqualsTheDenseOne) {
  Embedding dense(6, 2), sparse(6, 2, {.sparse = true});
  sparse.load_state_dict(dense.state_dict());
  const Tensor index = ids({5, 0, 5, 2, 0, 5}, {2, 3}), g = test::random({2, 3, 2});
  dense.forward(index).backward(g);
  sparse.forward(index).backward(g);
  const RowSparse* rows = sparse.weight.sparse_grad();
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->count, 3);
  EXPECT_FALSE(sparse.weight.grad().defined());
  EXPECT_CLOSE(autograd::to_dense(*rows, sparse.weight), dense.weight.grad());
}

TEST_P(OnEveryDevice, SparseGradientsOfSeveralLookupsAddUp) {
  Embedding dense(6, 2), sparse(6, 2, {.sparse = true});
  sparse.load_state_dict(dense.state_dict());
  dense.to(device());
  sparse.to(device());
  for (const std::vector<int32_t>& some : {std::vector<int32_t>{5, 0, 5}, {2}, {0, 1, 5, 5}}) {
    const Tensor index = ids(some, {static_cast<int64_t>(some.size())}).to(device());
    const Tensor g = test::random({index.numel(), 2}).to(device());
    dense.forward(index).backward(g);
    sparse.forward(index).backward(g);
  }
  EXPECT_CLOSE(autograd::to_dense(*sparse.weight.sparse_grad(), sparse.weight), dense.weight.grad());
  sparse.weight.set_sparse_grad(std::nullopt);
  EXPECT_FALSE(sparse.weight.sparse_grad());
}

TEST(Embedding, PaddingTakesNoPartInSecondDerivatives) {
  Embedding layer(4, 2, {.padding_index = 1});
  const Tensor index = ids({1, 3, 1, 0}, {4}), seed = test::random({4, 2}).set_requires_grad();
  const Tensor gradient = autograd::grad({layer.forward(index)}, {layer.weight}, {seed}, {.create_graph = true})[0];
  const Tensor factors = test::random({4, 2}, {}, 2);
  sum(gradient * factors).backward();
  EXPECT_CLOSE(seed.grad(), stack({zeros({2}), factors.select(0, 3), zeros({2}), factors.select(0, 0)}, 0));
}

TEST(Embedding, Gradients) {
  Embedding layer(4, 2, {.padding_index = 0});
  EXPECT_TRUE(test::layer_gradients_hold(layer, {ids({3, 2, 1, 3}, {4})},
                                         [&](const std::vector<Tensor>& x) { return layer.forward(x[0]); }));
}

TEST(Embedding, NamesMisuse) {
  Embedding layer(4, 2);
  EXPECT_ERROR(layer.forward(ids({0, 4}, {2})),
               "embedding: index 4 at position 1 is outside [0, 4) (embedding_test.cpp:");
  EXPECT_ERROR(layer.forward(ones({2})), "embedding: indices must be i32, not f32; convert with .to(i32) (embedding_t");
  EXPECT_ERROR(Embedding(4, 2, {.padding_index = 4}), "Embedding: padding index 4 is not among 4 rows (embedding_test");
}

/// Bags by loops over the host's copies.
std::vector<double> naive_bags(const Tensor& weight, const std::vector<std::vector<int>>& bags, bool mean) {
  const std::vector<double> w = weight.to_vector<double>();
  const auto d = static_cast<size_t>(weight.shape()[1]);
  std::vector<double> out;
  for (const auto& bag : bags) {
    std::vector<double> total(d, 0);
    for (int row : bag) {
      for (size_t c = 0; c < d; ++c) total[c] += w[static_cast<size_t>(row) * d + c];
    }
    for (double t : total) out.push_back(mean && !bag.empty() ? t / static_cast<double>(bag.size()) : t);
  }
  return out;
}

TEST(EmbeddingBag, EqualsADirectComputation) {
  for (const BagMode mode : {BagMode::mean, BagMode::sum}) {
    EmbeddingBag layer(6, 3, {.mode = mode});
    const bool mean = mode == BagMode::mean;
    EXPECT_CLOSE(layer.forward(ids({5, 1, 1, 0}, {4}), ids({0, 3, 3}, {3})).detach(),
                 naive_bags(layer.weight.detach(), {{5, 1, 1}, {}, {0}}, mean));
    EXPECT_CLOSE(layer.forward(ids({5, 1, 1, 0, 2, 3}, {2, 3})).detach(),
                 naive_bags(layer.weight.detach(), {{5, 1, 1}, {0, 2, 3}}, mean));
  }
}

TEST(EmbeddingBag, PaddingBelongsToNoBag) {
  EmbeddingBag layer(6, 3, {.padding_index = 0});
  EXPECT_CLOSE(layer.forward(ids({5, 1, 0, 0, 0, 0, 2, 0, 3}, {3, 3})).detach(),
               naive_bags(layer.weight.detach(), {{5, 1}, {}, {2, 3}}, true));
  EXPECT_CLOSE(layer.forward(ids({0, 5, 0, 0}, {4}), ids({0, 0, 2, 4}, {4})).detach(),
               naive_bags(layer.weight.detach(), {{}, {5}, {}, {}}, true));
}

TEST(EmbeddingBag, SparseGradientEqualsTheDenseOne) {
  EmbeddingBag dense(7, 2, {.padding_index = 3}), sparse(7, 2, {.padding_index = 3, .sparse = true});
  sparse.load_state_dict(dense.state_dict());
  const Tensor index = ids({5, 0, 3, 3, 0, 5}, {2, 3}), g = test::random({2, 2});
  dense.forward(index).backward(g);
  sparse.forward(index).backward(g);
  ASSERT_TRUE(sparse.weight.sparse_grad());
  EXPECT_CLOSE(autograd::to_dense(*sparse.weight.sparse_grad(), sparse.weight), dense.weight.grad());
}

TEST(EmbeddingBag, Gradients) {
  for (const BagMode mode : {BagMode::mean, BagMode::sum}) {
    EmbeddingBag layer(4, 2, {.mode = mode, .padding_index = 1});
    EXPECT_TRUE(test::layer_gradients_hold(layer, {ids({3, 0, 1, 3}, {2, 2})},
                                           [&](const std::vector<Tensor>& x) { return layer.forward(x[0]); }));
  }
}

TEST_P(OnEveryDevice, EmbeddingBagIsCapturedWithOffsetsThatChange) {
  const auto train = [&](bool captured, const nn::EmbeddingBagOptions& options) {
    manual_seed(3);
    EmbeddingBag layer(5, 2, options);
    layer.to(device());
    const auto step = [&](const Tensor& index, const Tensor& offsets) {
      layer.weight.zero_grad();
      const Tensor y = layer.forward(index, offsets);
      sum(square(y)).backward();
      return y.detach();
    };
    auto replayed = capture(step);
    std::vector<std::vector<float>> found;
    const std::vector<int32_t> starts[] = {{0, 2, 2, 5}, {1, 1, 3, 6}, {0, 0, 0, 0}, {3, 4, 5, 6}, {0, 1, 2, 4}};
    for (const std::vector<int32_t>& some : starts) {
      const Tensor index = ids({1, 4, some[0], some[1], 1, some[2] % 5}, {6}).to(device());
      const Tensor offsets = ids(some, {4}).to(device());
      found.push_back((captured ? replayed(index, offsets) : step(index, offsets)).to_vector<float>());
      found.push_back(layer.weight.grad().to_vector<float>());
    }
    EXPECT_EQ(replayed.stats().replays, captured ? 3u : 0u);
    return found;
  };
  for (const BagMode mode : {BagMode::sum, BagMode::mean}) {
    for (const int64_t padding : {-1, 1}) {
      const nn::EmbeddingBagOptions options{.mode = mode, .padding_index = padding};
      EXPECT_EQ(train(true, options), train(false, options)) << "padding " << padding;
    }
  }
}

TEST(EmbeddingBag, LeavesOutWhatStandsInFrontOfAllBagsAndThePadding) {
  // By hand: bags of {3}, {} and {0, 2}; the first index, and those of 1, are in none.
  for (const BagMode mode : {BagMode::sum, BagMode::mean}) {
    EmbeddingBag layer(4, 2, {.mode = mode, .padding_index = 1});
    const Tensor w = layer.weight.detach();
    const double share = mode == BagMode::mean ? 0.5 : 1;
    const Tensor y = layer.forward(ids({2, 3, 1, 0, 1, 2}, {6}), ids({1, 3, 3}, {3}));
    EXPECT_CLOSE(y.detach().select(0, 0), w.select(0, 3));
    EXPECT_CLOSE(y.detach().select(0, 1), zeros({2}));
    EXPECT_CLOSE(y.detach().select(0, 2), (w.select(0, 0) + w.select(0, 2)) * share);
    sum(y).backward();
    EXPECT_CLOSE(layer.weight.grad(), {share, share, 0, 0, share, share, 1, 1});
  }
}

TEST(EmbeddingBag, NamesMisuse) {
  EmbeddingBag layer(4, 2);
  EXPECT_ERROR(layer.forward(ids({0, 1}, {2})),
               "EmbeddingBag: index [2] without offsets must have two axes (embedding");
  EXPECT_ERROR(layer.forward(ids({0, 9}, {1, 2})),
               "embedding_bag: index 9 at position 1 is outside [0, 4) (embedding_test.cpp:");
  EXPECT_ERROR(layer.forward(ids({0, 1, 2}, {3}), ids({0, 4}, {2})),
               "embedding_bag: offset 4 at position 1 is outside [0, 4) (embedding_test.cpp:");
  EXPECT_ERROR(layer.forward(ids({0, 1, 2}, {3}), ids({2, 1}, {2})),
               "embedding_bag: offset 1 at position 1 is less than the one before it (embedding_test.cpp:");
  EmbeddingBag padded(4, 2, {.padding_index = 1});
  EXPECT_ERROR(padded.forward(ids({0, 1, 2}, {3}), ids({2, 0, 99}, {3})),
               "embedding_bag: offset 0 at position 1 is not from 2 to 3 (embedding_test.cpp:");
  EXPECT_ERROR(padded.forward(ids({0, 1, 2}, {3}), ids({0, 99}, {2})), "embedding_bag: offset 99 at position 1 is not");
  EXPECT_ERROR(padded.forward(ids({0, 1}, {1, 2}), ids({0}, {1})), "embedding_bag: index [1, 2], offsets [1] and");
}

}  // namespace
}  // namespace fovea::test
