#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/backends/error.h"

// Metrics of class probabilities, with scikit-learn's definitions.
namespace fovea::train {

/// Class probabilities [examples, classes], row by row, and what the examples are.
struct ScoredExamples {
  int64_t classes = 0;
  std::span<const float> probabilities = {};
  std::span<const int32_t> truths = {};

  int64_t size() const { return static_cast<int64_t>(truths.size()); }
  std::span<const float> of(int64_t example) const {
    return probabilities.subspan(static_cast<size_t>(example * classes), static_cast<size_t>(classes));
  }
};

/// The share of examples of which fewer than k classes are more probable than the right one; of equally probable ones
/// the first count as more probable. 0 of none.
double top_k_accuracy(const ScoredExamples& examples, int64_t k);

/// A decision threshold's rates: of the examples that are not of a class, the share that is called so; of those that
/// are, the share that is called so.
struct RocPoint {
  double false_rate = 0;
  double true_rate = 0;
  friend bool operator==(const RocPoint&, const RocPoint&) = default;
};

/// The receiver operating characteristic of a class: from (0, 0) to (1, 1), a point for each threshold at which it
/// turns. Empty unless some examples are of the class and some are not, and where a probability is NaN.
std::vector<RocPoint> roc_curve(const ScoredExamples& examples, int32_t positive);
double area_below(std::span<const RocPoint> curve);
/// The area below a class's curve: how often one of the class gets a higher probability of it than one that is not, ties half
/// counted. NaN where there is no curve.
double roc_auc(const ScoredExamples& examples, int32_t positive);
/// Of two classes the area of the second; of more the mean over the classes, each against the rest. NaN where none has
/// one.
double roc_auc(const ScoredExamples& examples);

/// Examples whose most probable class got a probability in one interval.
struct CalibrationBin {
  int64_t examples = 0;
  double confidence = 0;  // the mean probability of the most probable class
  double accuracy = 0;    // the share of which it is right
};
/// `bins` intervals of equal width, from 0 to 1; (Guo et al. 2017).
std::vector<CalibrationBin> calibration(const ScoredExamples& examples, int64_t bins = 10, Caller caller = {});
/// The expected calibration error (Naeini et al. 2015): the mean over examples of |confidence - accuracy| of their bin.
double calibration_error(std::span<const CalibrationBin> bins);

/// The mean over examples of the squared distance between probabilities and truth (Brier 1950): 0 to 2; of two classes
/// half of it, as is usual.
double brier_score(const ScoredExamples& examples);

/// The mean of -log of the right class's probability; what a float cannot tell from 0 counts as 1e-38.
double log_loss(const ScoredExamples& examples);

/// Whether curves are drawn for each of so many classes: always of two, of more as long as it takes little time.
bool has_roc(int64_t examples, int64_t classes);

/// All of them.
struct ProbabilityMetrics {
  double top3_accuracy = 0;
  double top5_accuracy = 0;
  double roc_auc = 0;  // NaN where not defined, or without curves
  double calibration_error = 0;
  double brier = 0;
  double log_loss = 0;
  std::vector<CalibrationBin> calibration = {};
  std::vector<std::vector<RocPoint>> roc = {};  // of the second of two classes; else of each class; see has_roc

  static ProbabilityMetrics of(const ScoredExamples& examples);
};

}  // namespace fovea::train
