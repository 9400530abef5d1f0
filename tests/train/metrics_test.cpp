#include "fovea/train/metrics.h"

#include <gtest/gtest.h>

#include <array>

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

}  // namespace
}  // namespace fovea::train
