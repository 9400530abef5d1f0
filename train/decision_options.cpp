#include "fovea/train/decision_options.h"

#include "fovea/data/parse_number.h"

namespace fovea::train {
namespace {

double parse_threshold(const std::string& text, const char* goals) {
  const double value = data::parse_number<double>(text).value_or(-1);
  if (value < 0 || value > 1) {
    refuse("--threshold: \"{}\" is neither a number from 0 to 1 nor one of {}", text, goals);
  }
  return value;
}

constexpr const char* class_goals = "accuracy, macro_f1, cost";
constexpr const char* label_goals = "accuracy, macro_f1, micro_f1, label_f1";

}  // namespace

void DecisionOptions::declare(OptionTable& options) {
  options.group("Decision");
  options.add("costs", &costs, "what each mistake costs, as a table: predictions then cost least",
              {.placeholder = "FILE", .configuration = false});
  options.add(
      "threshold", &threshold,
      "of two classes, the probability from which on it is the second; of several labels an example, the one "
      "from which on each holds: a number, or what it shall be best in on the held-out data: accuracy, macro_f1, "
      "cost, of labels micro_f1; label_f1 gives each label one of its own, which is best in its F1",
      {.placeholder = "X", .default_text = "the more probable class; of labels 0.5", .configuration = false});
}

/// None where the threshold is a number, or none of them.
std::optional<Goal> DecisionOptions::goal() const {
  if (threshold == "accuracy") return Goal::accuracy;
  if (threshold == "macro_f1") return Goal::macro_f1;
  if (threshold == "micro_f1") return Goal::micro_f1;
  if (threshold == "cost") return Goal::cost;
  return std::nullopt;
}

bool DecisionOptions::by_each_label() const { return threshold == "label_f1"; }

void DecisionOptions::check_held_out(int64_t held_out) const {
  if ((goal() || by_each_label()) && held_out == 0)
    refuse("--threshold {} needs examples that are held out", threshold);
}

CostMatrix DecisionOptions::load(const data::Labels& labels, bool multi_label) const {
  if (!threshold.empty()) {
    const bool known =
        multi_label ? by_each_label() || (goal() && goal() != Goal::cost) : goal() && goal() != Goal::micro_f1;
    if (!known) parse_threshold(threshold, multi_label ? label_goals : class_goals);
    if (!multi_label && labels.size() != 2) refuse("--threshold is for two classes; there are {}", labels.size());
    if (threshold == "cost" && costs.empty()) refuse("--threshold cost needs --costs");
  }
  return costs.empty() ? CostMatrix() : CostMatrix::load(costs, labels);
}

Decision DecisionOptions::decide(const CostMatrix& matrix, const Predictions& valid,
                                 std::span<const int32_t> truths) const {
  if (threshold.empty()) return matrix.classes > 0 ? Decision::at_least_cost(matrix) : Decision();
  if (!goal()) return Decision::at_threshold(parse_threshold(threshold, class_goals));
  check_held_out(static_cast<int64_t>(truths.size()));
  return Decision::at_threshold(choose_threshold({valid.classes, valid.probabilities, truths}, *goal(), matrix));
}

Decision DecisionOptions::decide_by_label(const ScoredLabels& valid) const {
  if (threshold.empty()) return Decision::by_label();
  if (!goal() && !by_each_label()) return Decision::by_label(parse_threshold(threshold, label_goals));
  check_held_out(valid.size());
  if (by_each_label()) return Decision::by_label(choose_label_thresholds(valid));
  return Decision::by_label(choose_label_threshold(valid, *goal()));
}

}  // namespace fovea::train
