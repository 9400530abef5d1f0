#include "fovea/train/deletion_test.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "fixed_task.h"

namespace fovea::train {
namespace {

/// Examples of ten units, of which two decide: without either the right class's probability halves. `told` is what the
/// weights say.
class TwoUnitsDecide final : public FixedTask {
 public:
  explicit TwoUnitsDecide(std::vector<double> told)
      : FixedTask({"a", "b"}, std::vector<int32_t>{0, 0, 0, 1}), told_(std::move(told)) {}
  TwoUnitsDecide(std::vector<double> told, const std::vector<std::vector<int32_t>>& truths)
      : FixedTask({"a", "b"}, truths), told_(std::move(told)) {}

  std::vector<double> unit_weights(Part, int64_t, int32_t) override { return told_; }
  Predictions without_units(Part, int64_t, const std::vector<std::vector<size_t>>& removed) override {
    Predictions predictions{.classes = 2};
    for (const std::vector<size_t>& each : removed) {
      float p = 0.8f;
      for (const size_t unit : each) p *= unit == 4 || unit == 7 ? 0.5f : 1.0f;
      predictions.probabilities.insert(predictions.probabilities.end(), {p, 1 - p});
    }
    return predictions;
  }

 private:
  std::vector<double> told_;
};

const Predictions predictions{.classes = 2, .probabilities = {0.8f, 0.2f, 0.8f, 0.2f, 0.8f, 0.2f, 0.8f, 0.2f}};

TEST(DeletionTest, RewardsWeightsThatPointAtWhatDecides) {
  TwoUnitsDecide task({0, 0, 0, 0, 0.6, 0, 0, 0.4, 0, 0});
  const DeletionCurves curves = test_deletion(task, Part::valid, predictions);
  EXPECT_EQ(curves.examples, 3);  // the fourth is predicted wrongly
  ASSERT_EQ(curves.removed.size(), 11u);
  EXPECT_NEAR(curves.attended[0], 0.8, 1e-6);
  EXPECT_NEAR(curves.attended[1], 0.4, 1e-6);
  EXPECT_NEAR(curves.attended[2], 0.2, 1e-6);
  EXPECT_NEAR(curves.attended[10], 0.2, 1e-6);
  EXPECT_NEAR(curves.random[0], 0.8, 1e-6);
  EXPECT_NEAR(curves.random[10], 0.2, 1e-6);
  double sum = 0;
  for (size_t i = 0; i < 11; ++i) sum += curves.random[i] - curves.attended[i];
  EXPECT_DOUBLE_EQ(curves.score(), sum / 11);
  EXPECT_GT(curves.score(), 0.1);
}

TEST(DeletionTest, PunishesWeightsThatPointElsewhere) {
  TwoUnitsDecide task({1, 1, 1, 1, 0, 1, 1, 0, 1, 1});
  EXPECT_LT(test_deletion(task, Part::valid, predictions).score(), -0.1);
}

TEST(DeletionTest, IsTheSameEachTimeAndEmptyWithoutWeights) {
  TwoUnitsDecide task({0, 0, 0, 0, 0.6, 0, 0, 0.4, 0, 0}), silent({});
  EXPECT_EQ(test_deletion(task, Part::valid, predictions).random, test_deletion(task, Part::valid, predictions).random);
  EXPECT_EQ(test_deletion(silent, Part::valid, predictions).examples, 0);
}

/// Examples of three units; the probability says which example it is, and memory is left for so many variants at once.
class ThreeUnits final : public FixedTask {
 public:
  ThreeUnits(size_t examples, size_t room) : FixedTask({"a", "b"}, std::vector<int32_t>(examples, 0)), room_(room) {}

  std::vector<double> unit_weights(Part, int64_t, int32_t) override { return {0.2, 0.5, 0.3}; }
  Predictions without_units(Part, int64_t example, const std::vector<std::vector<size_t>>& removed) override {
    if (removed.size() > room_) throw OutOfMemoryError("no room");
    Predictions made{.classes = 2};
    for (const std::vector<size_t>& each : removed) {
      seen.push_back(each.size());
      const float p = static_cast<float>(example) / 100 + 0.001f * static_cast<float>(each.size());
      made.probabilities.insert(made.probabilities.end(), {p, 1 - p});
    }
    return made;
  }

  std::vector<size_t> seen;  // how many units each variant lacked

 private:
  size_t room_;
};

Predictions all_right(size_t examples) {
  Predictions made{.classes = 2};
  for (size_t i = 0; i < examples; ++i) made.probabilities.insert(made.probabilities.end(), {0.9f, 0.1f});
  return made;
}

TEST(DeletionTest, TakesExamplesFromAllOfThem) {
  ThreeUnits task(40, 1000);
  const DeletionCurves curves =
      test_deletion(task, Part::valid, all_right(40), {.most_examples = 4, .steps = 2, .orders = 1});
  EXPECT_EQ(curves.examples, 4);
  EXPECT_NEAR(curves.attended[0], (0 + 10 + 20 + 30) / 400.0, 1e-6);
  // Of three units none, the nearest number to the half, and all, for each order.
  EXPECT_EQ(std::vector<size_t>(task.seen.begin(), task.seen.begin() + 6), (std::vector<size_t>{0, 2, 3, 0, 2, 3}));
}

TEST(DeletionTest, DividesWhatMemoryDoesNotHoldAsFarAsItGoes) {
  const DeletionTestOptions options{.most_examples = 4, .steps = 2, .orders = 3};
  ThreeUnits roomy(8, 1000), narrow(8, 2), none(8, 0);
  const DeletionCurves want = test_deletion(roomy, Part::valid, all_right(8), options);
  EXPECT_EQ(test_deletion(narrow, Part::valid, all_right(8), options).attended, want.attended);
  EXPECT_EQ(narrow.seen, roomy.seen);
  EXPECT_THROW(test_deletion(none, Part::valid, all_right(8), options), OutOfMemoryError);
}

TEST(DeletionTest, OfNothingThatIsRightHasNoCurves) {
  ThreeUnits task(2, 1000);
  Predictions wrong{.classes = 2, .probabilities = {0.1f, 0.9f, 0.1f, 0.9f}};
  EXPECT_TRUE(test_deletion(task, Part::valid, wrong).attended.empty());
}

TEST(DeletionTest, OfSeveralLabelsWatchesTheMostProbableOfThoseThatAreAllRight) {
  TwoUnitsDecide task({0, 0, 0, 0, 0.6, 0, 0, 0.4, 0, 0}, {{0}, {0, 1}, {}, {0}});
  Predictions labelled = predictions;  // says a of each
  labelled.decision = Decision::by_label();
  const DeletionCurves curves = test_deletion(task, Part::valid, labelled);
  EXPECT_EQ(curves.examples, 2);
  EXPECT_NEAR(curves.attended[1], 0.4, 1e-6);
  // One that has no label, and was called none, has nothing to lose.
  labelled.decision = Decision::by_label(0.9);
  EXPECT_EQ(test_deletion(task, Part::valid, labelled).examples, 0);
}

}  // namespace
}  // namespace fovea::train
