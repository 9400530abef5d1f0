#include "fovea/train/gradient_reducer.h"

#include <gtest/gtest.h>

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/sparse_rows.h"
#include "fovea/nn/embedding.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/optimizers.h"
#include "fovea/tensor/creation.h"
#include "one_rank.h"
#include "support/expect.h"
#include "thread_group.h"

namespace fovea::train {
namespace {

using test::as_ranks;

/// Some ranks do not use some weights, and one weight is used by none.
struct Partial : nn::Module {
  nn::EmbeddingBag bag{20, 3, {.sparse = true}};
  nn::Linear first{3, 5}, second{5, 4}, of_rank_one{5, 4}, unused{2, 2};

  Partial() {
    add("bag", bag);
    add("first", first);
    add("second", second);
    add("of_rank_one", of_rank_one);
    add("unused", unused);
  }
  Tensor loss(const Tensor& words, bool more) const {
    const Tensor hidden = first.forward(bag.forward(words));
    Tensor y = second.forward(hidden);
    if (more) y = y + of_rank_one.forward(hidden);
    return sum(y * y);
  }
};

/// The words of a rank in a pass of a step.
Tensor words_of(int rank, int step, int pass) {
  Generator random{.seed = static_cast<uint64_t>(100 * rank + 10 * step + pass + 1)};
  return randint(0, 20, {2 + rank, 4}, {.dtype = i32}, random);
}

Tensor dense_gradient(const Tensor& parameter) {
  if (const RowSparse* rows = parameter.sparse_grad()) return autograd::to_dense(*rows, parameter);
  return parameter.grad();
}

TEST(GradientReducer, SumsWhatAnyRankHasInBucketsOfAnySize) {
  constexpr int ranks = 3, steps = 3, passes = 2;
  const auto is_more = [](int rank, int step) { return rank == 1 && step != 1; };  // in one step not even there
  // Everything in one process.
  manual_seed(3);
  Partial alone;
  std::vector<std::vector<Tensor>> expected;
  for (int step = 0; step < steps; ++step) {
    alone.zero_grad();
    for (int rank = 0; rank < ranks; ++rank) {
      for (int pass = 0; pass < passes; ++pass) alone.loss(words_of(rank, step, pass), is_more(rank, step)).backward();
    }
    expected.emplace_back();
    for (const Tensor& parameter : alone.parameters()) expected.back().push_back(dense_gradient(parameter));
  }

  for (const size_t bucket : {size_t{1}, size_t{64}, size_t{1} << 20}) {
    std::vector<std::vector<std::vector<float>>> seen(ranks);
    as_ranks(ranks, [&](ProcessGroup& group) {
      manual_seed(3);
      Partial model;
      GradientReducer reducer(group, model.parameters(), bucket);
      for (int step = 0; step < steps; ++step) {
        model.zero_grad();
        for (int pass = 0; pass < passes; ++pass) {
          if (pass + 1 == passes) reducer.start();
          model.loss(words_of(group.rank(), step, pass), is_more(group.rank(), step)).backward();
        }
        std::vector<double> numbers{1.5, static_cast<double>(group.rank())};
        reducer.finish(numbers);
        EXPECT_EQ(numbers, (std::vector<double>{4.5, 3}));
        const std::vector<Tensor> parameters = model.parameters();
        for (size_t i = 0; i < parameters.size(); ++i) {
          const Tensor gradient = dense_gradient(parameters[i]);
          ASSERT_EQ(gradient.defined(), expected[static_cast<size_t>(step)][i].defined()) << i;
          if (!gradient.defined()) continue;
          EXPECT_CLOSE(gradient, expected[static_cast<size_t>(step)][i], 1e-4, 1e-4);
          seen[static_cast<size_t>(group.rank())].push_back(gradient.to_vector<float>());
        }
        EXPECT_TRUE(model.bag.weight.sparse_grad()) << "rows stay rows";
      }
    });
    for (int rank = 1; rank < ranks; ++rank) EXPECT_EQ(seen[static_cast<size_t>(rank)], seen[0]) << "bit for bit";
  }
}

/// A rank without others that notes what is sent.
class Counting final : public test::OneRank {
 public:
  class Counted final : public Done {
   public:
    explicit Counted(int& tests) : tests_(tests) {}
    bool test() override { return ++tests_ > 0; }

   private:
    int& tests_;
  };
  std::unique_ptr<Pending> start_all_reduce(std::span<float> values) override {
    sent.push_back(values.size());
    return std::make_unique<Counted>(tests);
  }

