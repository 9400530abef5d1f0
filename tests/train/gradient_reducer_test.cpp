#include "fovea/train/gradient_reducer.h"

#include <gtest/gtest.h>

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/sparse_rows.h"
#include "fovea/nn/embedding.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/optimizers.h"
#include "fovea/tensor/creation.h"
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

TEST(GradientReducer, SendsBucketsWhileTheBackwardPassRuns) {
  class Counting final : public ProcessGroup {
   public:
    class Done final : public Pending {
     public:
      bool test() override { return true; }
      void wait() override {}
    };
    int rank() const override { return 0; }
    int size() const override { return 1; }
    std::unique_ptr<Pending> start_all_reduce(std::span<float>) override {
      ++sent;
      return std::make_unique<Done>();
    }
    void all_reduce(std::span<double>) override {}
    void broadcast(std::span<std::byte>) override {}
    std::vector<std::byte> all_gather(std::span<const std::byte> own, std::span<const size_t>) override {
      return {own.begin(), own.end()};
    }
    void set_patience(double) override {}
    void finish() override {}
    [[noreturn]] void abandon(int) override { std::abort(); }
    int sent = 0;
  } group;
  nn::Linear a(3, 3), b(3, 3), c(3, 3);
  std::vector<Tensor> parameters;
  for (const nn::Linear* layer : {&a, &b, &c}) {
    for (const Tensor& parameter : layer->parameters()) parameters.push_back(parameter);
  }
  GradientReducer reducer(group, parameters, 1);  // a bucket for each
  const auto pass = [&] {
    for (const Tensor& parameter : parameters) Tensor(parameter).zero_grad();
    reducer.start();
    sum(c.forward(b.forward(a.forward(ones({2, 3}))))).backward();
  };
  pass();
  EXPECT_EQ(group.sent, 0) << "the first pass tells the order";
  reducer.finish();
  EXPECT_EQ(group.sent, 6);
  pass();
  EXPECT_EQ(group.sent, 6 + 5) << "all but the last, whose gradient is just coming";
  reducer.finish();
  EXPECT_EQ(group.sent, 12);
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
