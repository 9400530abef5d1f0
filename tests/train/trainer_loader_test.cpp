// A trainer over data loaders, as a user's own loop has them.
#include <gtest/gtest.h>

#include "fovea/autograd/indexing.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/optimizers.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/trainer.h"
#include "support/expect.h"

namespace fovea::train {
namespace {

struct Batch {
  Tensor x, labels;
  std::vector<int64_t> examples;
};

data::DataLoader<Batch> loader_of(const Tensor& x, const Tensor& labels) {
  return {data::BatchSampler(x.size(0), {.batch_size = 16}), [=](std::span<const int64_t> examples) {
            const Tensor index = from_span(examples, {static_cast<int64_t>(examples.size())});
            return Batch{index_select(x, 0, index), index_select(labels, 0, index), {examples.begin(), examples.end()}};
          }};
}

TEST(TrainerOverLoaders, TakesBatchesThatTellTheirLabelsAndExamples) {
  struct Unlabelled {
    Tensor x;
    std::vector<int64_t> examples;
  };
  struct Unnumbered {
    Tensor x, labels;
  };
  EXPECT_TRUE(BatchOfExamples<Batch>);
  EXPECT_FALSE(BatchOfExamples<Unlabelled>);
  EXPECT_FALSE(BatchOfExamples<Unnumbered>);
}

TEST(TrainerOverLoaders, NamesItsCallerWhereLabelsOrWeightsDoNotFit) {
  const Tensor x = randn({32, 3}), labels = randint(0, 3, {32, 1});
  nn::Linear model(3, 3);
  nn::Adam optimizer(model, {.lr = 0.1});
  const auto forward = [&](const Batch& batch) { return model.forward(batch.x); };
  auto misshapen = loader_of(x, labels), right = loader_of(x, labels.select(1, 0));
  auto first = stream(misshapen, forward), second = stream(right, forward);
  EXPECT_ERROR(Trainer(model, optimizer).fit(first),
               "cross_entropy: targets [16, 1] do not fit logits [16, 3] (trainer_loader_test.cpp:");
  EXPECT_ERROR(Trainer(model, optimizer, {.class_weights = ones({2})}).fit(second),
               "cross_entropy: class weights [2] for logits [16, 3] (trainer_loader_test.cpp:");
}

TEST(TrainerOverLoaders, LearnsSeveralLabelsAnExample) {
  manual_seed(4);
  const Tensor x = randn({128, 3}), labels = (x > 0).to(f32);  // a label a column
  nn::Linear model(3, 3);
  nn::Adam optimizer(model, {.lr = 0.1});
  auto loader = loader_of(x, labels), valid_loader = loader_of(x, labels);
  const auto forward = [&](const Batch& batch) { return model.forward(batch.x); };
  auto train = stream(loader, forward), valid = stream(valid_loader, forward);
  const auto loss = [](const Tensor& logits, const Tensor& y) { return binary_cross_entropy_with_logits(logits, y); };
  Trainer trainer(model, optimizer, {.epochs = 20, .regression = true, .loss = loss});
  EXPECT_STREQ(name(trainer.fit(train, &valid)), "complete");
  const NoGrad off;
  const double last = binary_cross_entropy_with_logits(model.forward(x), labels).item();
  EXPECT_LT(last, 0.2);
  EXPECT_NEAR(trainer.history().back().valid_loss.value(), last, 1e-5);
}

TEST(TrainerOverLoaders, RefusesToLearnFromNothing) {
  nn::Linear model(3, 2);
  nn::SGD optimizer(model);
  auto loader = loader_of(zeros({0, 3}), zeros({0}, {.dtype = i32}));
  auto train = stream(loader, [&](const Batch& batch) { return model.forward(batch.x); });
  Trainer trainer(model, optimizer);
  EXPECT_ERROR(trainer.fit(train), "Trainer: there are no examples to learn from (trainer_loader_test.cpp:");
  EXPECT_TRUE(trainer.history().empty());
}

}  // namespace
}  // namespace fovea::train
