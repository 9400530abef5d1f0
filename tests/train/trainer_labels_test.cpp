// A trainer of examples that have any number of labels.
#include "fovea/autograd/losses.h"
#include "fovea/autograd/pointwise.h"
#include "points.h"
#include "support/expect.h"

namespace fovea::train {
namespace {

class LabelTrainerTest : public TrainerTest {
 protected:
  /// Which of two lines a point lies above.
  LabelTrainerTest() {
    points.x = randn({60, 3});
    points.labels = gt(matmul(points.x, from_vector(std::vector<float>{1, -1, 2, 1, -1, 0.5f}, {3, 2})), 0.0).to(f32);
  }

  /// The weights after training from the same start.
  std::vector<float> learned(int64_t batch_size, TrainerOptions options, const Checkpoint* before = nullptr,
                             Checkpoint* after = nullptr) const {
    manual_seed(5);
    nn::Linear model(3, 2);
    nn::Adam optimizer(model, {.lr = 0.05});
    options.multi_label = true;
    Trainer trainer(model, optimizer, options);
    if (before) trainer.resume(*before);
    PointStream stream(model, points, batch_size);
    trainer.fit(stream, &stream);
    if (after) *after = trainer.checkpoint();
    return model.weight.to_vector<float>();
  }
};

TEST_F(LabelTrainerTest, LearnsEachLabelAndTellsEpochsApartByMicroF1) {
  nn::Linear model(3, 2);
  nn::Adam optimizer(model, {.lr = 0.1});
  PointStream stream(model, points, 8);
  Trainer trainer(model, optimizer, {.epochs = 30, .monitor = Monitor::micro_f1, .multi_label = true});
  trainer.fit(stream, &stream);
  const std::vector<EpochRecord>& history = trainer.history();
  const EpochRecord& best = history.at(static_cast<size_t>(trainer.best_epoch() - 1));
  for (const EpochRecord& each : history) {
    EXPECT_TRUE(std::isnan(each.accuracy));
    EXPECT_FALSE(each.valid_roc_auc || each.valid_brier);
    EXPECT_GE(best.valid_micro_f1.value(), each.valid_micro_f1.value());
  }
  EXPECT_GT(*best.valid_micro_f1, 0.97);

  const Tensor logits = model.forward(points.x);
  LabelCounts counts(2);
  counts.add(gt(points.labels, 0.5), gt(logits, 0.0));
  EXPECT_DOUBLE_EQ(*best.valid_micro_f1, counts.micro_f1());
  EXPECT_DOUBLE_EQ(best.valid_macro_f1.value(), counts.macro_f1());
  EXPECT_DOUBLE_EQ(best.valid_accuracy.value(), counts.subset_accuracy());
  EXPECT_NEAR(best.valid_loss.value(), binary_cross_entropy_with_logits(logits, points.labels).item(), 1e-6);

  const LabelEvaluation evaluation = trainer.evaluate_labels(stream);
  EXPECT_EQ(evaluation.counts.examples(), 60);
  EXPECT_DOUBLE_EQ(evaluation.loss, *best.valid_loss);
  const Predictions predictions = trainer.predict(stream);
  EXPECT_CLOSE(from_vector(predictions.probabilities, {60, 2}), sigmoid(logits), 1e-6);
  for (int64_t i = 0; i < 60; ++i) {
    std::vector<int32_t> above;
    for (int32_t label = 0; label < 2; ++label) {
      if (logits.to_vector<float>()[static_cast<size_t>(2 * i + label)] > 0) above.push_back(label);
    }
    EXPECT_EQ(predictions.called(i), above);
  }
}

TEST_F(LabelTrainerTest, TheBestEpochIsTheBestOfWhatIsMonitored) {
  for (const Monitor monitor : {Monitor::accuracy, Monitor::macro_f1, Monitor::micro_f1, Monitor::loss}) {
    manual_seed(5);
    nn::Linear model(3, 2);
    nn::SGD optimizer(model, {.lr = 20});  // so that it jumps about
    PointStream stream(model, points, 8);
    Trainer trainer(model, optimizer, {.epochs = 12, .monitor = monitor, .multi_label = true});
    trainer.fit(stream, &stream);
    const auto key = [&](const EpochRecord& r) {
      return monitor == Monitor::accuracy   ? *r.valid_accuracy
             : monitor == Monitor::macro_f1 ? *r.valid_macro_f1
             : monitor == Monitor::micro_f1 ? *r.valid_micro_f1
                                            : -*r.valid_loss;
    };
    double best = -1e9;
    for (const EpochRecord& each : trainer.history()) best = std::max(best, key(each));
    EXPECT_EQ(key(trainer.history().at(static_cast<size_t>(trainer.best_epoch() - 1))), best);
  }
}

TEST_F(LabelTrainerTest, BatchesThatAreAddedUpAreOneBatch) {
  EXPECT_CLOSE(from_vector(learned(8, {.epochs = 3, .accumulate = 2})), from_vector(learned(16, {.epochs = 3})), 1e-4,
               1e-5);
}

TEST_F(LabelTrainerTest, ClassWeightsMultiplyWhatHolds) {
  const std::vector<float> weights{3, 0.5f};
  const auto by_hand = [&](const Tensor& logits, const Tensor& labels) {
    return mean(neg(labels * from_vector(weights) * log(sigmoid(logits)) + (1.0 - labels) * log(sigmoid(neg(logits)))));
  };
  const auto found = learned(16, {.epochs = 3, .class_weights = from_vector(weights)});
  EXPECT_CLOSE(from_vector(found), from_vector(learned(16, {.epochs = 3, .loss = by_hand})), 1e-4, 1e-5);
  EXPECT_FALSE(test::close(from_vector(found), from_vector(learned(16, {.epochs = 3})), 1e-3, 1e-4));
}

TEST_F(LabelTrainerTest, ResumesToTheSameBytes) {
  Checkpoint half;
  learned(16, {.epochs = 2, .monitor = Monitor::micro_f1}, nullptr, &half);
  const TrainerOptions whole{.epochs = 5, .monitor = Monitor::micro_f1};
  EXPECT_EQ(learned(16, whole, &half), learned(16, whole));
}

TEST_F(LabelTrainerTest, SaysWhatDoesNotGoTogether) {
  nn::Linear model(3, 2);
  nn::SGD optimizer(model, {.lr = 0.1});
  const auto squares = [](const Tensor& y, const Tensor& labels) { return mse_loss(y, labels); };
  EXPECT_ERROR(Trainer(model, optimizer, {.multi_label = true, .regression = true, .loss = squares}),
               "Trainer: both regression and multi_label (trainer_labels_test.cpp:");
  EXPECT_ERROR(Trainer(model, optimizer, {.label_smoothing = 0.1, .multi_label = true}),
               "Trainer: multi_label with a label_smoothing of 0.1 (trainer_labels_test.cpp:");
  EXPECT_ERROR(Trainer(model, optimizer, {.monitor = Monitor::roc_auc, .multi_label = true}),
               "Trainer: monitor roc_auc with multi_label (trainer_labels_test.cpp:");
  EXPECT_ERROR(Trainer(model, optimizer, {.monitor = Monitor::micro_f1}),
               "Trainer: monitor micro_f1 without multi_label (trainer_labels_test.cpp:");
  PointStream nothing(model, {points.x.slice(0, 0, 0), points.labels.slice(0, 0, 0)}, 8);
  EXPECT_ERROR(evaluate_labels(model, nothing), "evaluate_labels: there are no examples (trainer_labels_test.cpp:");
}

}  // namespace
}  // namespace fovea::train
