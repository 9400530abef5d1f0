#pragma once

#include <cstdint>
#include <span>

#include "fovea/train/metrics.h"

// Metrics of examples that each have any number of labels (multi-label classification), with scikit-learn's definitions.
namespace fovea::train {

/// Probabilities of labels [examples, labels], row by row, and which of them hold.
struct ScoredLabels {
  int64_t labels = 0;
  std::span<const float> probabilities = {};
  std::span<const uint8_t> truths = {};  // as the probabilities: 1 where the label holds, else 0

  int64_t size() const { return labels == 0 ? 0 : static_cast<int64_t>(truths.size()) / labels; }
};

/// The mean over examples of the mean over the labels j that hold of
///
///     (how many labels k that hold have p_k >= p_j) / (how many labels k have p_k >= p_j),
///
/// which is 1 for an example of which none or all hold: label_ranking_average_precision_score. 0 of no examples.
double label_ranking_average_precision(const ScoredLabels& examples);

/// The mean over examples and labels of -(y log p + (1 - y) log(1 - p)); what a float cannot tell from p = 0 counts as
/// 1e-38, what it cannot tell from p = 1 as 1 - 2^-25. 0 of none.
double binary_log_loss(const ScoredLabels& examples);

/// The decisions of calling every label that is at least so probable. Throws ValueError where there is no label.
LabelCounts label_counts(const ScoredLabels& examples, double threshold, Caller caller = {});

/// What an evaluation of examples with labels tells.
struct LabelEvaluation {
  LabelCounts counts;
  double loss = 0;               // mean binary cross entropy over examples and labels, natural logarithm
  double ranking_precision = 0;  // label_ranking_average_precision

  /// Throws ValueError where there is no label.
  static LabelEvaluation of(const ScoredLabels& examples, double threshold = 0.5, Caller caller = {});
};

}  // namespace fovea::train
