#include "fovea/train/threshold_choice.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "fovea/data/random_stream.h"

namespace fovea::train {
namespace {

TEST(ChooseThreshold, IsAsGoodAsTheBestOfAllThresholds) {
  std::vector<float> probabilities;
  std::vector<int32_t> truths;
  for (uint64_t i = 0; i < 80; ++i) {
    const auto draw = data::philox(5, i, 0);
    const float p = static_cast<float>(draw[0] % 40) / 40;
    probabilities.insert(probabilities.end(), {1 - p, p});
    truths.push_back(static_cast<float>(draw[1] % 1000) / 1000 < p * p ? 1 : 0);
  }
  const CostMatrix costs{2, {0, 1, 4, 0}};
  const auto value = [&](double threshold, Goal goal) {
    ConfusionMatrix confusion(2);
    for (size_t i = 0; i < truths.size(); ++i) confusion.add(truths[i], probabilities[2 * i + 1] >= threshold ? 1 : 0);
    return goal == Goal::accuracy ? confusion.accuracy()
           : goal == Goal::cost   ? -costs.mean(confusion)
                                  : confusion.macro_f1();
  };
  for (const Goal goal : {Goal::accuracy, Goal::macro_f1, Goal::cost}) {
    double best = -1e9;
    for (int i = 0; i <= 1000; ++i) best = std::max(best, value(i / 1000.0, goal));
    EXPECT_NEAR(value(choose_threshold({2, probabilities, truths}, goal, costs), goal), best, 1e-12);
  }
  EXPECT_THROW(choose_threshold({3, {}, {}}, Goal::accuracy), ValueError);
}

TEST(ChooseThreshold, IsAHalfWhereThatIsAsGoodAsAny) {
  const std::array<float, 8> probabilities{0.9f, 0.1f, 0.6f, 0.4f, 0.4f, 0.6f, 0.1f, 0.9f};
  const std::array<int32_t, 4> truths{0, 0, 1, 1};
  EXPECT_DOUBLE_EQ(choose_threshold({2, probabilities, truths}, Goal::accuracy), 0.5);
  // 0.2 has three of four right, too, and is met first.
  const std::array<float, 8> mixed{0.9f, 0.1f, 0.7f, 0.3f, 0.6f, 0.4f, 0.1f, 0.9f};
  const std::array<int32_t, 4> other{0, 1, 0, 1};
  EXPECT_DOUBLE_EQ(choose_threshold({2, mixed, other}, Goal::accuracy), 0.5);
}

TEST(ChooseThreshold, OfLabelsIsAsGoodAsTheBestOfAllThresholds) {
  std::vector<float> probabilities;
  std::vector<uint8_t> truths;
  for (uint64_t i = 0; i < 150; ++i) {
    const auto draw = data::philox(7, i, 0);
    const float p = static_cast<float>(draw[0] % 40) / 40;
    probabilities.push_back(p);
    truths.push_back(static_cast<float>(draw[1] % 1000) / 1000 < p * p ? 1 : 0);
  }
  const ScoredLabels examples{3, probabilities, truths};
  const auto value = [&](double threshold, Goal goal) {
    const LabelCounts counts = label_counts(examples, threshold);
    return goal == Goal::accuracy   ? counts.subset_accuracy()
           : goal == Goal::micro_f1 ? counts.micro_f1()
                                    : counts.macro_f1();
  };
  for (const Goal goal : {Goal::accuracy, Goal::macro_f1, Goal::micro_f1}) {
    double best = -1;
    for (int i = 0; i <= 1000; ++i) best = std::max(best, value(i / 1000.0, goal));
    EXPECT_GT(best, value(0.5, goal));
    EXPECT_NEAR(value(choose_label_threshold(examples, goal), goal), best, 1e-12);
  }
  EXPECT_THROW(choose_label_threshold(examples, Goal::cost), ValueError);
}

TEST(ChooseThreshold, OfEachLabelIsTheMeanOfTheBestOnTwoThirds) {
  std::vector<float> probabilities;
  std::vector<uint8_t> truths;
  for (uint64_t i = 0; i < 240; ++i) {
    const auto draw = data::philox(9, i, 0);
    const float p = static_cast<float>(draw[0] % 40) / 40, rarity = 1 + static_cast<float>(i % 3);
    probabilities.push_back(p / rarity);
    truths.push_back(static_cast<float>(draw[1] % 1000) / 1000 < p * p ? 1 : 0);
  }
  const ScoredLabels examples{3, probabilities, truths};
  const LabelThresholds chosen = choose_label_thresholds(examples);
  ASSERT_EQ(chosen.values().size(), 3u);
  for (size_t label = 0; label < 3; ++label) {
    // Thirds: each has every third of the examples that have the label, and of those that have not.
    std::vector<float> kept[3];
    std::vector<uint8_t> kept_truths[3];
    for (const uint8_t truth : {0, 1}) {
      size_t number = 0;
      for (size_t i = label; i < truths.size(); i += 3) {
        if (truths[i] != truth) continue;
        for (size_t third = 0; third < 3; ++third) {
          if (number % 3 == third) continue;
          kept[third].push_back(probabilities[i]);
          kept_truths[third].push_back(truth);
        }
        ++number;
      }
    }
    double sum = 0;
    for (size_t third = 0; third < 3; ++third) {
      sum += choose_label_threshold({1, kept[third], kept_truths[third]}, Goal::macro_f1);
    }
    EXPECT_NEAR(chosen[label], sum / 3, 1e-12);
  }
  const double common = choose_label_threshold(examples, Goal::macro_f1);
  EXPECT_GT(label_counts(examples, chosen).macro_f1(), label_counts(examples, common).macro_f1());
}

TEST(ChooseThreshold, OfLabelsThatHardlyHoldIsTheCommonOne) {
  std::vector<float> probabilities;
  std::vector<uint8_t> truths;
  for (int64_t i = 0; i < 10; ++i) {  // the second holds in one example too few, the third in as many as are needed
    const bool rare = i < least_holding - 1, enough = i < least_holding;
    probabilities.insert(probabilities.end(), {i < 7 ? 0.8f : 0.6f, rare ? 0.4f : 0.3f, enough ? 0.2f : 0.1f, 0.05f});
    truths.insert(truths.end(), {i < 7, rare, enough, 0});
  }
  const ScoredLabels examples{4, probabilities, truths};
  const LabelThresholds chosen = choose_label_thresholds(examples);
  const double common = choose_label_threshold(examples, Goal::micro_f1);
  EXPECT_NEAR(chosen[0], 0.7, 1e-6);
  EXPECT_EQ(chosen[1], common);
  EXPECT_NEAR(chosen[2], 0.15, 1e-6);
  EXPECT_EQ(chosen[3], common);
  const std::vector<uint8_t> nothing(truths.size());
  EXPECT_EQ(choose_label_thresholds({4, probabilities, nothing}).values(), std::vector<double>(4, 0.5));
}

}  // namespace
}  // namespace fovea::train
