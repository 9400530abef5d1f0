#pragma once

#include <cstdint>
#include <vector>

#include "fovea/backends/error.h"
#include "fovea/tensor/tensor.h"
#include "fovea/train/probability_metrics.h"

namespace fovea::train {

/// How one class fares. A ratio of nothing to nothing is 0.
struct ClassMetrics {
  double precision = 0;  // of what was called this class, the share that is
  double recall = 0;     // of what is this class, the share that was called so
  double f1 = 0;         // their harmonic mean
  int64_t support = 0;   // how many examples are of this class
};

/// Counts of (truth, prediction), from which the metrics of a classifier follow. scikit-learn's definitions.
class ConfusionMatrix {
 public:
  /// Throws ValueError where there is not at least one class.
  explicit ConfusionMatrix(int64_t classes, Caller caller = {});
  /// From counts [truth, predicted]. Throws ValueError where they are not classes times classes.
  ConfusionMatrix(int64_t classes, std::vector<int64_t> counts, Caller caller = {});

  /// Throws IndexError where a class is not there.
  void add(int64_t truth, int64_t predicted, Caller caller = {});

  int64_t classes() const { return classes_; }
  int64_t examples() const { return examples_; }
  int64_t count(int64_t truth, int64_t predicted) const {
    return counts_[static_cast<size_t>(truth * classes_ + predicted)];
  }

  /// The share of examples that were called rightly; 0 of none.
  double accuracy() const;
  std::vector<ClassMetrics> per_class() const;
  /// The mean precision and recall of the classes that occur, as truth or as prediction.
  double macro_precision() const;
  double macro_recall() const;
  /// The mean F1 of the same classes.
  double macro_f1() const;
  /// The mean F1 over examples: classes weigh by their support.
  double weighted_f1() const;

 private:
  int64_t classes_;
  int64_t examples_ = 0;
  std::vector<int64_t> counts_;  // [truth, predicted]
};

/// Counts over examples that each have some of several labels, from which their metrics follow. scikit-learn's definitions.
class LabelCounts {
 public:
  /// Throws ValueError where there is not at least one label.
  explicit LabelCounts(int64_t labels, Caller caller = {});
  /// Which labels hold and which were called so, both bool [examples, labels]: add(gt(y, 0.5), gt(logits, 0.0)). Read by the
  /// host. Throws ShapeError, DTypeError.
  void add(const Tensor& truth, const Tensor& predicted, Caller caller = {});

  int64_t labels() const { return static_cast<int64_t>(counts_.size()); }
  int64_t examples() const { return examples_; }

  std::vector<ClassMetrics> per_label() const;
  /// The means over the labels, also those that never occur.
  double macro_precision() const { return macro(&ClassMetrics::precision); }
  double macro_recall() const { return macro(&ClassMetrics::recall); }
  double macro_f1() const { return macro(&ClassMetrics::f1); }
  /// Precision, recall and F1 of all labels' decisions taken together; the support is how many labels hold in all.
  ClassMetrics micro() const { return total().metrics(); }
  double micro_f1() const { return micro().f1; }
  /// The share of examples all of whose labels were called rightly; 0 of none.
  double subset_accuracy() const;
  /// The share of decisions that are wrong; 0 of none.
  double hamming_loss() const;

 private:
  struct Counts {
    int64_t is = 0, called = 0, right = 0;  // right: both
    ClassMetrics metrics() const;
  };
  Counts total() const;
  double macro(double ClassMetrics::*metric) const;

  std::vector<Counts> counts_;
  int64_t examples_ = 0, right_examples_ = 0;
};

/// What an evaluation tells.
struct Evaluation {
  ConfusionMatrix confusion;
  double loss = 0;  // mean cross entropy, natural logarithm, without label smoothing
  ProbabilityMetrics probabilities = {};
};

}  // namespace fovea::train
