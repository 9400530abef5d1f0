#include "fovea/train/decision_options.h"

#include "fovea/data/parse_number.h"

namespace fovea::train {
namespace {

double parse_threshold(const std::string& text) {
  const double value = data::parse_number<double>(text).value_or(-1);
  if (value < 0 || value > 1) {
    refuse("--threshold: \"{}\" is neither a number from 0 to 1 nor one of accuracy, macro_f1, cost", text);
  }
  return value;
}

}  // namespace

void DecisionOptions::declare(OptionTable& options) {
  options.group("Decision");
  options.add("costs", &costs, "what each mistake costs, as a table: predictions then cost least",
              {.placeholder = "FILE", .configuration = false});
  options.add("threshold", &threshold,
              "of two classes, the probability from which on it is the second: a number, or what it shall be best in "
              "on the held-out data: accuracy, macro_f1, cost",
              {.placeholder = "X", .default_text = "the more probable class", .configuration = false});
}

void DecisionOptions::check_held_out(int64_t held_out) const {
  if (is_goal() && held_out == 0) refuse("--threshold {} needs examples that are held out", threshold);
}

CostMatrix DecisionOptions::load(const data::Labels& labels) const {
  if (!threshold.empty()) {
    if (!is_goal()) parse_threshold(threshold);
    if (labels.size() != 2) refuse("--threshold is for two classes; there are {}", labels.size());
    if (threshold == "cost" && costs.empty()) refuse("--threshold cost needs --costs");
  }
  return costs.empty() ? CostMatrix() : CostMatrix::load(costs, labels);
}

Decision DecisionOptions::decide(const CostMatrix& matrix, const Predictions& valid,
                                 std::span<const int32_t> truths) const {
  if (threshold.empty()) return matrix.classes > 0 ? Decision::at_least_cost(matrix) : Decision();
  if (!is_goal()) return Decision::at_threshold(parse_threshold(threshold));
  check_held_out(static_cast<int64_t>(truths.size()));
  const Goal goal = threshold == "accuracy" ? Goal::accuracy : threshold == "cost" ? Goal::cost : Goal::macro_f1;
  return Decision::at_threshold(choose_threshold({valid.classes, valid.probabilities, truths}, goal, matrix));
}

}  // namespace fovea::train
