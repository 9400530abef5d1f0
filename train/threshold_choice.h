#pragma once

#include <cstdint>

#include "fovea/train/decision.h"
#include "fovea/train/label_metrics.h"
#include "fovea/train/probability_metrics.h"

// Thresholds that suit held-out examples.
namespace fovea::train {

/// What a threshold is to be best in; of labels the accuracy is that of all of an example's (subset accuracy).
enum class Goal : uint8_t { accuracy, macro_f1, micro_f1, cost };

/// The threshold with which the examples, of two classes, fare best; halfway between the probabilities of neighbours,
/// and of equally good ones the nearest to a half. `costs` are for Goal::cost. Throws ValueError for other than two
/// classes.
double choose_threshold(const ScoredExamples& examples, Goal goal, const CostMatrix& costs = {}, Caller caller = {});
/// The same of labels: one threshold for all of them. Throws ValueError for Goal::cost.
double choose_label_threshold(const ScoredLabels& examples, Goal goal, Caller caller = {});

/// In how many examples a label must hold for a threshold of its own: with fewer the best one is a matter of chance.
constexpr int64_t least_holding = 5;

/// For each label a threshold with which its own F1 is best: the mean of those that are on two thirds of the examples each,
/// which hangs less on single ones than the one that is on all (Yang 2001, "SCut", cross-validated). Labels that hold in
/// fewer than least_holding examples share the one that is best in micro F1 of all.
LabelThresholds choose_label_thresholds(const ScoredLabels& examples, Caller caller = {});

}  // namespace fovea::train
