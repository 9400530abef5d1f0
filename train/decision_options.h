#pragma once

#include <optional>
#include <span>
#include <string>

#include "fovea/train/decision.h"
#include "fovea/train/inference.h"
#include "fovea/train/options.h"
#include "fovea/train/threshold_choice.h"

namespace fovea::train {

/// How a classifier turns probabilities into classes: the options --costs and --threshold.
struct DecisionOptions {
  std::string costs = {};
  std::string threshold = {};

  void declare(OptionTable& options);
  /// Throws UsageError where a threshold is to be best on examples of which there are none.
  void check_held_out(int64_t held_out) const;
  /// Reads the costs; empty where there are none. Throws DataError, and UsageError where the options do not fit the
  /// classes or one another.
  CostMatrix load(const data::Labels& labels, bool multi_label = false) const;
  /// The decision; where a threshold is to be best in something, it is chosen on `valid`, whose classes are `truths`.
  /// Throws UsageError where that is empty.
  Decision decide(const CostMatrix& costs, const Predictions& valid, std::span<const int32_t> truths) const;
  /// The same where an example may have any number of the classes.
  Decision decide_by_label(const ScoredLabels& valid) const;

 private:
  std::optional<Goal> goal() const;
  /// Whether each label is to have a threshold of its own.
  bool by_each_label() const;
};

}  // namespace fovea::train
