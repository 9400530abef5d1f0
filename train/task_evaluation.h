#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "fovea/train/classifier_task.h"
#include "fovea/train/decision_options.h"
#include "fovea/train/inference.h"
#include "fovea/train/label_metrics.h"

// What predictions of a task's examples amount to, whether each has one class or any number of them.
namespace fovea::train {

/// The second of examples with any number of classes.
using AnyEvaluation = std::variant<Evaluation, LabelEvaluation>;

/// The numbers by which models are compared; NaN where one is not told of such examples.
struct Scores {
  int64_t examples = 0;
  double accuracy = 0;  // of several labels subset accuracy
  double macro_f1 = 0;
  double micro_f1 = std::numeric_limits<double>::quiet_NaN();  // of several labels
  double loss = 0;
  double roc_auc = std::numeric_limits<double>::quiet_NaN();
  double calibration_error = std::numeric_limits<double>::quiet_NaN();
  double brier = std::numeric_limits<double>::quiet_NaN();
};
Scores scores_of(const AnyEvaluation& evaluation);

/// What ClassifierTask::truth tells of a part's examples.
std::vector<int32_t> truths_of(const ClassifierTask& task, Part part);
/// The evaluation that predictions of a labelled part amount to.
AnyEvaluation evaluation_of(const ClassifierTask& task, Part part, const Predictions& predictions);
/// Its loss alone: also where the probabilities are no numbers.
double loss_of(const ClassifierTask& task, Part part, const Predictions& predictions);
/// How the task's probabilities become classes; where a threshold is to be best in something, it is chosen on `valid`, the
/// predictions of Part::valid. Throws UsageError where that has no examples.
Decision decide(const DecisionOptions& options, const CostMatrix& costs, const ClassifierTask& task,
                const Predictions& valid);

/// The first line that people read of it: "accuracy 0.9020  macro F1 0.8854  loss 0.3186"; with `more` other averages, too.
std::string headline(const AnyEvaluation& evaluation, bool more);
/// Precision, recall, F1 and number of examples by class.
std::vector<ClassMetrics> by_class(const AnyEvaluation& evaluation);
/// The metrics as a JSON object: examples, accuracy, macro_f1, loss, and then the others that are defined; where each of the
/// `labels` has a threshold of its own, that one by name.
std::string to_json(const AnyEvaluation& evaluation, const data::Labels& labels, const CostMatrix& costs = {});

/// Which labels share a threshold since too few held-out examples have them, for people: `"a", "b" from a probability of 0.3
/// on: fewer than 5 of the held-out examples have them`. "" where there is none, or all have the same.
std::string shared_threshold_note(const LabelEvaluation& held_out, const data::Labels& labels);

/// Names of classes for people, between commas; "(none)" of none.
std::string names_of(const data::Labels& labels, const std::vector<int32_t>& classes);

}  // namespace fovea::train
