#include "fovea/train/label_metrics.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "support/expect.h"

namespace fovea::train {
namespace {

/// Three labels of four examples: one that holds, two, none, all.
constexpr std::array<float, 12> probabilities{0.75f, 0.5f, 1.0f, 0.25f, 0.8f, 0.4f, 0.1f, 0.2f, 0.6f, 0.9f, 0.5f, 0.5f};
constexpr std::array<uint8_t, 12> truths{1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 1, 1};
const ScoredLabels scored{3, probabilities, truths};

double ranking(const std::vector<float>& p, const std::vector<uint8_t>& y) {
  return label_ranking_average_precision({static_cast<int64_t>(p.size()), p, y});
}

TEST(LabelRanking, IsTheShareOfLabelsThatHoldAmongThoseAtLeastAsProbable) {
  EXPECT_DOUBLE_EQ(ranking({0.75f, 0.5f, 1.0f}, {1, 0, 0}), 1.0 / 2);
  EXPECT_DOUBLE_EQ(ranking({1.0f, 0.2f, 0.1f}, {0, 0, 1}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(ranking({0.9f, 0.8f, 0.7f, 0.6f}, {1, 0, 1, 0}), (1.0 + 2.0 / 3) / 2);
  EXPECT_DOUBLE_EQ(label_ranking_average_precision(scored), (1.0 / 2 + (1.0 / 2 + 2.0 / 3) / 2 + 1 + 1) / 4);
}

TEST(LabelRanking, CountsEquallyProbableLabelsWithThoseBefore) {
  EXPECT_DOUBLE_EQ(ranking({0.5f, 0.5f, 0.5f, 0.1f}, {1, 0, 0, 0}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(ranking({0.5f, 0.5f, 0.9f}, {1, 1, 0}), 2.0 / 3);
}

TEST(LabelRanking, IsOneWhereNoneOrAllHoldAndZeroOfNoExamples) {
  EXPECT_EQ(ranking({0.1f, 0.9f}, {0, 0}), 1);
  EXPECT_EQ(ranking({0.1f, 0.9f}, {1, 1}), 1);
  EXPECT_EQ(label_ranking_average_precision({3, {}, {}}), 0);
  EXPECT_TRUE(std::isfinite(ranking({NAN, 0.5f, NAN}, {1, 0, 0})));  // of a model that went wrong
}

TEST(BinaryLogLoss, IsTheMeanOverExamplesAndLabels) {
  const std::array<float, 4> p{0.8f, 0.3f, 0.5f, 0.9f};
  const std::array<uint8_t, 4> y{1, 0, 0, 1};
  EXPECT_NEAR(binary_log_loss({2, p, y}), -(std::log(0.8) + std::log(0.7) + std::log(0.5) + std::log(0.9)) / 4, 1e-7);
  EXPECT_EQ(binary_log_loss({2, {}, {}}), 0);
}

TEST(BinaryLogLoss, StaysFiniteWhereAFloatIsNoughtOrOne) {
  const std::array<float, 2> p{0.0f, 1.0f};
  EXPECT_DOUBLE_EQ(binary_log_loss({1, std::span(p).first(1), std::array<uint8_t, 1>{1}}), -std::log(1e-38));
  EXPECT_DOUBLE_EQ(binary_log_loss({1, std::span(p).last(1), std::array<uint8_t, 1>{0}}), 25 * std::log(2.0));
  EXPECT_EQ(binary_log_loss({2, p, std::array<uint8_t, 2>{0, 1}}), 0);
}

TEST(LabelThresholds, AreOneOrOneForEachLabel) {
  EXPECT_TRUE(LabelThresholds().is_common());
  EXPECT_EQ(LabelThresholds()[7], 0.5);
  const LabelThresholds each = LabelThresholds::of_each({0.25, 0.75});
  EXPECT_FALSE(each.is_common());
  EXPECT_EQ(each[1], 0.75);
  EXPECT_NE(LabelThresholds::of_each({0.5}), LabelThresholds(0.5));
  for (const double wrong : {-0.1, 1.5, static_cast<double>(NAN)}) {
    EXPECT_THROW(LabelThresholds{wrong}, ValueError);
    EXPECT_THROW(LabelThresholds::of_each({0.5, wrong}), ValueError);
  }
  EXPECT_THROW(label_counts(scored, each), ValueError);
}

TEST(LabelEvaluation, CallsWhatIsAtLeastAsProbableAsTheThreshold) {
  const LabelEvaluation evaluation = LabelEvaluation::of(scored);
  EXPECT_EQ(evaluation.counts.examples(), 4);
  // Called: 1 1 1, 0 1 0, 0 0 1, 1 1 1.
  const ClassMetrics all = evaluation.counts.micro();
  EXPECT_DOUBLE_EQ(all.precision, 4.0 / 8);
  EXPECT_DOUBLE_EQ(all.recall, 4.0 / 6);
  EXPECT_DOUBLE_EQ(all.f1, 8.0 / 14);
  EXPECT_EQ(all.support, 6);
  EXPECT_DOUBLE_EQ(evaluation.counts.macro_precision(), (1 + 1.0 / 3 + 1.0 / 3) / 3);
  EXPECT_DOUBLE_EQ(evaluation.counts.macro_recall(), (2.0 / 3 + 1 + 1.0 / 2) / 3);
  EXPECT_DOUBLE_EQ(evaluation.counts.macro_f1(), (4.0 / 5 + 2.0 / 4 + 2.0 / 5) / 3);
  EXPECT_DOUBLE_EQ(evaluation.counts.subset_accuracy(), 1.0 / 4);
  EXPECT_DOUBLE_EQ(evaluation.counts.hamming_loss(), 6.0 / 12);
  const LabelThresholds thresholds = LabelThresholds::of_each({0.76, 0.8, 0.4});
  EXPECT_DOUBLE_EQ(label_counts(scored, thresholds).micro_f1(), 2 * 3.0 / (6 + 6));  // 0 0 1, 0 1 1, 0 0 1, 1 0 1
  EXPECT_EQ(LabelEvaluation::of(scored, thresholds).thresholds, thresholds);
  EXPECT_EQ(evaluation.loss, binary_log_loss(scored));
  EXPECT_EQ(evaluation.ranking_precision, label_ranking_average_precision(scored));

  EXPECT_DOUBLE_EQ(LabelEvaluation::of(scored, 0.7).counts.micro().precision, 2.0 / 4);
  EXPECT_ERROR(LabelEvaluation::of({0, {}, {}}), "LabelCounts: 0 labels (label_metrics_test.cpp:");
}

}  // namespace
}  // namespace fovea::train
