#pragma once

#include <cstdint>
#include <span>
#include <vector>

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

/// From which probability on each label is called: the same for all of them, or one for each.
class LabelThresholds {
 public:
  /// Throws ValueError unless 0 <= common <= 1.
  LabelThresholds(double common = 0.5, Caller caller = {});  // NOLINT: a number is one
  /// In the order of the labels. Throws ValueError unless each is from 0 to 1.
  static LabelThresholds of_each(std::vector<double> thresholds, Caller caller = {});

  double operator[](size_t label) const { return values_[is_common() ? 0 : label]; }
  bool is_common() const { return common_; }
  /// One, or one for each label.
  const std::vector<double>& values() const { return values_; }

  friend bool operator==(const LabelThresholds&, const LabelThresholds&) = default;

 private:
  bool common_ = true;
  std::vector<double> values_;
};

/// The decisions of calling every label from its threshold on. Throws ValueError where there is no label, or thresholds of
/// another number of them.
LabelCounts label_counts(const ScoredLabels& examples, const LabelThresholds& thresholds, Caller caller = {});

/// What an evaluation of examples with labels tells.
struct LabelEvaluation {
  LabelCounts counts;
  double loss = 0;               // mean binary cross entropy over examples and labels, natural logarithm
  double ranking_precision = 0;  // label_ranking_average_precision
  LabelThresholds thresholds = {};

  /// Throws as label_counts does.
  static LabelEvaluation of(const ScoredLabels& examples, LabelThresholds thresholds = {}, Caller caller = {});
};

}  // namespace fovea::train
