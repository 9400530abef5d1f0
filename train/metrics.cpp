#include "fovea/train/metrics.h"

#include <numeric>

#include "fovea/tensor/raw.h"

namespace fovea::train {
namespace {

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

/// The mean of one metric over the classes that occur, as truth or as prediction.
double macro(const ConfusionMatrix& confusion, double ClassMetrics::*metric) {
  const std::vector<ClassMetrics> metrics = confusion.per_class();
  double sum = 0;
  int64_t occurring = 0;
  for (int64_t c = 0; c < confusion.classes(); ++c) {
    int64_t seen = 0;
    for (int64_t other = 0; other < confusion.classes(); ++other) {
      seen += confusion.count(c, other) + confusion.count(other, c);
    }
    if (seen == 0) continue;
    ++occurring;
    sum += metrics[static_cast<size_t>(c)].*metric;
  }
  return ratio(sum, static_cast<double>(occurring));
}

/// Of how many examples are of a class, were called so, and both.
ClassMetrics metrics_of(int64_t is, int64_t called, int64_t both) {
  const auto right = static_cast<double>(both);
  return {.precision = ratio(right, static_cast<double>(called)),
          .recall = ratio(right, static_cast<double>(is)),
          .f1 = ratio(2 * right, static_cast<double>(is + called)),
          .support = is};
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(int64_t classes, Caller caller) : classes_(classes) {
  if (classes < 1) raise<ValueError>(caller, "ConfusionMatrix: {} classes", classes);
  counts_.resize(static_cast<size_t>(classes * classes));
}

ConfusionMatrix::ConfusionMatrix(int64_t classes, std::vector<int64_t> counts, Caller caller)
    : ConfusionMatrix(classes, caller) {
  if (counts.size() != counts_.size()) {
    raise<ValueError>(caller, "ConfusionMatrix: {} counts for {} classes", counts.size(), classes);
  }
  counts_ = std::move(counts);
  examples_ = std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
}

void ConfusionMatrix::add(int64_t truth, int64_t predicted, Caller caller) {
  if (truth < 0 || truth >= classes_ || predicted < 0 || predicted >= classes_) {
    raise<IndexError>(caller, "ConfusionMatrix: class {} taken for {}; there are {}", truth, predicted, classes_);
  }
  ++counts_[static_cast<size_t>(truth * classes_ + predicted)];
  ++examples_;
}

double ConfusionMatrix::accuracy() const {
  int64_t right = 0;
  for (int64_t c = 0; c < classes_; ++c) right += count(c, c);
  return ratio(static_cast<double>(right), static_cast<double>(examples_));
}

std::vector<ClassMetrics> ConfusionMatrix::per_class() const {
  std::vector<ClassMetrics> all;
  for (int64_t c = 0; c < classes_; ++c) {
    int64_t is = 0, called = 0;
    for (int64_t other = 0; other < classes_; ++other) {
      is += count(c, other);
      called += count(other, c);
    }
    all.push_back(metrics_of(is, called, count(c, c)));
  }
  return all;
}

double ConfusionMatrix::macro_precision() const { return macro(*this, &ClassMetrics::precision); }
double ConfusionMatrix::macro_recall() const { return macro(*this, &ClassMetrics::recall); }
double ConfusionMatrix::macro_f1() const { return macro(*this, &ClassMetrics::f1); }

double ConfusionMatrix::weighted_f1() const {
  double sum = 0;
  for (const ClassMetrics& each : per_class()) sum += each.f1 * static_cast<double>(each.support);
  return ratio(sum, static_cast<double>(examples_));
}

LabelCounts::LabelCounts(int64_t labels, Caller caller) {
  if (labels < 1) raise<ValueError>(caller, "LabelCounts: {} labels", labels);
  counts_.resize(static_cast<size_t>(labels));
}

void LabelCounts::add(const Tensor& truth, const Tensor& predicted, Caller caller) {
  for (const Tensor* each : {&truth, &predicted}) {
    raw::check_defined("LabelCounts", *each, caller);
    if (each->dtype() != boolean) {
      raise<DTypeError>(caller, "LabelCounts: labels must be bool, not {}; compare with a threshold", each->dtype());
    }
    if (each->rank() != 2 || each->shape() != truth.shape() || each->shape()[1] != labels()) {
      raise<ShapeError>(caller, "LabelCounts: {} and {} are not both [examples, {}]", truth.shape(), predicted.shape(),
                        labels());
    }
  }
  const std::vector<bool> is = truth.to_vector<bool>(), called = predicted.to_vector<bool>();
  const size_t width = counts_.size();
  for (size_t first = 0; first < is.size(); first += width) {
    bool all_right = true;
    for (size_t label = 0; label < width; ++label) {
      const bool held = is[first + label], told = called[first + label];
      counts_[label].is += held;
      counts_[label].called += told;
      counts_[label].right += held && told;
      all_right = all_right && held == told;
    }
    ++examples_;
    right_examples_ += all_right;
  }
}

ClassMetrics LabelCounts::Counts::metrics() const { return metrics_of(is, called, right); }

LabelCounts::Counts LabelCounts::total() const {
  Counts all;
  for (const Counts& each : counts_) {
    all.is += each.is;
    all.called += each.called;
    all.right += each.right;
  }
  return all;
}

std::vector<ClassMetrics> LabelCounts::per_label() const {
  std::vector<ClassMetrics> all;
  for (const Counts& each : counts_) all.push_back(each.metrics());
  return all;
}

double LabelCounts::macro(double ClassMetrics::*metric) const {
  double sum = 0;
  for (const Counts& each : counts_) sum += each.metrics().*metric;
  return sum / static_cast<double>(labels());
}

double LabelCounts::subset_accuracy() const {
  return ratio(static_cast<double>(right_examples_), static_cast<double>(examples_));
}

double LabelCounts::hamming_loss() const {
  const Counts all = total();
  return ratio(static_cast<double>(all.is + all.called - 2 * all.right), static_cast<double>(examples_ * labels()));
}

}  // namespace fovea::train
