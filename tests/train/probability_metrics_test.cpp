#include "fovea/train/probability_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "fovea/data/random_stream.h"

namespace fovea::train {
namespace {

/// Examples with probabilities of few different values, so that there are ties.
struct Made {
  int64_t classes;
  std::vector<float> probabilities;
  std::vector<int32_t> truths;

  Made(int64_t examples, int64_t classes, uint64_t seed) : classes(classes) {
    for (int64_t i = 0; i < examples; ++i) {
      std::vector<float> row;
      for (int64_t c = 0; c < classes; ++c) {
        row.push_back(
            static_cast<float>(1 + data::philox(seed, static_cast<uint64_t>(i), static_cast<uint64_t>(c))[0] % 6));
      }
      const float sum = std::accumulate(row.begin(), row.end(), 0.0f);
      for (const float each : row) probabilities.push_back(each / sum);
      truths.push_back(
          static_cast<int32_t>(data::philox(seed, static_cast<uint64_t>(i), 99)[0] % static_cast<uint64_t>(classes)));
    }
  }
  ScoredExamples view() const { return {classes, probabilities, truths}; }
  double at(size_t i, size_t c) const { return probabilities[i * static_cast<size_t>(classes) + c]; }
};

/// The definition: over all pairs of one of the class and one of another.
double naive_auc(const Made& made, int32_t positive) {
  double wins = 0, pairs = 0;
  for (size_t i = 0; i < made.truths.size(); ++i) {
    for (size_t k = 0; k < made.truths.size(); ++k) {
      if (made.truths[i] != positive || made.truths[k] == positive) continue;
      const double a = made.at(i, static_cast<size_t>(positive)), b = made.at(k, static_cast<size_t>(positive));
      wins += a > b ? 1 : a == b ? 0.5 : 0;
      ++pairs;
    }
  }
  return wins / pairs;
}

TEST(RocAuc, IsTheShareOfPairsInOrder) {
  for (const uint64_t seed : {1, 2, 3}) {
    const Made two(150, 2, seed), four(150, 4, seed);
    EXPECT_NEAR(roc_auc(two.view()), naive_auc(two, 1), 1e-12);
    double sum = 0;
    for (int32_t c = 0; c < 4; ++c) {
      EXPECT_NEAR(roc_auc(four.view(), c), naive_auc(four, c), 1e-12);
      sum += naive_auc(four, c);
    }
    EXPECT_NEAR(roc_auc(four.view()), sum / 4, 1e-12);
  }
}

TEST(RocAuc, IsNotDefinedWhereAClassIsMissing) {
  const std::array<float, 4> probabilities{0.1f, 0.9f, 0.4f, 0.6f};
  const std::array<int32_t, 2> truths{1, 1};
  EXPECT_TRUE(std::isnan(roc_auc({2, probabilities, truths})));
  EXPECT_TRUE(std::isnan(roc_auc({2, {}, {}})));
  EXPECT_TRUE(roc_curve({2, probabilities, truths}, 1).empty());
}

TEST(RocCurve, TurnsOnlyWhereItMust) {
  // By falling probability of class 1: right, right, wrong, right, wrong.
  const std::array<float, 10> probabilities{0.1f, 0.9f, 0.2f, 0.8f, 0.3f, 0.7f, 0.4f, 0.6f, 0.5f, 0.5f};
  const std::array<int32_t, 5> truths{1, 1, 0, 1, 0};
  const std::vector<RocPoint> curve = roc_curve({2, probabilities, truths}, 1);
  const std::vector<RocPoint> expected{{0, 0}, {0, 2.0 / 3}, {0.5, 2.0 / 3}, {0.5, 1}, {1, 1}};
  EXPECT_EQ(curve, expected);
}

TEST(TopK, CountsTheRightClassAmongTheFirstK) {
  const Made made(200, 5, 4);
  for (int64_t k = 1; k <= 5; ++k) {
    int64_t within = 0;
    for (size_t i = 0; i < made.truths.size(); ++i) {
      std::array<size_t, 5> order{0, 1, 2, 3, 4};
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return made.at(i, a) > made.at(i, b); });
      within += std::count(order.begin(), order.begin() + k, static_cast<size_t>(made.truths[i]));
    }
    EXPECT_DOUBLE_EQ(top_k_accuracy(made.view(), k), static_cast<double>(within) / 200);
  }
  EXPECT_EQ(top_k_accuracy({5, {}, {}}, 1), 0);
}

