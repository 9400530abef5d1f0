#include "fovea/train/task_evaluation.h"

#include <nlohmann/json.hpp>

#include "data/temp_folder.h"
#include "fixed_task.h"
#include "fovea/train/training_report.h"
#include "support/expect.h"

namespace fovea::train {
namespace {

using data::testing::error_of;
using ::testing::ElementsAre;
using Json = nlohmann::json;

const std::vector<std::string> classes{"a", "b", "c"};

/// Three examples with one class each, of which the last is called wrongly.
const FixedTask one_each(classes, std::vector<int32_t>{0, 1, 2});
const Predictions of_one{.classes = 3, .probabilities = {0.8f, 0.1f, 0.1f, 0.2f, 0.5f, 0.3f, 0.6f, 0.3f, 0.1f}};

/// Four with any number of them: both called, one of two, none of none, one of none.
const FixedTask any_number(classes, std::vector<std::vector<int32_t>>{{2, 0}, {0, 1}, {}, {}});
const Predictions of_any{.classes = 3,
                         .probabilities = {0.9f, 0.1f, 0.7f, 0.8f, 0.3f, 0.2f, 0.1f, 0.2f, 0.4f, 0.1f, 0.6f, 0.2f},
                         .decision = Decision::by_label()};

TEST(TaskEvaluation, KeepsWhatIsTrueOfOneClass) {
  EXPECT_FALSE(one_each.multi_label());
  EXPECT_THAT(one_each.truths(Part::test, 2), ElementsAre(2));
  EXPECT_THAT(one_each.class_counts(Part::test), ElementsAre(1, 1, 1));
  EXPECT_THAT(truths_of(one_each, Part::test), ElementsAre(0, 1, 2));
  const AnyEvaluation evaluation = evaluation_of(one_each, Part::test, of_one);
  const auto& plain = std::get<Evaluation>(evaluation);
  const Scores scores = scores_of(evaluation);
  EXPECT_EQ(scores.examples, 3);
  EXPECT_DOUBLE_EQ(scores.accuracy, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores.macro_f1, plain.confusion.macro_f1());
  EXPECT_TRUE(std::isnan(scores.micro_f1));
  EXPECT_NEAR(scores.loss, -(std::log(0.8) + std::log(0.5) + std::log(0.1)) / 3, 1e-6);
  EXPECT_DOUBLE_EQ(scores.loss, loss_of(one_each, Part::test, of_one));
  EXPECT_DOUBLE_EQ(scores.roc_auc, plain.probabilities.roc_auc);
  EXPECT_DOUBLE_EQ(scores.brier, plain.probabilities.brier);
  EXPECT_EQ(headline(evaluation, false), "accuracy 0.6667  macro F1 0.5556  loss 1.0730");
  EXPECT_EQ(headline(evaluation, true), "accuracy 0.6667  macro F1 0.5556  weighted F1 0.5556  loss 1.0730");
  EXPECT_EQ(by_class(evaluation).size(), 3u);
  const data::Labels& labels = one_each.labels();
  const Json json = Json::parse(to_json(evaluation, labels));
  EXPECT_EQ(json["accuracy"], scores.accuracy);
  EXPECT_FALSE(json.contains("micro_f1"));
  EXPECT_FALSE(json.contains("mean_cost"));
  const CostMatrix costs{3, {0, 1, 1, 1, 0, 1, 6, 1, 0}};
  EXPECT_EQ(Json::parse(to_json(evaluation, labels, costs))["mean_cost"], 2);
}

TEST(TaskEvaluation, TellsOfSeveralLabels) {
  EXPECT_TRUE(any_number.multi_label());
  EXPECT_THAT(any_number.truths(Part::test, 0), ElementsAre(0, 2));
  EXPECT_THAT(any_number.truths(Part::test, 2), ElementsAre());
  EXPECT_THAT(any_number.class_counts(Part::test), ElementsAre(2, 1, 1));
  const AnyEvaluation evaluation = evaluation_of(any_number, Part::test, of_any);
  // Of four decisions that a label holds three are right, of four labels that hold three are found.
  const Scores scores = scores_of(evaluation);
  EXPECT_EQ(scores.examples, 4);
  EXPECT_DOUBLE_EQ(scores.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(scores.micro_f1, 0.75);
  EXPECT_DOUBLE_EQ(scores.macro_f1, 2.0 / 3);  // a and c are right
  EXPECT_TRUE(std::isnan(scores.roc_auc) && std::isnan(scores.brier) && std::isnan(scores.calibration_error));
  double loss = 0;
  for (const double right : {0.9, 0.9, 0.7, 0.8, 0.3, 0.8, 0.9, 0.8, 0.6, 0.9, 0.4, 0.8}) loss -= std::log(right) / 12;
  EXPECT_NEAR(scores.loss, loss, 1e-6);
  EXPECT_DOUBLE_EQ(scores.loss, loss_of(any_number, Part::test, of_any));
  EXPECT_EQ(headline(evaluation, false),
            fmt::format("micro F1 0.7500  macro F1 0.6667  subset accuracy 0.5000  loss {:.4f}", loss));
  EXPECT_EQ(
      headline(evaluation, true),
      fmt::format("micro F1 0.7500  macro F1 0.6667  subset accuracy 0.5000  Hamming loss 0.1667  loss {:.4f}", loss));
  const std::vector<ClassMetrics> each = by_class(evaluation);
  ASSERT_EQ(each.size(), 3u);
  EXPECT_EQ(each[0].support, 2);
  EXPECT_DOUBLE_EQ(each[1].f1, 0);
  const Json json = Json::parse(to_json(evaluation, any_number.labels()));
  EXPECT_EQ(json["examples"], 4);
  EXPECT_EQ(json["accuracy"], 0.5);
  EXPECT_EQ(json["micro_f1"], 0.75);
  EXPECT_EQ(json["micro_recall"], 0.75);
  EXPECT_NEAR(json["hamming_loss"].get<double>(), 2.0 / 12, 1e-12);
  EXPECT_EQ(json["label_ranking_average_precision"], 1);
  EXPECT_FALSE(json.contains("thresholds"));
}

TEST(TaskEvaluation, HearsTheThreshold) {
  Predictions predictions = of_any;
  predictions.decision = Decision::by_label(0.65);
  EXPECT_DOUBLE_EQ(scores_of(evaluation_of(any_number, Part::test, predictions)).accuracy, 0.75);
  predictions.decision = Decision::by_label(LabelThresholds::of_each({0.5, 0.25, 0.5}));
  const AnyEvaluation evaluation = evaluation_of(any_number, Part::test, predictions);
  EXPECT_DOUBLE_EQ(by_class(evaluation)[1].f1, 2.0 / 3);  // b is found in the second and still called in the last
  const Json json = Json::parse(to_json(evaluation, any_number.labels()));
  EXPECT_EQ(json["thresholds"], (Json{{"a", 0.5}, {"b", 0.25}, {"c", 0.5}}));
}

TEST(TaskEvaluation, NamesLabelsThatShareAThreshold) {
  const data::Labels labels = data::Labels::in_order(classes);
  std::vector<float> probabilities;
  std::vector<uint8_t> truths;
  for (int i = 0; i < 5; ++i) {  // a holds in all of them, b in two, c in none
    probabilities.insert(probabilities.end(), {0.9f, i < 2 ? 0.4f : 0.3f, 0.1f});
    truths.insert(truths.end(), {1, i < 2, 0});
  }
  const ScoredLabels scored{3, probabilities, truths};
  const auto note = [&](const LabelThresholds& thresholds) {
    return shared_threshold_note(LabelEvaluation::of(scored, thresholds), labels);
  };
  EXPECT_EQ(note(choose_label_thresholds(scored)),
            "\"b\", \"c\" from a probability of 0.3500 on: fewer than 5 of the held-out examples have them");
  EXPECT_EQ(note(0.35), "");
  truths[10] = truths[13] = truths[7] = 1;
  EXPECT_EQ(note(choose_label_thresholds(scored)),
            "\"c\" from a probability of 0.2000 on: fewer than 5 of the held-out examples have it");
}

TEST(TaskEvaluation, DecidesByTheKindOfLabels) {
  EXPECT_FALSE(decide({}, {}, one_each, {}).is_by_label());
  EXPECT_EQ(decide({}, {}, any_number, {}).label_thresholds(), 0.5);
  EXPECT_EQ(decide({.threshold = "0.3"}, {}, any_number, {}).label_thresholds(), 0.3);
  // From 0.6 on to below 0.7 three of the examples are right, all of whose labels it is.
  const Decision chosen = decide({.threshold = "accuracy"}, {}, any_number, of_any);
  EXPECT_NEAR(chosen.label_thresholds()[0], 0.65, 1e-6);
  EXPECT_EQ(error_of<UsageError>([] { decide({.threshold = "micro_f1"}, {}, any_number, {}); }),
            "--threshold micro_f1 needs examples that are held out");
}

TEST(TaskEvaluation, NamesClassesForPeople) {
  const data::Labels labels = data::Labels::in_order(classes);
  EXPECT_EQ(names_of(labels, {}), "(none)");
  EXPECT_EQ(names_of(labels, {1}), "b");
  EXPECT_EQ(names_of(labels, {0, 2}), "a, c");
}

/// The truths' numbers as a stream of batches of two has them.
class Numbers final : public BatchStream {
 public:
  int64_t batches() const override { return 2; }
  void seek(int64_t, int64_t batch) override { batch_ = batch; }
  std::optional<Outcome> next() override {
    if (batch_ == 2) return std::nullopt;
    const int64_t first = 2 * batch_++;
    return Outcome{.logits = zeros({2, 3}),
                   .labels = labelled ? from_vector(std::vector<int32_t>{7, 7}) : Tensor(),
                   .targets = {},
                   .examples = {first + 1, first}};
  }
  bool labelled = true;

 private:
  int64_t batch_ = 0;
};

TEST(ClassifierTask, StreamsRowsOfLabels) {
  const auto stream = any_number.with_label_rows(Part::train, std::make_unique<Numbers>());
  EXPECT_EQ(stream->batches(), 2);
  EXPECT_CLOSE(stream->next()->labels, from_vector(std::vector<float>{1, 1, 0, 1, 0, 1}, {2, 3}));
  EXPECT_CLOSE(stream->next()->labels, zeros({2, 3}));
  EXPECT_FALSE(stream->next().has_value());
  stream->seek(1, 0);
  EXPECT_THAT(stream->next()->examples, ElementsAre(1, 0));

  auto unlabelled = std::make_unique<Numbers>();
  unlabelled->labelled = false;
  EXPECT_FALSE(any_number.with_label_rows(Part::train, std::move(unlabelled))->next()->labels.defined());
  EXPECT_EQ(one_each.with_label_rows(Part::train, std::make_unique<Numbers>())->next()->labels.dtype(), i32);
}

TEST(ClassifierTask, IsTrainedByItsKindOfLabels) {
  TrainingOptions training;
  EXPECT_FALSE(trainer_options(one_each, training, {}).multi_label);
  training.balance = "weights";
  EXPECT_CLOSE(trainer_options(one_each, training, {}).class_weights, {1, 1, 1});
  const TrainerOptions options = trainer_options(any_number, training, {});
  EXPECT_TRUE(options.multi_label);
  EXPECT_CLOSE(options.class_weights, {1, 3, 3});  // how many lack a label, to those that have it
}

TEST(MakeReport, ShowsWhatWasCalledOfSeveralLabels) {
  FixedTask task = any_number;
  const OptionTable options;
  const Report report = make_report({.title = "labels",
                                     .task = task,
                                     .part = Part::test,
                                     .evaluated_on = "4 examples",
                                     .predictions = of_any,
                                     .history = {},
                                     .options = options,
                                     .folds = {},
                                     .costs = {}});
  EXPECT_FALSE(report.evaluation.has_value());
  EXPECT_EQ(report.label_evaluation.value().counts.examples(), 4);
  EXPECT_EQ(report.decision, "Each label is called from a probability of 0.5000 on.");
  EXPECT_THAT(report.colour_note, ::testing::HasSubstr("furthest above its threshold"));
  ASSERT_EQ(report.mistakes.size(), 2u);  // the one that is furthest off first
  EXPECT_EQ(report.mistakes[0].truth, "a, b");
  EXPECT_EQ(report.mistakes[0].predicted, "a");
  EXPECT_EQ(report.mistakes[1].truth, "(none)");
  EXPECT_EQ(report.mistakes[1].predicted, "b");
  ASSERT_EQ(report.examples.size(), 2u);
  EXPECT_EQ(report.examples[0].predicted, "a, c");
  EXPECT_EQ(report.examples[1].predicted, "(none)");
  EXPECT_TRUE(std::isnan(report.examples[0].probability));
}

}  // namespace
}  // namespace fovea::train
