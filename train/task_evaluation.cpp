#include "fovea/train/task_evaluation.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/data/file_error.h"
#include "fovea/train/json_text.h"

namespace fovea::train {
namespace {

/// 1 or 0 for each example and class.
std::vector<uint8_t> label_rows(const ClassifierTask& task, Part part) {
  const auto classes = static_cast<size_t>(task.labels().size());
  std::vector<uint8_t> rows(static_cast<size_t>(task.size(part)) * classes);
  for (int64_t i = 0; i < task.size(part); ++i) {
    for (const int32_t label : task.truths(part, i))
      rows[static_cast<size_t>(i) * classes + static_cast<size_t>(label)] = 1;
  }
  return rows;
}

std::string json_of(const Evaluation& evaluation, const CostMatrix& costs) {
  const ConfusionMatrix& confusion = evaluation.confusion;
  const ProbabilityMetrics& metrics = evaluation.probabilities;
  nlohmann::ordered_json object{
      {"examples", confusion.examples()},        {"accuracy", confusion.accuracy()},
      {"macro_f1", confusion.macro_f1()},        {"loss", evaluation.loss},
      {"weighted_f1", confusion.weighted_f1()},  {"macro_precision", confusion.macro_precision()},
      {"macro_recall", confusion.macro_recall()}};
  if (confusion.classes() > 3) object["top3_accuracy"] = metrics.top3_accuracy;
  if (confusion.classes() > 5) object["top5_accuracy"] = metrics.top5_accuracy;
  if (!std::isnan(metrics.roc_auc)) object["roc_auc"] = metrics.roc_auc;
  object["calibration_error"] = metrics.calibration_error;
  object["brier"] = metrics.brier;
  if (costs.classes > 0) object["mean_cost"] = costs.mean(confusion);
  return object.dump();
}

std::string json_of(const LabelEvaluation& evaluation, const data::Labels& labels) {
  const LabelCounts& counts = evaluation.counts;
  const ClassMetrics micro = counts.micro();
  nlohmann::ordered_json object{{"examples", counts.examples()},
                                {"accuracy", counts.subset_accuracy()},
                                {"macro_f1", counts.macro_f1()},
                                {"loss", evaluation.loss},
                                {"micro_f1", micro.f1},
                                {"micro_precision", micro.precision},
                                {"micro_recall", micro.recall},
                                {"macro_precision", counts.macro_precision()},
                                {"macro_recall", counts.macro_recall()},
                                {"hamming_loss", counts.hamming_loss()},
                                {"label_ranking_average_precision", evaluation.ranking_precision}};
  if (const LabelThresholds& thresholds = evaluation.thresholds; !thresholds.is_common()) {
    for (size_t i = 0; i < thresholds.values().size(); ++i) object["thresholds"][labels.names()[i]] = thresholds[i];
  }
  return json_text(object);
}

}  // namespace

Scores scores_of(const AnyEvaluation& evaluation) {
  if (const auto* of_labels = std::get_if<LabelEvaluation>(&evaluation)) {
    const LabelCounts& counts = of_labels->counts;
    return {.examples = counts.examples(),
            .accuracy = counts.subset_accuracy(),
            .macro_f1 = counts.macro_f1(),
            .micro_f1 = counts.micro_f1(),
            .loss = of_labels->loss};
  }
  const auto& [confusion, loss, probabilities] = std::get<Evaluation>(evaluation);
  return {.examples = confusion.examples(),
          .accuracy = confusion.accuracy(),
          .macro_f1 = confusion.macro_f1(),
          .loss = loss,
          .roc_auc = probabilities.roc_auc,
          .calibration_error = probabilities.calibration_error,
          .brier = probabilities.brier};
}

std::vector<int32_t> truths_of(const ClassifierTask& task, Part part) {
  std::vector<int32_t> truths;
  for (int64_t i = 0; i < task.size(part); ++i) truths.push_back(task.truth(part, i));
  return truths;
}

AnyEvaluation evaluation_of(const ClassifierTask& task, Part part, const Predictions& predictions) {
  if (!task.multi_label()) return evaluation_of(predictions, truths_of(task, part));
  return LabelEvaluation::of({predictions.classes, predictions.probabilities, label_rows(task, part)},
                             predictions.decision.label_thresholds());
}

double loss_of(const ClassifierTask& task, Part part, const Predictions& predictions) {
  if (!task.multi_label()) return log_loss({predictions.classes, predictions.probabilities, truths_of(task, part)});
  return binary_log_loss({predictions.classes, predictions.probabilities, label_rows(task, part)});
}

Decision decide(const DecisionOptions& options, const CostMatrix& costs, const ClassifierTask& task,
                const Predictions& valid) {
  const Part part = Part::valid;
  const bool held_out = valid.size() > 0;
  if (task.multi_label()) {
    const std::vector<uint8_t> rows = held_out ? label_rows(task, part) : std::vector<uint8_t>();
    return options.decide_by_label({task.labels().size(), valid.probabilities, rows});
  }
  return options.decide(costs, valid, held_out ? truths_of(task, part) : std::vector<int32_t>());
}

std::string headline(const AnyEvaluation& evaluation, bool more) {
  const Scores scores = scores_of(evaluation);
  if (const auto* of_labels = std::get_if<LabelEvaluation>(&evaluation)) {
    return fmt::format("micro F1 {:.4f}  macro F1 {:.4f}  subset accuracy {:.4f}{}  loss {:.4f}", scores.micro_f1,
                       scores.macro_f1, scores.accuracy,
                       more ? fmt::format("  Hamming loss {:.4f}", of_labels->counts.hamming_loss()) : "", scores.loss);
  }
  return fmt::format(
      "accuracy {:.4f}  macro F1 {:.4f}{}  loss {:.4f}", scores.accuracy, scores.macro_f1,
      more ? fmt::format("  weighted F1 {:.4f}", std::get<Evaluation>(evaluation).confusion.weighted_f1()) : "",
      scores.loss);
}

std::vector<ClassMetrics> by_class(const AnyEvaluation& evaluation) {
  if (const auto* of_labels = std::get_if<LabelEvaluation>(&evaluation)) return of_labels->counts.per_label();
  return std::get<Evaluation>(evaluation).confusion.per_class();
}

std::string to_json(const AnyEvaluation& evaluation, const data::Labels& labels, const CostMatrix& costs) {
  if (const auto* of_labels = std::get_if<LabelEvaluation>(&evaluation)) return json_of(*of_labels, labels);
  return json_of(std::get<Evaluation>(evaluation), costs);
}

std::string shared_threshold_note(const LabelEvaluation& held_out, const data::Labels& labels) {
  if (held_out.thresholds.is_common()) return {};
  const std::vector<ClassMetrics> each = held_out.counts.per_label();
  std::vector<std::string> sharing;
  double threshold = 0;
  for (size_t i = 0; i < each.size(); ++i) {
    if (each[i].support >= least_holding) continue;
    sharing.push_back(labels.names()[i]);
    threshold = held_out.thresholds[i];
  }
  if (sharing.empty()) return {};
  return fmt::format("{} from a probability of {:.4f} on: fewer than {} of the held-out examples have {}",
                     data::list_in_quotes(sharing.data(), sharing.data() + sharing.size()), threshold, least_holding,
                     sharing.size() == 1 ? "it" : "them");
}

std::string names_of(const data::Labels& labels, const std::vector<int32_t>& classes) {
  if (classes.empty()) return "(none)";
  std::string names;
  for (const int32_t each : classes) names += (names.empty() ? "" : ", ") + labels.name(each);
  return names;
}

}  // namespace fovea::train