TEST(Calibration, ComparesConfidenceAndAccuracyByBin) {
  const Made made(300, 3, 5);
  double error = 0;
  int64_t examples = 0;
  for (int bin = 0; bin < 10; ++bin) {
    double confidence = 0, right = 0, count = 0;
    for (size_t i = 0; i < made.truths.size(); ++i) {
      size_t best = 0;
      for (size_t c = 1; c < 3; ++c) best = made.at(i, c) > made.at(i, best) ? c : best;
      const double p = made.at(i, best);
      if (p < bin / 10.0 || p >= (bin + 1) / 10.0) continue;
      confidence += p;
      right += static_cast<int32_t>(best) == made.truths[i];
      ++count;
    }
    const CalibrationBin found = calibration(made.view())[static_cast<size_t>(bin)];
    EXPECT_EQ(found.examples, static_cast<int64_t>(count));
    examples += found.examples;
    if (count == 0) continue;
    EXPECT_NEAR(found.confidence, confidence / count, 1e-12);
    EXPECT_NEAR(found.accuracy, right / count, 1e-12);
    error += count / 300 * std::abs(confidence - right) / count;
  }
  EXPECT_EQ(examples, 300);
  EXPECT_NEAR(calibration_error(calibration(made.view())), error, 1e-12);
  EXPECT_THROW(calibration(made.view(), 0), ValueError);
}

TEST(Calibration, APerfectModelHasNoError) {
  const std::array<float, 4> probabilities{0, 1, 1, 0};
  const std::array<int32_t, 2> truths{1, 0};
  const ScoredExamples sure{2, probabilities, truths};
  EXPECT_EQ(calibration(sure).back().examples, 2);
  EXPECT_EQ(calibration_error(calibration(sure)), 0);
  EXPECT_EQ(brier_score(sure), 0);
  EXPECT_EQ(log_loss(sure), 0);
}

TEST(Brier, IsTheSquaredDistanceAndHalfOfItForTwoClasses) {
  const Made three(100, 3, 6), two(100, 2, 6);
  double sum = 0, one_sided = 0;
  for (size_t i = 0; i < 100; ++i) {
    for (size_t c = 0; c < 3; ++c) sum += std::pow(three.at(i, c) - (three.truths[i] == static_cast<int32_t>(c)), 2);
    one_sided += std::pow(two.at(i, 1) - two.truths[i], 2);
  }
  EXPECT_NEAR(brier_score(three.view()), sum / 100, 1e-12);
  EXPECT_NEAR(brier_score(two.view()), one_sided / 100, 1e-6);
}

TEST(LogLoss, IsTheMeanOfLogarithms) {
  const Made made(100, 3, 7);
  double sum = 0;
  for (size_t i = 0; i < 100; ++i) sum -= std::log(made.at(i, static_cast<size_t>(made.truths[i])));
  EXPECT_NEAR(log_loss(made.view()), sum / 100, 1e-12);
  const std::array<float, 2> wrong{1, 0};
  const std::array<int32_t, 1> truth{1};
  EXPECT_NEAR(log_loss({2, wrong, truth}), 38 * std::log(10), 1e-9);
}

TEST(RocAuc, IsNotDefinedWhereAProbabilityIsNoNumber) {
  const std::vector<float> probabilities(2000, NAN);
  std::vector<int32_t> truths(1000, 1);
  std::fill_n(truths.begin(), 500, 0);
  EXPECT_TRUE(std::isnan(roc_auc({2, probabilities, truths})));
  EXPECT_TRUE(roc_curve({2, probabilities, truths}, 1).empty());
}

TEST(RocAuc, IsLeftOutWhereSortingWouldTakeLong) {
  EXPECT_TRUE(has_roc(int64_t{1} << 40, 2));
  EXPECT_TRUE(has_roc(50000, 100));
  const int64_t classes = 4096, examples = 2049;
  ASSERT_FALSE(has_roc(examples, classes));
  std::vector<float> probabilities(static_cast<size_t>(classes * examples), 1.0f / classes);
  std::vector<int32_t> truths(static_cast<size_t>(examples));
  truths[0] = 1;
  const ProbabilityMetrics metrics = ProbabilityMetrics::of({classes, probabilities, truths});
  EXPECT_TRUE(std::isnan(metrics.roc_auc));
  EXPECT_TRUE(metrics.roc.empty());
  EXPECT_NEAR(metrics.log_loss, std::log(classes), 1e-6);
}

}  // namespace
}  // namespace fovea::train
