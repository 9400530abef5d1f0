#include "fovea/train/decision.h"

#include <array>
#include <cmath>

#include "data/temp_folder.h"
#include "fovea/data/random_stream.h"
#include "fovea/train/decision_options.h"

namespace fovea::train {
namespace {

using data::testing::error_of;
using data::testing::TempFolder;

const data::Labels labels = data::Labels::in_order({"good", "bad"});
constexpr const char* costs_csv = "truth,good,bad\ngood,0,1\nbad,5,0\n";

TEST(Decision, TakesTheMostProbableClassOrTheSecondFromAThresholdOn) {
  const std::array<float, 3> p{0.2f, 0.5f, 0.3f};
  EXPECT_EQ(Decision().of(p), 1);
  const std::array<float, 2> q{0.7f, 0.3f};
  EXPECT_EQ(Decision().of(q), 0);
  EXPECT_EQ(Decision::at_threshold(0.25).of(q), 1);
  EXPECT_EQ(Decision::at_threshold(0.31).of(q), 0);
  EXPECT_EQ(Decision::at_threshold(0.3f).of(q), 1);
  EXPECT_THROW(Decision::at_threshold(1.5), ValueError);
}

TEST(Decision, TakesTheClassOfLeastExpectedCost) {
  TempFolder folder;
  const CostMatrix costs = CostMatrix::load(folder.write("costs.csv", costs_csv), labels);
  const Decision decision = Decision::at_least_cost(costs);
  // Calling a bad one good costs five times as much: "bad" from a sixth on.
  for (const float bad : {0.0f, 0.1f, 0.16f, 0.17f, 0.5f, 1.0f}) {
    const std::array<float, 2> p{1 - bad, bad};
    EXPECT_EQ(decision.of(p), bad > 1.0f / 6 ? 1 : 0) << bad;
  }
}

TEST(Decision, OfEqualCostsTakesTheFirstClass) {
  const std::array<float, 3> p{0.2f, 0.5f, 0.3f};
  EXPECT_EQ(Decision::at_least_cost({3, std::vector<double>(9, 1)}).of(p), 0);
}

TEST(Decision, ByLabelTakesAllThatAreAtLeastAsProbable) {
  const std::array<float, 4> p{0.2f, 0.5f, 0.9f, 0.49f};
  const Decision usual = Decision::by_label();
  EXPECT_TRUE(usual.is_by_label());
  EXPECT_EQ(usual.all_of(p), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(usual.of(p), 2);
  EXPECT_TRUE(Decision::by_label(0.95).all_of(p).empty());
  EXPECT_EQ(Decision::by_label(0.95).of(p), 2);
  EXPECT_FALSE(Decision().is_by_label());
  EXPECT_EQ(Decision().all_of(p), std::vector<int32_t>{2});
}

TEST(Decision, ByLabelMayHaveAThresholdForEach) {
  const std::array<float, 4> p{0.2f, 0.5f, 0.9f, 0.49f};
  const Decision decision = Decision::by_label(LabelThresholds::of_each({0.1, 0.6, 0.85, 0.5}));
  EXPECT_EQ(decision.all_of(p), (std::vector<int32_t>{0, 2}));
  EXPECT_EQ(decision.of(p), 0);  // 0.1 above its own, where the most probable one is 0.05 above
  const Decision none = Decision::by_label(LabelThresholds::of_each({0.9, 0.9, 0.95, 0.5}));
  EXPECT_TRUE(none.all_of(p).empty());
  EXPECT_EQ(none.of(p), 3);
  EXPECT_FALSE(decision.label_thresholds().is_common());
}

TEST(Decision, ByLabelWithACommonThresholdIsClearestOfTheMostProbable) {
  // Differences to the threshold that a number of 64 bits does not tell.
  const std::array<float, 3> p{1e-30f, 1e-20f, 1e-25f};
  EXPECT_EQ(Decision::by_label(0.5).of(p), 1);
}

TEST(Decision, SurvivesJson) {
  TempFolder folder;
  const CostMatrix costs = CostMatrix::load(folder.write("costs.csv", costs_csv), labels);
  EXPECT_EQ(Decision().to_json(), "{}");
  EXPECT_EQ(Decision::from_json(Decision::at_threshold(0.3).to_json(), 2).threshold(), 0.3);
  EXPECT_EQ(Decision::from_json(Decision::at_least_cost(costs).to_json(), 2).costs().costs, costs.costs);
  const Decision by_label = Decision::from_json(Decision::by_label(0.3).to_json(), 4);
  EXPECT_TRUE(by_label.is_by_label());
  EXPECT_EQ(by_label.label_thresholds(), 0.3);
  EXPECT_FALSE(by_label.has_threshold());
  EXPECT_THROW(Decision::from_json(R"({"label_threshold": 1.5})", 4), ValueError);
  const LabelThresholds each = LabelThresholds::of_each({0.3, 0, 1});
  EXPECT_EQ(Decision::from_json(Decision::by_label(each).to_json(), 3).label_thresholds(), each);
  EXPECT_THROW(Decision::from_json(Decision::by_label(each).to_json(), 4), ValueError);
  EXPECT_THROW(Decision::from_json(R"({"label_thresholds": [0.5, 1.5]})", 2), ValueError);
  EXPECT_THROW(Decision::from_json(R"({"label_thresholds": 0.5})", 1), ValueError);
  EXPECT_THROW(Decision::from_json("[", 2), ValueError);
  EXPECT_THROW(Decision::from_json(R"({"threshold": 0.5})", 3), ValueError);
  EXPECT_THROW(Decision::from_json(R"({"costs": [[0, 1], [1, 0]]})", 3), ValueError);
}

TEST(CostMatrix, IsReadInAnyOrderOfItsClasses) {
  TempFolder folder;
  const CostMatrix costs = CostMatrix::load(folder.write("costs.csv", "truth,bad,good\nbad,0,5\ngood,1,0\n"), labels);
  EXPECT_EQ(costs.costs, (std::vector<double>{0, 1, 5, 0}));
  ConfusionMatrix confusion(2, {6, 2, 1, 3});
  EXPECT_DOUBLE_EQ(costs.mean(confusion), (2 * 1 + 1 * 5) / 12.0);
}

TEST(CostMatrix, RefusesWhatIsNoCostMatrix) {
  TempFolder folder;
  const auto error = [&](const char* content) {
    return error_of([&] { CostMatrix::load(folder.write("c.csv", content), labels); });
  };
  EXPECT_EQ(error("truth,good\ngood,0\n"),
            "c.csv:1: 2 columns, expected 3: one for the true class and one for each of 2 classes");
  EXPECT_EQ(error("truth,good,ugly\ngood,0,1\n"), "c.csv:1: unknown class \"ugly\"; the classes are \"good\", \"bad\"");
  EXPECT_EQ(error("truth,good,good\ngood,0,1\n"), "c.csv:1: the class \"good\" stands there twice");
  EXPECT_EQ(error("truth,good,bad\nugly,0,1\n"), "c.csv:2: unknown class \"ugly\"; the classes are \"good\", \"bad\"");
  EXPECT_EQ(error("truth,good,bad\ngood,0,much\n"), "c.csv:2: the cost \"much\" is not a number");
  EXPECT_EQ(error("truth,good,bad\ngood,0,1\ngood,0,1\n"), "c.csv:3: a second row of \"good\"");
  EXPECT_EQ(error("truth,good,bad\ngood,0,1\n"), "c.csv: no row of the class \"bad\"");
}

TEST(DecisionOptions, RefusesWhatDoesNotFit) {
  const auto error = [](DecisionOptions options, const data::Labels& classes) {
    return error_of<UsageError>([&] { options.load(classes); });
  };
  EXPECT_EQ(error({.threshold = "2"}, labels),
            "--threshold: \"2\" is neither a number from 0 to 1 nor one of accuracy, macro_f1, cost");
  EXPECT_EQ(error({.threshold = "0.3"}, data::Labels::in_order({"a", "b", "c"})),
            "--threshold is for two classes; there are 3");
  EXPECT_EQ(error({.threshold = "cost"}, labels), "--threshold cost needs --costs");
  EXPECT_EQ(error_of<UsageError>([] { DecisionOptions{.threshold = "accuracy"}.decide({}, {}, {}); }),
            "--threshold accuracy needs examples that are held out");
  EXPECT_EQ(DecisionOptions{.threshold = "0.3"}.decide({}, {}, {}).threshold(), 0.3);
  EXPECT_EQ(error({.threshold = "micro_f1"}, labels),
            "--threshold: \"micro_f1\" is neither a number from 0 to 1 nor one of accuracy, macro_f1, cost");
}

TEST(DecisionOptions, OfLabelsHaveGoalsAndAUsualThreshold) {
  const data::Labels three = data::Labels::in_order({"a", "b", "c"});
  const auto load = [&](const char* threshold) { DecisionOptions{.threshold = threshold}.load(three, true); };
  for (const char* threshold : {"", "0", "0.3", "accuracy", "macro_f1", "micro_f1", "label_f1"}) load(threshold);
  EXPECT_EQ(error_of<UsageError>([&] { load("cost"); }),
            "--threshold: \"cost\" is neither a number from 0 to 1 nor one of accuracy, macro_f1, micro_f1, label_f1");
  EXPECT_EQ(error_of<UsageError>([&] { DecisionOptions{.threshold = "label_f1"}.load(labels); }),
            "--threshold: \"label_f1\" is neither a number from 0 to 1 nor one of accuracy, macro_f1, cost");
  EXPECT_EQ(DecisionOptions{}.decide_by_label({}).label_thresholds(), 0.5);
  EXPECT_EQ(DecisionOptions{.threshold = "0.3"}.decide_by_label({}).label_thresholds(), 0.3);
  const DecisionOptions best{.threshold = "micro_f1"};
  EXPECT_EQ(error_of<UsageError>([&] { best.decide_by_label({}); }),
            "--threshold micro_f1 needs examples that are held out");
  const DecisionOptions each{.threshold = "label_f1"};
  EXPECT_EQ(error_of<UsageError>([&] { each.decide_by_label({}); }),
            "--threshold label_f1 needs examples that are held out");
  const std::array<float, 4> probabilities{0.4f, 0.1f, 0.3f, 0.2f};
  const std::array<uint8_t, 4> truths{1, 0, 1, 0};
  EXPECT_NEAR(best.decide_by_label({2, probabilities, truths}).label_thresholds()[0], 0.25, 1e-6);
  EXPECT_EQ(each.decide_by_label({2, probabilities, truths}).label_thresholds().values().size(), 2u);
}

}  // namespace
}  // namespace fovea::train
