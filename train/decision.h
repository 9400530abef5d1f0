#pragma once

#include <cstdint>
#include <optional>
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
/// any number of the classes, all that are at least as probable as their threshold.
class Decision {
 public:
  Decision() = default;
  /// Throws ValueError unless 0 <= threshold <= 1.
  static Decision at_threshold(double threshold, Caller caller = {});
  static Decision at_least_cost(CostMatrix costs);
  /// For examples with any number of labels.
  static Decision by_label(LabelThresholds thresholds = {});

  /// The class; by label the one that is furthest above its threshold, or least below: with one for all the most probable.
  int32_t of(std::span<const float> probabilities) const;
  /// The classes in ascending order: one, or by label any number.
  std::vector<int32_t> all_of(std::span<const float> probabilities) const;

  bool is_by_label() const { return label_thresholds_.has_value(); }
  /// Of a decision by label.
  const LabelThresholds& label_thresholds() const { return label_thresholds_.value(); }
  bool has_threshold() const { return threshold_ >= 0; }
  double threshold() const { return threshold_; }
  /// Empty where costs do not decide.
  const CostMatrix& costs() const { return costs_; }

  /// A JSON object: {}, {"threshold": x}, {"costs": [[...], ...]}, {"label_threshold": x} or
  /// {"label_thresholds": [x, ...]}.
  std::string to_json() const;
  /// What to_json wrote, for so many classes. Throws ValueError.
  static Decision from_json(std::string_view text, int64_t classes, Caller caller = {});

 private:
  double threshold_ = -1;  // none
  std::optional<LabelThresholds> label_thresholds_;
  CostMatrix costs_;
};

}  // namespace fovea::train
