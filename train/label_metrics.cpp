#include "fovea/train/label_metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "fovea/tensor/creation.h"

namespace fovea::train {
namespace {

/// Of one example, whose labels are put into an order of falling probability in `order`.
double ranking_precision(std::span<const float> probabilities, std::span<const uint8_t> truths,
                         std::vector<size_t>& order) {
  const auto holding = std::count(truths.begin(), truths.end(), 1);
  if (holding == 0 || holding == static_cast<int64_t>(truths.size())) return 1;
  const auto score = [&](size_t label) { return std::isnan(probabilities[label]) ? -1 : probabilities[label]; };
  order.resize(truths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score(a) > score(b); });
  double sum = 0;
  int64_t found = 0;  // of those that hold, at least as probable as the ones looked at
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    int64_t equals = 0;  // that hold
    for (; end < order.size() && score(order[end]) == score(order[begin]); ++end) {
      equals += truths[order[end]];
    }
    found += equals;
    sum += static_cast<double>(equals) * static_cast<double>(found) / static_cast<double>(end);
  }
  return sum / static_cast<double>(holding);
}

}  // namespace

double label_ranking_average_precision(const ScoredLabels& examples) {
  const auto labels = static_cast<size_t>(examples.labels);
  double sum = 0;
  std::vector<size_t> order;
  for (size_t i = 0; i < static_cast<size_t>(examples.size()); ++i) {
    sum += ranking_precision(examples.probabilities.subspan(i * labels, labels),
                             examples.truths.subspan(i * labels, labels), order);
  }
  return examples.size() > 0 ? sum / static_cast<double>(examples.size()) : 0;
}

double binary_log_loss(const ScoredLabels& examples) {
  double sum = 0;
  for (size_t i = 0; i < examples.truths.size(); ++i) {
    const double p = examples.probabilities[i];
    sum -= std::log(examples.truths[i] ? std::max(p, 1e-38) : std::max(1 - p, 0x1p-25));
  }
  return examples.truths.empty() ? 0 : sum / static_cast<double>(examples.truths.size());
}

namespace {

double checked(double threshold, Caller caller) {
  if (!(threshold >= 0 && threshold <= 1)) raise<ValueError>(caller, "LabelThresholds: a threshold of {}", threshold);
  return threshold;
}

}  // namespace

LabelThresholds::LabelThresholds(double common, Caller caller) : values_{checked(common, caller)} {}

LabelThresholds LabelThresholds::of_each(std::vector<double> thresholds, Caller caller) {
  for (const double each : thresholds) checked(each, caller);
  LabelThresholds all;
  all.common_ = false;
  all.values_ = std::move(thresholds);
  return all;
}

LabelCounts label_counts(const ScoredLabels& examples, const LabelThresholds& thresholds, Caller caller) {
  LabelCounts counts(examples.labels, caller);
  if (const size_t count = thresholds.values().size();
      !thresholds.is_common() && static_cast<int64_t>(count) != examples.labels) {
    raise<ValueError>(caller, "label_counts: {} thresholds of {} labels", count, examples.labels);
  }
  const std::vector<bool> truths(examples.truths.begin(), examples.truths.end());
  std::vector<bool> called;
  for (size_t i = 0; i < examples.probabilities.size(); ++i) {
    called.push_back(examples.probabilities[i] >= thresholds[i % static_cast<size_t>(examples.labels)]);
  }
  const Shape shape{examples.size(), examples.labels};
  counts.add(from_vector(truths, shape), from_vector(called, shape), caller);
  return counts;
}

LabelEvaluation LabelEvaluation::of(const ScoredLabels& examples, LabelThresholds thresholds, Caller caller) {
  LabelCounts counts = label_counts(examples, thresholds, caller);
  return {std::move(counts), binary_log_loss(examples), label_ranking_average_precision(examples),
          std::move(thresholds)};
}

}  // namespace fovea::train
