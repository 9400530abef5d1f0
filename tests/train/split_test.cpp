#include "fovea/train/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace fovea::train {
namespace {

/// 90 examples of class 0, 41 of class 1, 6 of class 2.
std::vector<int32_t> some_labels() {
  std::vector<int32_t> labels(137, 0);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = i % 23 == 5 ? 2 : i % 3 == 1 ? 1 : 0;
  return labels;
}

TEST(StratifiedFolds, HaveEqualSizesAndSharesOfEachClass) {
  const std::vector<int32_t> labels = some_labels();
  for (const int64_t folds : {2, 5, 10, 137}) {
    const std::vector<int64_t> fold_of = stratified_folds(labels, folds, 3);
    std::map<int64_t, int64_t> sizes;
    std::map<std::pair<int32_t, int64_t>, int64_t> of_class;
    for (size_t i = 0; i < labels.size(); ++i) {
      ++sizes[fold_of[i]];
      ++of_class[{labels[i], fold_of[i]}];
    }
    EXPECT_EQ(static_cast<int64_t>(sizes.size()), folds);
    const auto by_size = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end(), by_size);
    EXPECT_LE(most->second - least->second, 1);
    for (int32_t c = 0; c < 3; ++c) {
      int64_t low = 1000, high = 0;
      for (int64_t fold = 0; fold < folds; ++fold) {
        low = std::min(low, of_class[{c, fold}]);
        high = std::max(high, of_class[{c, fold}]);
      }
      EXPECT_LE(high - low, 1) << "class " << c << " in " << folds << " folds";
    }
  }
}

TEST(StratifiedFolds, DependOnTheSeedAlone) {
  const std::vector<int32_t> labels = some_labels();
  EXPECT_EQ(stratified_folds(labels, 5, 3), stratified_folds(labels, 5, 3));
  EXPECT_NE(stratified_folds(labels, 5, 3), stratified_folds(labels, 5, 4));
  EXPECT_THROW(stratified_folds(labels, 1, 3), ValueError);
  EXPECT_THROW(stratified_folds(labels, 138, 3), ValueError);
}

TEST(Divide, EveryExampleIsTestedOnceOverTheFolds) {
  const std::vector<int32_t> labels = some_labels();
  std::vector<int64_t> tested(labels.size());
  for (int64_t fold = 0; fold < 4; ++fold) {
    const std::vector<Part> parts = divide(labels, {.hold_out = 0.2, .seed = 9, .folds = 4, .fold = fold});
    const auto valid = std::count(parts.begin(), parts.end(), Part::valid);
    const auto test = std::count(parts.begin(), parts.end(), Part::test);
    EXPECT_NEAR(static_cast<double>(valid), 0.2 * static_cast<double>(137 - test), 2);
    for (size_t i = 0; i < labels.size(); ++i) tested[i] += parts[i] == Part::test;
  }
  EXPECT_EQ(tested, std::vector<int64_t>(labels.size(), 1));
}

TEST(HoldOut, LeavesSomethingOfEveryClassToLearnFrom) {
  const std::vector<int32_t> labels{0, 0, 0, 0, 1, 2, 2};
  const std::vector<bool> out = hold_out(labels, 0.9, 1);
  std::map<int32_t, int> left;
  for (size_t i = 0; i < labels.size(); ++i) left[labels[i]] += !out[i];
  EXPECT_EQ(left, (std::map<int32_t, int>{{0, 1}, {1, 1}, {2, 1}}));
}

TEST(Divide, FoldsHaveNothingInCommonWithWhatIsHeldOut) {
  // Were both drawn alike, the one example that is held out would always be of the first fold.
  const std::vector<int32_t> few(10, 0);
  std::map<int64_t, int> held;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<bool> one = hold_out(few, 0.1, seed);
    const auto example = static_cast<size_t>(std::find(one.begin(), one.end(), true) - one.begin());
    ++held[stratified_folds(few, 10, seed)[example]];
  }
  EXPECT_GT(held.size(), 5u);
}

TEST(Divide, WithoutFoldsHoldsOutAShareUnlessAFileValidates) {
  const std::vector<int32_t> labels = some_labels();
  const std::vector<bool> out = hold_out(labels, 0.1, 7);
  const std::vector<Part> parts = divide(labels, {.hold_out = 0.1, .seed = 7});
  for (size_t i = 0; i < labels.size(); ++i) EXPECT_EQ(parts[i], out[i] ? Part::valid : Part::train);
  const std::vector<Part> all = divide(labels, {.valid = "valid.csv", .hold_out = 0.1, .seed = 7});
  EXPECT_EQ(std::count(all.begin(), all.end(), Part::train), 137);
}

}  // namespace
}  // namespace fovea::train
