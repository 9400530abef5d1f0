#include "fovea/train/probability_metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace fovea::train {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t most_roc_scores = 1 << 23;  // that are sorted, in about a second

double mean(double sum, int64_t count) { return count > 0 ? sum / static_cast<double>(count) : 0; }

double right_probability(const ScoredExamples& examples, int64_t i) {
  return examples.of(i)[static_cast<size_t>(examples.truths[static_cast<size_t>(i)])];
}

/// What ProbabilityMetrics::roc holds.
std::vector<std::vector<RocPoint>> curves_of(const ScoredExamples& examples) {
  std::vector<std::vector<RocPoint>> curves;
  for (int32_t c = examples.classes == 2 ? 1 : 0; c < examples.classes; ++c) curves.push_back(roc_curve(examples, c));
  return curves;
}

/// Of the classes that have a curve; NaN where none has.
double mean_area(const std::vector<std::vector<RocPoint>>& curves) {
  double sum = 0;
  int64_t defined = 0;
  for (const std::vector<RocPoint>& curve : curves) {
    if (curve.empty()) continue;
    sum += area_below(curve);
    ++defined;
  }
  return defined > 0 ? mean(sum, defined) : nan;
}

}  // namespace

double top_k_accuracy(const ScoredExamples& examples, int64_t k) {
  int64_t within = 0;
  for (int64_t i = 0; i < examples.size(); ++i) {
    const std::span<const float> row = examples.of(i);
    const auto truth = static_cast<size_t>(examples.truths[static_cast<size_t>(i)]);
    int64_t before = 0;
    for (size_t c = 0; c < row.size(); ++c) before += row[c] > row[truth] || (row[c] == row[truth] && c < truth);
    within += before < k;
  }
  return mean(static_cast<double>(within), examples.size());
}

std::vector<RocPoint> roc_curve(const ScoredExamples& examples, int32_t positive) {
  const auto positives = std::count(examples.truths.begin(), examples.truths.end(), positive);
  const auto negatives = examples.size() - positives;
  if (positives == 0 || negatives == 0) return {};
  std::vector<std::pair<float, bool>> scores;  // and whether the example is of the class
  scores.reserve(examples.truths.size());
  for (int64_t i = 0; i < examples.size(); ++i) {
    const float score = examples.of(i)[static_cast<size_t>(positive)];
    if (std::isnan(score)) return {};
    scores.emplace_back(score, examples.truths[static_cast<size_t>(i)] == positive);
  }
  std::sort(scores.begin(), scores.end(), std::greater());

  std::vector<RocPoint> curve{{0, 0}};
  int64_t hits = 0, alarms = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    (scores[i].second ? hits : alarms) += 1;
    if (i + 1 < scores.size() && scores[i + 1].first == scores[i].first) continue;  // one threshold
    const RocPoint point{mean(static_cast<double>(alarms), negatives), mean(static_cast<double>(hits), positives)};
    // Three points on an upright or a level line: the one in the middle says nothing.
    if (curve.size() > 1) {
      const RocPoint &last = curve.back(), &before = curve[curve.size() - 2];
      if ((point.false_rate == last.false_rate && last.false_rate == before.false_rate) ||
          (point.true_rate == last.true_rate && last.true_rate == before.true_rate)) {
        curve.pop_back();
      }
    }
    curve.push_back(point);
  }
  return curve;
}

double area_below(std::span<const RocPoint> curve) {
  double area = 0;
  for (size_t i = 1; i < curve.size(); ++i) {
    area += (curve[i].false_rate - curve[i - 1].false_rate) * (curve[i].true_rate + curve[i - 1].true_rate) / 2;
  }
  return area;
}

double roc_auc(const ScoredExamples& examples, int32_t positive) {
  const std::vector<RocPoint> curve = roc_curve(examples, positive);
  return curve.empty() ? nan : area_below(curve);
}

double roc_auc(const ScoredExamples& examples) { return mean_area(curves_of(examples)); }

std::vector<CalibrationBin> calibration(const ScoredExamples& examples, int64_t bins, Caller caller) {
  if (bins < 1) raise<ValueError>(caller, "calibration: {} bins", bins);
  std::vector<CalibrationBin> all(static_cast<size_t>(bins));
  for (int64_t i = 0; i < examples.size(); ++i) {
    const std::span<const float> row = examples.of(i);
    const auto best = std::max_element(row.begin(), row.end());
    const auto bin =
        std::isnan(*best) ? 0 : static_cast<int64_t>(static_cast<double>(*best) * static_cast<double>(bins));
    CalibrationBin& into = all[static_cast<size_t>(std::clamp<int64_t>(bin, 0, bins - 1))];
    ++into.examples;
    into.confidence += *best;
    into.accuracy += best - row.begin() == examples.truths[static_cast<size_t>(i)];
  }
  for (CalibrationBin& bin : all) {
    bin.confidence = mean(bin.confidence, bin.examples);
    bin.accuracy = mean(bin.accuracy, bin.examples);
  }
  return all;
}

double calibration_error(std::span<const CalibrationBin> bins) {
  double sum = 0;
  int64_t examples = 0;
  for (const CalibrationBin& bin : bins) {
    sum += static_cast<double>(bin.examples) * std::abs(bin.confidence - bin.accuracy);
    examples += bin.examples;
  }
  return mean(sum, examples);
}

double brier_score(const ScoredExamples& examples) {
  double sum = 0;
  for (int64_t i = 0; i < examples.size(); ++i) {
    const std::span<const float> row = examples.of(i);
    for (size_t c = 0; c < row.size(); ++c) {
      const double truth = static_cast<int32_t>(c) == examples.truths[static_cast<size_t>(i)] ? 1 : 0;
      sum += (row[c] - truth) * (row[c] - truth);
    }
  }
  return mean(examples.classes == 2 ? sum / 2 : sum, examples.size());
}

double log_loss(const ScoredExamples& examples) {
  double sum = 0;
  for (int64_t i = 0; i < examples.size(); ++i) sum -= std::log(std::max(right_probability(examples, i), 1e-38));
  return mean(sum, examples.size());
}

bool has_roc(int64_t examples, int64_t classes) { return classes <= 2 || examples <= most_roc_scores / classes; }

ProbabilityMetrics ProbabilityMetrics::of(const ScoredExamples& examples) {
  ProbabilityMetrics metrics{.top3_accuracy = top_k_accuracy(examples, 3),
                             .top5_accuracy = top_k_accuracy(examples, 5),
                             .roc_auc = nan,
                             .brier = brier_score(examples),
                             .log_loss = train::log_loss(examples),
                             .calibration = train::calibration(examples)};
  metrics.calibration_error = train::calibration_error(metrics.calibration);
  if (has_roc(examples.size(), examples.classes)) {
    metrics.roc = curves_of(examples);
    metrics.roc_auc = mean_area(metrics.roc);
  }
  return metrics;
}

}  // namespace fovea::train
