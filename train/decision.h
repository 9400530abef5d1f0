#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/vocabulary.h"
#include "fovea/train/label_metrics.h"
#include "fovea/train/metrics.h"
#include "fovea/train/probability_metrics.h"

namespace fovea::train {

/// What it costs to take an example of one class for one of another.
struct CostMatrix {
  int64_t classes = 0;
  std::vector<double> costs;  // [truth, predicted]

  double of(int64_t truth, int64_t predicted) const { return costs[static_cast<size_t>(truth * classes + predicted)]; }
  /// The mean cost of an example.
  double mean(const ConfusionMatrix& confusion) const;

  /// Reads a table: the header names the predicted classes behind a first column, which names the true one of each row.
  ///
  ///     truth,good,bad
  ///     good,0,1
  ///     bad,5,0
  ///
  /// Throws DataError with the line: a class that is missing, unknown or there twice, a cost that is no number.
  static CostMatrix load(const std::string& path, const data::Labels& labels);
};

/// How probabilities become a class: the most probable one; of two classes the second where it is at least as probable
/// as a threshold; or the class of the least expected cost (Elkan 2001), the first of equals. Or, where an example may have
/// any number of the classes, all that are at least as probable as a threshold.
class Decision {
 public:
  Decision() = default;
  /// Throws ValueError unless 0 <= threshold <= 1.
  static Decision at_threshold(double threshold, Caller caller = {});
  static Decision at_least_cost(CostMatrix costs);
  /// For examples with any number of labels. Throws ValueError unless 0 <= threshold <= 1.
  static Decision by_label(double threshold = 0.5, Caller caller = {});

  /// The class; by label the most probable one.
  int32_t of(std::span<const float> probabilities) const;
  /// The classes in ascending order: one, or by label any number.
  std::vector<int32_t> all_of(std::span<const float> probabilities) const;

  bool is_by_label() const { return label_threshold_ >= 0; }
  double label_threshold() const { return label_threshold_; }
  bool has_threshold() const { return threshold_ >= 0; }
  double threshold() const { return threshold_; }
  /// Empty where costs do not decide.
  const CostMatrix& costs() const { return costs_; }

  /// A JSON object: {}, {"threshold": x}, {"costs": [[...], ...]} or {"label_threshold": x}.
  std::string to_json() const;
  /// What to_json wrote, for so many classes. Throws ValueError.
  static Decision from_json(std::string_view text, int64_t classes, Caller caller = {});

 private:
  double threshold_ = -1;        // none
  double label_threshold_ = -1;  // none
  CostMatrix costs_;
};

/// What a threshold is to be best in; of labels the accuracy is that of all of an example's (subset accuracy).
enum class Goal : uint8_t { accuracy, macro_f1, micro_f1, cost };

/// The threshold with which the examples, of two classes, fare best; halfway between the probabilities of neighbours,
/// and of equally good ones the nearest to a half. `costs` are for Goal::cost. Throws ValueError for other than two
/// classes.
double choose_threshold(const ScoredExamples& examples, Goal goal, const CostMatrix& costs = {}, Caller caller = {});
/// The same of labels: one threshold for all of them. Throws ValueError for Goal::cost.
double choose_label_threshold(const ScoredLabels& examples, Goal goal, Caller caller = {});

}  // namespace fovea::train