  std::vector<size_t> sent;  // how many numbers each bucket had
  int tests = 0;             // of buckets under way
};

TEST(GradientReducer, SendsBucketsWhileTheBackwardPassRuns) {
  Counting group;
  nn::Linear a(3, 3), b(3, 3), c(3, 3), unused(3, 3);
  unused.weight.set_requires_grad(false);
  std::vector<Tensor> parameters;
  for (const nn::Linear* layer : {&a, &b, &c, &unused}) {
    for (const Tensor& parameter : layer->parameters()) parameters.push_back(parameter);
  }
  GradientReducer reducer(group, parameters, 1);  // a bucket for each
  const auto pass = [&](bool all = false) {
    for (const Tensor& parameter : parameters) Tensor(parameter).zero_grad();
    reducer.start();
    Tensor y = c.forward(b.forward(a.forward(ones({2, 3}))));
    if (all) y = unused.forward(y);
    sum(y).backward();
  };
  pass();
  EXPECT_EQ(group.sent.size(), 0) << "the first pass tells the order";
  reducer.finish();
  EXPECT_EQ(group.sent.size(), 6) << "nothing of the layer that is not used";
  pass();
  EXPECT_EQ(group.sent.size(), 6 + 5) << "all but the last, whose gradient is just coming";
  EXPECT_EQ(group.tests, 1 + 2 + 3 + 4 + 5) << "MPI works on while it is asked";
  reducer.finish();
  EXPECT_EQ(group.sent.size(), 12);
  pass(true);
  reducer.finish();
  EXPECT_EQ(group.sent.size(), 12 + 7) << "a newcomer moves none of the others";
  EXPECT_FALSE(unused.weight.grad().defined());
}

TEST(GradientReducer, FillsBucketsToTheirBytes) {
  Counting group;
  nn::Linear a(3, 3), b(3, 3), c(3, 3);
  std::vector<Tensor> parameters;
  for (const nn::Linear* layer : {&a, &b, &c}) {
    for (const Tensor& parameter : layer->parameters()) parameters.push_back(parameter);
  }
  GradientReducer reducer(group, parameters, 48);  // 9 numbers of a weight and 3 of a bias are 48 bytes
  sum(c.forward(b.forward(a.forward(ones({2, 3}))))).backward();
  reducer.finish();
  EXPECT_EQ(group.sent, (std::vector<size_t>{12, 12, 12}));
}

TEST(GradientReducer, SendsABucketOnceAllOfItIsThere) {
  as_ranks(2, [](ProcessGroup& group) {
    nn::Linear a(2, 2, {.bias = false}), b(2, 2, {.bias = false});
    GradientReducer reducer(group, {a.weight, b.weight}, 1 << 20);
    for (int step = 1; step <= 3; ++step) {
      const bool both = step != 2;
      a.zero_grad();
      b.zero_grad();
      reducer.start();
      const Tensor x = full({1, 2}, step);
      Tensor y = sum(b.forward(x));
      if (both) y = y + sum(a.forward(x));
      y.backward();
      reducer.finish();
      EXPECT_EQ(b.weight.grad().to_vector<float>(), std::vector<float>(4, static_cast<float>(2 * step)));
      ASSERT_EQ(a.weight.grad().defined(), both);
      if (!both) continue;
      EXPECT_EQ(a.weight.grad().to_vector<float>(), std::vector<float>(4, static_cast<float>(2 * step)));
    }
  });
}

TEST(GradientReducer, TakesGradientsInAnyPlaceAndLayout) {
  as_ranks(2, [](ProcessGroup& group) {
    const double rank = group.rank() + 1;
    Tensor shifted = zeros({3}).set_requires_grad(), turned = zeros({2, 3}).set_requires_grad();
    GradientReducer reducer(group, {shifted, turned});
    for (int step = 0; step < 3; ++step) {  // placed in a bucket, of one, and without a word that it starts
      if (step < 2) reducer.start();
      const Tensor whole = tensor({-1, 1, 2, 3, -1}) * rank;
      shifted.set_grad(whole.slice(0, 1, 4));
      turned.set_grad((tensor({1, 4, 2, 5, 3, 6}) * rank).reshape({3, 2}).transpose(0, 1));
      reducer.finish();
      EXPECT_EQ(shifted.grad().to_vector<float>(), (std::vector<float>{3, 6, 9}));
      EXPECT_EQ(turned.grad().to_vector<float>(), (std::vector<float>{3, 6, 9, 12, 15, 18}));
      const auto own = static_cast<float>(-rank);
      EXPECT_EQ(whole.to_vector<float>(), (std::vector<float>{own, 3, 6, 9, own})) << "what lies beside is left alone";
    }
  });
}

TEST(GradientReducer, WhatWasSavedOfAGradientIsNoticed) {
  as_ranks(1, [](ProcessGroup& group) {
    Tensor w = zeros({3}).set_requires_grad(), x = ones({3}).set_requires_grad();
    GradientReducer reducer(group, {w});
    w.set_grad(full({3}, 2));
    const Tensor y = sum(w.grad() * x);  // saves the gradient, for that of x
    reducer.finish();
    EXPECT_ERROR(y.backward(), "mul: a value saved for its backward was changed in place");
  });
}

TEST(GradientReducer, RowsMayBeOfOneRankAlone) {
  for (const int owner : {0, 1}) {
    as_ranks(2, [owner](ProcessGroup& group) {
      Tensor table = ones({5, 2}).set_requires_grad();
      const nn::EmbeddingBag bag(5, 2, {.sparse = true});
      GradientReducer reducer(group, {bag.weight});
      if (group.rank() == owner) sum(bag.forward(tensor({3, 3}, {.dtype = i32}).reshape({1, 2}))).backward();
      reducer.finish();
      EXPECT_CLOSE(dense_gradient(bag.weight), tensor({0, 0, 0, 0, 0, 0, 1, 1, 0, 0}).reshape({5, 2}));
    });
  }
}

TEST(GradientReducer, LeavesNoHookBehind) {
  as_ranks(1, [](ProcessGroup& group) {
    nn::Linear model(2, 2);
    { const GradientReducer reducer(group, model.parameters()); }
    for (const Tensor& parameter : model.parameters()) EXPECT_TRUE(parameter.impl()->leaf->hooks.empty());
  });
}

TEST(GradientReducer, TakesF32Alone) {
  as_ranks(1, [](ProcessGroup& group) {
    nn::Linear model(2, 2);
    model.to(f64);
    EXPECT_ERROR(GradientReducer(group, model.parameters()), "GradientReducer: a parameter of f64, not f32");
  });
}

}  // namespace
}  // namespace fovea::train
