#include "fovea/train/metrics.h"

#include <gtest/gtest.h>

#include <array>

#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea::train {
namespace {

TEST(ConfusionMatrix, GivesTheMetricsThatScikitLearnGives) {
  ConfusionMatrix matrix(3);
  const std::array truth{0, 0, 0, 0, 1, 1, 1, 2, 2, 2}, predicted{0, 0, 1, 2, 1, 1, 0, 2, 2, 2};
  for (size_t i = 0; i < truth.size(); ++i) matrix.add(truth[i], predicted[i]);

  EXPECT_EQ(matrix.examples(), 10);
  EXPECT_EQ(matrix.count(0, 2), 1);
  EXPECT_DOUBLE_EQ(matrix.accuracy(), 0.7);
  const std::vector<ClassMetrics> metrics = matrix.per_class();
  EXPECT_NEAR(metrics[0].precision, 2.0 / 3, 1e-12);
  EXPECT_NEAR(metrics[0].recall, 0.5, 1e-12);
  EXPECT_NEAR(metrics[0].f1, 4.0 / 7, 1e-12);
  EXPECT_EQ(metrics[0].support, 4);
  EXPECT_NEAR(metrics[2].precision, 0.75, 1e-12);
  EXPECT_NEAR(metrics[2].recall, 1, 1e-12);
  EXPECT_NEAR(matrix.macro_f1(), (4.0 / 7 + 2.0 / 3 + 6.0 / 7) / 3, 1e-12);
  EXPECT_NEAR(matrix.macro_precision(), (2.0 / 3 + 2.0 / 3 + 0.75) / 3, 1e-12);
  EXPECT_NEAR(matrix.macro_recall(), (0.5 + 2.0 / 3 + 1) / 3, 1e-12);
  EXPECT_NEAR(matrix.weighted_f1(), (4 * 4.0 / 7 + 3 * 2.0 / 3 + 3 * 6.0 / 7) / 10, 1e-12);
}

TEST(ConfusionMatrix, AClassThatNeverOccursDoesNotCount) {
  ConfusionMatrix matrix(3);
  matrix.add(0, 0);
  matrix.add(1, 1);
  EXPECT_DOUBLE_EQ(matrix.macro_f1(), 1);
  EXPECT_DOUBLE_EQ(matrix.per_class()[2].precision, 0);
  matrix.add(1, 2);  // but one that is only taken for another does
  EXPECT_DOUBLE_EQ(matrix.macro_f1(), (1 + 2.0 / 3 + 0) / 3);
}

TEST(ConfusionMatrix, MayBeMadeOfCounts) {
  const ConfusionMatrix matrix(2, {5, 1, 2, 4});
  EXPECT_EQ(matrix.examples(), 12);
  EXPECT_EQ(matrix.count(1, 0), 2);
  EXPECT_DOUBLE_EQ(matrix.accuracy(), 0.75);
}

TEST(ConfusionMatrix, OfNothingIsZero) {
  const ConfusionMatrix matrix(2);
  EXPECT_EQ(matrix.accuracy(), 0);
  EXPECT_EQ(matrix.macro_f1(), 0);
  EXPECT_EQ(matrix.weighted_f1(), 0);
}

TEST(ConfusionMatrix, RefusesClassesThatAreNotThere) {
  EXPECT_THROW(ConfusionMatrix(0), ValueError);
  EXPECT_THROW(ConfusionMatrix(2, {1, 2, 3}), ValueError);
  ConfusionMatrix matrix(2);
  EXPECT_THROW(matrix.add(0, 2), IndexError);
  EXPECT_THROW(matrix.add(-1, 0), IndexError);
}

Tensor three_labels(const std::vector<bool>& values) {
  return from_vector(values, {static_cast<int64_t>(values.size()) / 3, 3});
}

TEST(LabelCounts, GiveTheMetricsThatScikitLearnGives) {
  LabelCounts counts(3);
  counts.add(three_labels({1, 0, 1, 0, 1, 0}), three_labels({1, 0, 0, 0, 1, 0}));
  counts.add(three_labels({1, 1, 0, 0, 0, 0}), three_labels({1, 0, 0, 1, 0, 0}));
  EXPECT_EQ(counts.examples(), 4);
  const std::vector<ClassMetrics> metrics = counts.per_label();
  EXPECT_DOUBLE_EQ(metrics[0].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(metrics[0].recall, 1);
  EXPECT_DOUBLE_EQ(metrics[1].f1, 2.0 / 3);
  EXPECT_EQ(metrics[1].support, 2);
  EXPECT_EQ(metrics[2].f1, 0);
  EXPECT_DOUBLE_EQ(counts.macro_f1(), (0.8 + 2.0 / 3 + 0) / 3);
  EXPECT_DOUBLE_EQ(counts.micro_f1(), 6.0 / 9);
  EXPECT_DOUBLE_EQ(counts.subset_accuracy(), 0.25);
  EXPECT_DOUBLE_EQ(counts.hamming_loss(), 3.0 / 12);
}

TEST(LabelCounts, OfNothingAreZero) {
  LabelCounts counts(3);
  counts.add(zeros({0, 3}, {boolean}), zeros({0, 3}, {boolean}));
  EXPECT_EQ(counts.examples(), 0);
  EXPECT_EQ(counts.micro_f1(), 0);
  EXPECT_EQ(counts.macro_f1(), 0);
  EXPECT_EQ(counts.subset_accuracy(), 0);
  EXPECT_EQ(counts.hamming_loss(), 0);
}

TEST(LabelCounts, NameTheCallerOfLabelsThatDoNotFit) {
  LabelCounts counts(3);
  EXPECT_ERROR(LabelCounts(0), "LabelCounts: 0 labels (metrics_test.cpp:");
  EXPECT_ERROR(counts.add(ones({2, 3}), ones({2, 3})),
               "LabelCounts: labels must be bool, not f32; compare with a threshold (metrics_test.cpp:");
  EXPECT_ERROR(counts.add(ones({2, 3}, {boolean}), ones({1, 3}, {boolean})),
               "LabelCounts: [2, 3] and [1, 3] are not both [examples, 3] (metrics_test.cpp:");
  EXPECT_ERROR(counts.add(ones({2, 4}, {boolean}), ones({2, 4}, {boolean})),
               "LabelCounts: [2, 4] and [2, 4] are not both [examples, 3] (metrics_test.cpp:");
}

}  // namespace
}  // namespace fovea::train
