#include "fovea/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/temp_folder.h"
#include "points.h"

#include "fovea/autograd/losses.h"
#include "fovea/autograd/reductions.h"
#include "fovea/nn/batch_norm.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea::train {
namespace {

TEST_F(TrainerTest, AccumulatedGradientsAreThoseOfTheLargeBatch) {
  const auto steps = [](int64_t count) {
    return [count](const Trainer& trainer) { EXPECT_EQ(trainer.steps(), count); };
  };
  // 22 points: batches of 12 and 10, or of 4, 4, 4 and 4, 4, 2.
  const Tensor large = train(12, {.epochs = 3, .clip = 0.4}, 1, steps(6));
  EXPECT_CLOSE(train(4, {.epochs = 3, .clip = 0.4, .accumulate = 3}, 1, steps(6)), large, 1e-6, 1e-6);
  EXPECT_CLOSE(train(4, {.epochs = 3, .clip = 0.4, .accumulate = 3, .precision = bf16}, 1, steps(6)), large, 5e-2,
               5e-2);
  // Fewer batches than are to be taken together.
  EXPECT_CLOSE(train(4, {.epochs = 2, .accumulate = 100}, 1, steps(2)), train(22, {.epochs = 2}), 1e-6, 1e-6);
}

TEST_F(TrainerTest, ClipsTheGradientAndNotWhatScalesIt) {
  EXPECT_CLOSE(train(4, {.epochs = 3, .clip = 0.2, .precision = f16}), train(4, {.epochs = 3, .clip = 0.2}), 5e-2,
               5e-2);
}

TEST_F(TrainerTest, AnEpochThatIsNoBetterWearsOutPatience) {
  nn::Linear model(3, 2);
  nn::SGD optimizer(model, {.lr = 0});
  PointStream stream(model, points, 8);
  for (const Monitor monitor : {Monitor::loss, Monitor::accuracy, Monitor::macro_f1, Monitor::roc_auc}) {
    Trainer trainer(model, optimizer, {.epochs = 9, .patience = 2, .monitor = monitor});
    EXPECT_EQ(trainer.fit(stream, &stream), Ending::stopped_early);
    EXPECT_EQ(trainer.best_epoch(), 1);
    ASSERT_EQ(trainer.history().size(), 3u);
    for (const EpochRecord& record : trainer.history()) EXPECT_EQ(record.accuracy, record.valid_accuracy);
  }
}

TEST_F(TrainerTest, ResumesWithinAnEpoch) {
  const data::testing::TempFolder folder;
  for (const double ema : {0.0, 0.9}) {
    nn::Linear model(3, 2);
    nn::Adam optimizer(model, {.lr = 0.05});
    PointStream stream(model, points, 4);
    const TrainerOptions options{.epochs = 2, .ema = ema, .checkpoint = folder / "checkpoint", .save_every = 8};
    Trainer trainer(model, optimizer, options);
    trainer.fit(stream);
    const std::vector<float> weights = model.weight.to_vector<float>();

    Trainer resumed(model, optimizer, options);  // from the second of six batches of the second epoch
    resumed.resume(load_checkpoint(options.checkpoint));
    EXPECT_EQ(resumed.history().size(), 1u);
    resumed.fit(stream);
    EXPECT_EQ(model.weight.to_vector<float>(), weights);
    ASSERT_EQ(resumed.history().size(), 2u);
    EXPECT_EQ(resumed.history()[1].loss, trainer.history()[1].loss);
    EXPECT_EQ(resumed.history()[1].accuracy, trainer.history()[1].accuracy);
  }
}

TEST_F(TrainerTest, AveragesOfTheWeightsAreValidatedAndKept) {
  constexpr double decay = 0.7;
  // Step by step, with the averages in plain loops.
  manual_seed(5);
  nn::Linear plain(3, 2);
  nn::SGD by_hand(plain, {.lr = 0.5});
  PointStream batches(plain, points, 8);
  std::vector<double> averages;
  std::vector<std::vector<double>> of_epochs;
  for (int epoch = 0; epoch < 2; ++epoch) {
    batches.seek(epoch, 0);
    while (const std::optional<Outcome> outcome = batches.next()) {
      by_hand.zero_grad();
      cross_entropy(outcome->logits, outcome->labels).backward();
      by_hand.step();
      const auto weights = plain.weight.to_vector<double>();
      if (averages.empty()) averages = weights;
      for (size_t i = 0; i < weights.size(); ++i) averages[i] = decay * averages[i] + (1 - decay) * weights[i];
    }
    of_epochs.push_back(averages);
  }

  for (const bool valid : {false, true}) {
    manual_seed(5);
    nn::Linear model(3, 2);
    nn::SGD optimizer(model, {.lr = 0.5});
    PointStream stream(model, points, 8);
    Trainer trainer(model, optimizer, {.epochs = 2, .monitor = Monitor::loss, .ema = decay});
    trainer.fit(stream, valid ? &stream : nullptr);
    ASSERT_EQ(trainer.best_epoch(), 2);
    EXPECT_CLOSE(model.weight.detach().reshape({-1}), of_epochs[1], 1e-5, 1e-6);
    EXPECT_GT(amax(abs(model.weight.detach() - plain.weight.detach())).item(), 1e-3);
    if (valid) {
      EXPECT_EQ(trainer.history()[1].valid_loss, evaluate(model, stream).loss);
    }
  }
}

TEST_F(TrainerTest, TheBestEpochIsThatOfTheAverages) {
  // Weights that leap to and fro get worse at once, their averages do not: with a rate far too high.
  nn::Linear model(3, 2);
  nn::SGD optimizer(model, {.lr = 30});
  PointStream stream(model, points, 8);
  Trainer trainer(model, optimizer, {.epochs = 6, .monitor = Monitor::loss, .ema = 0.95});
  trainer.fit(stream, &stream);
  const EpochRecord& best = trainer.history().at(static_cast<size_t>(trainer.best_epoch() - 1));
  EXPECT_EQ(best.valid_loss, evaluate(model, stream).loss);
  for (const EpochRecord& each : trainer.history()) EXPECT_GE(each.valid_loss.value(), best.valid_loss.value());
}

TEST_F(TrainerTest, RefusesAveragesWhereACheckpointHasNone) {
  nn::Linear model(3, 2);
  nn::SGD optimizer(model, {.lr = 0.5});
  EXPECT_ERROR(Trainer(model, optimizer, {.ema = 1}), "Trainer: epochs 10, ");
  Trainer plain(model, optimizer), averaging(model, optimizer, {.ema = 0.9});
  EXPECT_ERROR(averaging.resume(plain.checkpoint()), "the checkpoint has no averages of the weights");
  EXPECT_ERROR(plain.resume(averaging.checkpoint()), "the checkpoint is of a run that averages the weights");
}

TEST_F(TrainerTest, TheScheduleCountsSteps) {
  int64_t told = 0;
  train(4, {.epochs = 3, .accumulate = 4, .schedule = [&](int64_t steps) {
              told = steps;
              return nn::schedule::constant();
            }});
  EXPECT_EQ(told, 6);
}

TEST_F(TrainerTest, MixedPrecisionLearnsAboutTheSame) {
  const Tensor whole = train(4, {.epochs = 3});
  for (const DType precision : {f16, bf16}) {
    const Tensor half = train(4, {.epochs = 3, .precision = precision});
    EXPECT_CLOSE(half, whole, 5e-2, 5e-2);
    EXPECT_GT(amax(abs(half - whole)).item(), 1e-5) << "it was not computed in " << fmt::format("{}", precision);
  }
  EXPECT_THROW(train(4, {.precision = f64}), DTypeError);
}

TEST_F(TrainerTest, AStepThatOverflowsIsLeftOutAndTheScaleHalves) {
  // Inputs of 16 and gradients of about 0.1 at a scale of 65536: sums overflow f16, whose largest number is 65504.
  int64_t skipped = 0;
  double scale = 0;
  const auto watch = [&](const Trainer& trainer) {
    skipped = trainer.skipped_steps();
    scale = trainer.loss_scale();
  };
  train(4, {.epochs = 1, .precision = f16}, 16, watch);
  EXPECT_GE(skipped, 1);
  EXPECT_LT(skipped, 6);
  EXPECT_EQ(scale, std::ldexp(65536, -static_cast<int>(skipped)));

  // Where every step overflows, no weight moves.
  manual_seed(5);
  const Tensor start = nn::Linear(3, 2).weight.detach().clone();
  EXPECT_CLOSE(train(22, {.epochs = 1, .precision = f16}, 1000, watch), start, 0, 0);
  EXPECT_EQ(skipped, 1);
}

TEST_F(TrainerTest, ResumesWithTheScaleThatItHad) {
  nn::Linear model(3, 2);
  nn::SGD optimizer(model, {.lr = 0.5});
  Trainer trainer(model, optimizer, {.epochs = 1, .precision = f16});
  PointStream stream(model, points, 4, 16);
  trainer.fit(stream);
  Trainer again(model, optimizer, {.epochs = 2, .precision = f16});
  again.resume(trainer.checkpoint());
  EXPECT_EQ(again.loss_scale(), trainer.loss_scale());
  EXPECT_EQ(again.skipped_steps(), trainer.skipped_steps());
  const std::string state = trainer.checkpoint().state;
  const size_t begin = state.find("\"clean_steps\":");
  const std::string clean = state.substr(begin, state.find(',', begin) - begin + 1);
  EXPECT_NE(clean, "\"clean_steps\":0,");
  EXPECT_THAT(again.checkpoint().state, testing::HasSubstr(clean));
}

TEST_F(TrainerTest, ARefusedCheckpointChangesNothing) {
  nn::Linear model(3, 2), larger(4, 2);
  nn::SGD optimizer(model, {.lr = 0.5}), other(larger, {.lr = 0.5});
  Trainer trainer(model, optimizer, {.epochs = 1, .precision = f16});
  PointStream stream(model, points, 4, 16);
  trainer.fit(stream);
  const Checkpoint before = trainer.checkpoint();
  const int64_t steps = trainer.steps();
  const double scale = trainer.loss_scale();
  Trainer fresh(larger, other, {.epochs = 1, .precision = f16});
  EXPECT_THROW(trainer.resume(fresh.checkpoint()), DataError);
  EXPECT_EQ(trainer.steps(), steps);
  EXPECT_EQ(trainer.loss_scale(), scale);
  // Of the same optimizer, but another model, and the other way around.
  nn::SGD momentum(model, {.lr = 0.5, .momentum = 0.9});
  Trainer moving(model, momentum, {.epochs = 1, .precision = f16});
  moving.fit(stream);
  const std::vector<float> weights = model.weight.to_vector<float>();
  EXPECT_THROW(trainer.resume(moving.checkpoint()), DataError);
  Checkpoint mixed = trainer.checkpoint();
  mixed.optimizer.at("group.0.lr") = scalar(0.25, {.dtype = f64});
  mixed.model = fresh.checkpoint().model;
  EXPECT_THROW(trainer.resume(mixed), DataError);
  EXPECT_EQ(optimizer.lr(0), 0.5);
  mixed.model = before.model;
  mixed.optimizer.erase("group.0.lr");
  model.weight.detach().fill_(3);
  EXPECT_THROW(trainer.resume(mixed), DataError);
  EXPECT_EQ(model.weight.to_vector<float>(), std::vector<float>(6, 3));
  Checkpoint counts = before;
  counts.state.replace(counts.state.find("\"correct\""), 9, "\"correcT\"");
  EXPECT_THROW(fresh.resume(counts), DataError);
  EXPECT_EQ(fresh.steps(), 0);
}

TEST_F(TrainerTest, RefusesAValidLossThatIsNoNumber) {
  nn::Linear model(3, 2);
  nn::SGD optimizer(model, {.lr = 0.1});
  PointStream stream(model, points, 8), overflows(model, points, 8, INFINITY);
  for (const bool by_class : {true, false}) {
    Trainer trainer(model, optimizer, {.epochs = 1, .by_class = by_class});
    EXPECT_THROW(trainer.fit(stream, &overflows), UsageError);
    EXPECT_TRUE(trainer.history().empty());
  }
}

TEST_F(TrainerTest, TellsLessWhereNotByClass) {
  nn::Linear model(3, 2);
  PointStream stream(model, points, 8);
  const Score found = score(model, stream);
  const Evaluation whole = evaluate(model, stream);
  EXPECT_EQ(found.examples, 22);
  EXPECT_DOUBLE_EQ(found.accuracy, whole.confusion.accuracy());
  EXPECT_NEAR(found.loss, whole.loss, 1e-12);
  nn::SGD optimizer(model, {.lr = 0});
  Trainer trainer(model, optimizer, {.epochs = 1, .by_class = false});
  trainer.fit(stream, &stream);
  const EpochRecord& record = trainer.history().at(0);
  EXPECT_EQ(record.valid_loss, found.loss);
  EXPECT_EQ(record.valid_accuracy, found.accuracy);
  EXPECT_FALSE(record.valid_macro_f1 || record.valid_roc_auc || record.valid_brier);
}

/// Points whose labels are numbers: a linear function of x.
Points with_numbers(Points points) {
  points.labels = sum(points.x, -1, true) * 0.5 + 1.0;
  return points;
}

const auto squares = [](const Tensor& y, const Tensor& labels) { return mse_loss(y, labels); };

TEST_F(TrainerTest, LearnsNumbersByTheirLossAlone) {
  nn::Linear model(3, 1);
  nn::SGD optimizer(model, {.lr = 0.2});
  PointStream stream(model, with_numbers(points), 8);
  Trainer trainer(model, optimizer, {.epochs = 20, .regression = true, .loss = squares});
  double told = 0;
  trainer.fit(stream, &stream, {.epoch = [&](const EpochRecord& record) {
                told = record.accuracy;
                EXPECT_EQ(epoch_line(record, 20).find("accuracy"), std::string::npos);
              }});
  EXPECT_TRUE(std::isnan(told));
  const std::vector<EpochRecord>& history = trainer.history();
  const EpochRecord& best = history.at(static_cast<size_t>(trainer.best_epoch() - 1));
  EXPECT_FALSE(best.valid_accuracy || best.valid_macro_f1);
  EXPECT_LT(best.valid_loss.value(), 1e-3 * history[0].loss);
  for (const EpochRecord& each : history) EXPECT_GE(each.valid_loss.value(), best.valid_loss.value());
  // Over all points: the last batch, of 6, weighs no more than the others.
  EXPECT_NEAR(best.valid_loss.value(), mse_loss(model.forward(points.x), with_numbers(points).labels).item(), 1e-9);
}

TEST_F(TrainerTest, ARegressionResumesToTheSameBytes) {
  const auto weights_after = [&](bool interrupted) {
    manual_seed(5);
    nn::Linear model(3, 1);
    nn::Adam optimizer(model, {.lr = 0.05});
    PointStream stream(model, with_numbers(points), 8);
    const auto options = [](int64_t epochs) {
      return TrainerOptions{.epochs = epochs, .regression = true, .loss = squares};
    };
    Trainer trainer(model, optimizer, options(interrupted ? 2 : 4));
    trainer.fit(stream, &stream);
    if (!interrupted) return model.weight.to_vector<float>();
    const Checkpoint checkpoint = trainer.checkpoint();
    nn::Linear fresh(3, 1);
    nn::Adam other(fresh, {.lr = 0.05});
    PointStream again(fresh, with_numbers(points), 8);
    Trainer resumed(fresh, other, options(4));
    resumed.resume(checkpoint);
    resumed.fit(again, &again);
    return fresh.weight.to_vector<float>();
  };
  EXPECT_EQ(weights_after(true), weights_after(false));
}

TEST_F(TrainerTest, TellsOfWhatNobodyTrains) {
  nn::Linear model(3, 2), forgotten(2, 2);
  nn::SGD optimizer(model, {.lr = 0.1});
  PointStream points_of_model(model, points, 8);
  Through stream(points_of_model, [&](const Tensor& logits) { return forgotten.forward(logits); });
  for (const int64_t accumulate : {1, 2}) {
    Trainer trainer(model, optimizer, {.epochs = 1, .accumulate = accumulate});
    EXPECT_THAT(
        data::testing::error_of<ValueError>([&] { trainer.fit(stream); }),
        testing::AllOf(testing::StartsWith("Trainer: linear (trainer_test.cpp:"),
                       testing::HasSubstr(" that would be trained, but neither Linear nor the optimizer has it"),
                       testing::EndsWith(")")));
    EXPECT_EQ(trainer.steps(), accumulate == 1 ? 1 : 0);
  }

  // What the optimizer has, what is frozen, and inputs that want a gradient are all right.
  std::vector<Tensor> all = model.parameters();
  for (const Tensor& parameter : forgotten.parameters()) all.push_back(parameter);
  nn::SGD of_both(all, {.lr = 0.1});
  Trainer(model, of_both, {.epochs = 1}).fit(stream);
  Through inputs(points_of_model, [](const Tensor& logits) { return logits + zeros_like(logits).set_requires_grad(); });
  Trainer(model, optimizer, {.epochs = 1}).fit(inputs);
  forgotten.set_requires_grad(false);
  Trainer(model, optimizer, {.epochs = 1}).fit(stream);
}

TEST_F(TrainerTest, AveragesWhatBatchNormNotesToo) {
  struct Net : nn::Module {
    nn::Linear linear{3, 2};
    nn::BatchNorm1d norm{2};
    Net() {
      add("linear", linear);
      add("norm", norm);
    }
  } net;
  nn::SGD optimizer(net, {.lr = 0.1});
  std::vector<double> noted(2, 0), averages;
  PointStream points_of_net(net.linear, points, 8);
  Through stream(points_of_net, [&](const Tensor& logits) {
    const auto of_batch = mean(logits.detach(), 0).to_vector<double>();
    for (size_t i = 0; i < noted.size(); ++i) noted[i] += 0.1 * (of_batch[i] - noted[i]);
    if (averages.empty()) averages = noted;
    for (size_t i = 0; i < noted.size(); ++i) averages[i] += 0.3 * (noted[i] - averages[i]);
    return net.norm.forward(logits);
  });
  Trainer(net, optimizer, {.epochs = 1, .ema = 0.7}).fit(stream);
  EXPECT_CLOSE(net.norm.running_mean, averages, 1e-5, 1e-7);
  EXPECT_FALSE(test::close(net.norm.running_mean, noted, 1e-3, 1e-5));
}

TEST_F(TrainerTest, SaysWhatLabelsItCannotTakeAndWhere) {
  nn::Linear model(3, 1);
  nn::SGD optimizer(model, {.lr = 0.2});
  EXPECT_ERROR(Trainer(model, optimizer, {.regression = true}),
               "Trainer: regression without a loss (trainer_test.cpp:");
  Trainer trainer(model, optimizer, {.epochs = 1, .loss = squares});
  PointStream numbers(model, with_numbers(points), 8);
  EXPECT_ERROR(trainer.fit(numbers),
               "Trainer: labels f32 [8, 1] are no classes, which are i32; see TrainerOptions::multi_label and "
               "regression (trainer_test.cpp:");
}

}  // namespace
}  // namespace fovea::train
