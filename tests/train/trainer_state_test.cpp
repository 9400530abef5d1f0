#include <gmock/gmock.h>

#include <cmath>

#include "data/temp_folder.h"
#include "points.h"

#include "fovea/autograd/graph.h"
#include "fovea/autograd/losses.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/nn/dropout.h"
#include "fovea/nn/init.h"
#include "support/expect.h"

// What a Trainer weighs, keeps and finds again.
namespace fovea::train {
namespace {

TEST_F(TrainerTest, WeighsPartsOfABatchByTheirClasses) {
  const Tensor weights = tensor({1, 5});
  const auto trained = [&](int64_t batch_size, int64_t accumulate) {
    return train(batch_size, {.epochs = 2, .accumulate = accumulate, .class_weights = weights});
  };
  EXPECT_CLOSE(trained(4, 3), trained(12, 1), 1e-5, 1e-6);
  // Labels that take no part have no weight, others are refused by the loss.
  points.labels.slice(0, 3, 6).fill_(-100);
  EXPECT_CLOSE(trained(4, 3), trained(12, 1), 1e-5, 1e-6);
  for (const int32_t bad : {-7, 2, INT32_MAX}) {
    points.labels.slice(0, 8, 9).fill_(bad);
    EXPECT_THROW(trained(4, 3), IndexError) << bad;
  }
}

TEST_F(TrainerTest, LabelsThatTakeNoPartCountInNoPartOfABatch) {
  points.labels.slice(0, 1, 4).fill_(-100);    // one of the first part is left
  points.labels.slice(0, 4, 8).fill_(-100);    // none of the second
  points.labels.slice(0, 20, 22).fill_(-100);  // nor of the last
  std::vector<EpochRecord> parts, whole;
  const auto trained = [&](int64_t batch_size, int64_t accumulate, std::vector<EpochRecord>& history) {
    return train(batch_size, {.epochs = 2, .accumulate = accumulate}, 1,
                 [&](const Trainer& trainer) { history = trainer.history(); });
  };
  EXPECT_CLOSE(trained(4, 3, parts), trained(12, 1, whole), 1e-5, 1e-6);
  EXPECT_NEAR(parts[1].loss, whole[1].loss, 1e-6);
  EXPECT_EQ(parts[1].accuracy, whole[1].accuracy);
  for (const int64_t accumulate : {1, 2}) {
    EXPECT_ERROR(train(2, {.epochs = 1, .accumulate = accumulate}),
                 "Trainer: no label of a step takes part, within the first ");
  }

  nn::Linear model(3, 2);
  PointStream stream(model, points, 4);
  const Score found = score(model, stream);
  const Evaluation seen = evaluate(model, stream);
  const Tensor logits = model.forward(points.x);
  EXPECT_EQ(found.examples, 13);
  EXPECT_NEAR(found.loss, cross_entropy(logits, points.labels).item(), 1e-6);
  EXPECT_EQ(found.accuracy, sum(eq(argmax(logits, -1), points.labels).to(i32)).item() / 13);
  EXPECT_NEAR(seen.loss, found.loss, 1e-9);
  EXPECT_EQ(seen.confusion.accuracy(), found.accuracy);
}

TEST_F(TrainerTest, EveryGroupFollowsTheScheduleFromItsOwnRate) {
  nn::Linear model(3, 2);
  nn::SGD optimizer({{std::vector<nn::NamedTensor>{{"w", model.weight}}, {.lr = 0.1}},
                     {std::vector<nn::NamedTensor>{{"b", model.bias}}, {.lr = 0.4}}});
  PointStream stream(model, points, 22);
  Trainer(model, optimizer, {.epochs = 3, .schedule = [](int64_t) { return nn::schedule::exponential(0.5); }})
      .fit(stream);
  EXPECT_NEAR(optimizer.lr(0), 0.025, 1e-12);
  EXPECT_NEAR(optimizer.lr(1), 0.1, 1e-12);
}

TEST_F(TrainerTest, TellsTheLossOfEachEpochByItself) {
  nn::Linear model(3, 2);
  nn::SGD optimizer(model, {.lr = 0});
  PointStream stream(model, points, 8);
  Trainer trainer(model, optimizer, {.epochs = 3});
  trainer.fit(stream);
  for (const EpochRecord& each : trainer.history()) {
    EXPECT_EQ(each.loss, trainer.history()[0].loss);
    EXPECT_EQ(each.accuracy, trainer.history()[0].accuracy);
  }
}

/// Learns in its first epoch, and spoils what it has learned in the second.
const TrainerOptions spoiling{.epochs = 2, .monitor = Monitor::loss, .schedule = [](int64_t steps) {
                                return [steps](double base, int64_t t) { return 2 * t < steps ? base : 1e3 * base; };
                              }};

TEST_F(TrainerTest, EndsWithTheBestWeightsOrTheLast) {
  for (const bool keep : {true, false}) {
    nn::Linear model(3, 2);
    nn::SGD optimizer(model, {.lr = 0.1});
    PointStream stream(model, points, 8);
    TrainerOptions options = spoiling;
    options.keep_best = keep;
    Trainer trainer(model, optimizer, options);
    trainer.fit(stream, &stream);
    ASSERT_EQ(trainer.best_epoch(), 1);
    EXPECT_EQ(trainer.history()[keep ? 0 : 1].valid_loss, evaluate(model, stream).loss);
  }
}

TEST_F(TrainerTest, RefusesACheckpointInAFolderThatThereIsNot) {
  const data::testing::TempFolder folder;
  nn::Linear model(3, 2);
  nn::SGD optimizer(model, {.lr = 0.1});
  PointStream stream(model, points, 8);
  Trainer trainer(model, optimizer, {.epochs = 1, .checkpoint = folder / "none/checkpoint"});
  EXPECT_ERROR(trainer.fit(stream),
               fmt::format("Trainer: checkpoint {}: there is no such folder (trainer_state_test.cpp:",
                           folder / "none/checkpoint"));
  EXPECT_EQ(trainer.steps(), 0);
}

TEST_F(TrainerTest, ResumesWithTheBestWeightsSoFarAndTheRandomNumbersThatCome) {
  const data::testing::TempFolder folder;
  TrainerOptions options = spoiling;
  options.checkpoint = folder / "checkpoint";
  options.save_every = 4;  // of three steps an epoch
  const auto noisy = [](const Tensor& logits) { return grad_enabled() ? nn::dropout(logits, 0.3) : logits; };
  std::vector<std::vector<float>> ends;
  for (const bool resumes : {false, true}) {
    for (const bool keep : {false, true}) {
      manual_seed(resumes ? 77 : 7);
      nn::Linear model(3, 2);
      if (!resumes) nn::init::constant_(model.weight, 0.1);
      nn::SGD optimizer(model, {.lr = 0.1});
      PointStream clean(model, points, 8);
      Through stream(clean, noisy);
      options.keep_best = keep;
      options.checkpoint = folder / (keep ? "best" : "last");
      Trainer trainer(model, optimizer, options);
      if (resumes) trainer.resume(load_checkpoint(options.checkpoint));
      EXPECT_EQ(trainer.steps(), resumes ? 4 : 0);
      trainer.fit(stream, &clean);
      ASSERT_EQ(trainer.best_epoch(), 1);
      ends.push_back(model.weight.to_vector<float>());
    }
  }
  EXPECT_EQ(ends[0], ends[2]);
  EXPECT_EQ(ends[1], ends[3]);
  EXPECT_NE(ends[0], ends[1]);
}

TEST_F(TrainerTest, AStepThatIsLeftOutIsNotAveraged) {
  int64_t skipped = 0;
  train(4, {.epochs = 1, .ema = 0.9, .precision = f16}, 16, [&](const Trainer& trainer) {
    skipped = trainer.skipped_steps();
    EXPECT_EQ(trainer.checkpoint().averages.at("n_averaged").item(), static_cast<double>(6 - skipped));
  });
  EXPECT_GE(skipped, 1);
}

TEST_F(TrainerTest, ACheckpointThatDoesNotFitLeavesTheAveragesAlone) {
  nn::Linear model(3, 2), larger(4, 2);
  nn::SGD optimizer(model, {.lr = 0.5}), other(larger, {.lr = 0.5});
  PointStream stream(model, points, 8);
  Trainer trainer(model, optimizer, {.epochs = 1, .ema = 0.5});
  trainer.fit(stream);
  Checkpoint mixed = trainer.checkpoint();
  const std::vector<float> averages = mixed.averages.at("module.weight").to_vector<float>();
  for (auto& [name, tensor] : mixed.averages) tensor = tensor + 1.0;
  mixed.model = Trainer(larger, other).checkpoint().model;
  EXPECT_THROW(trainer.resume(mixed), DataError);
  EXPECT_EQ(trainer.checkpoint().averages.at("module.weight").to_vector<float>(), averages);

  Checkpoint counts = trainer.checkpoint();
  const size_t at = counts.state.find("\"epoch\":1");
  ASSERT_NE(at, std::string::npos);
  counts.state.replace(at, 9, "\"epoch\":2");
  EXPECT_ERROR(trainer.resume(counts), "the checkpoint's counts do not fit together");
}

TEST_F(TrainerTest, PredictsEveryExampleOnce) {
  nn::Linear model(3, 2);
  PointStream stream(model, points, 8);
  const Predictions predictions = predict(model, stream);
  EXPECT_EQ(predictions.size(), 22);
  EXPECT_EQ(predictions.probabilities.size(), 44u);
}

}  // namespace
}  // namespace fovea::train
