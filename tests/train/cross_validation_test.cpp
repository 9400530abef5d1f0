#include "fovea/train/cross_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace fovea::train {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<FoldResult> results{{.fold = 1, .examples = 50, .accuracy = 0.8, .roc_auc = 0.9, .best_epoch = 4},
                                      {.fold = 2, .examples = 50, .accuracy = 0.9, .roc_auc = NAN, .best_epoch = 6},
                                      {.fold = 3, .examples = 49, .accuracy = 0.7, .roc_auc = 0.7, .best_epoch = 2}};

TEST(FoldResult, SurvivesJson) {
  for (const FoldResult& result : results) {
    const FoldResult again = fold_result_from_json(to_json(result));
    EXPECT_EQ(to_json(again), to_json(result));
    EXPECT_EQ(std::isnan(again.roc_auc), std::isnan(result.roc_auc));
  }
  EXPECT_THROW(fold_result_from_json("{}"), DataError);
  EXPECT_THROW(fold_result_from_json("{"), DataError);
}

TEST(OverFolds, GivesMeanAndSpreadOfTheFoldsThatHaveTheMetric) {
  const auto [mean, spread] = over_folds(results, &FoldResult::accuracy);
  EXPECT_NEAR(mean, 0.8, 1e-12);
  EXPECT_NEAR(spread, 0.1, 1e-12);
  EXPECT_NEAR(over_folds(results, &FoldResult::roc_auc).mean, 0.8, 1e-12);
  EXPECT_NEAR(over_folds(results, &FoldResult::roc_auc).spread, std::sqrt(0.02), 1e-12);
  EXPECT_EQ(over_folds({results[0]}, &FoldResult::accuracy).spread, 0);
  EXPECT_TRUE(std::isnan(over_folds({}, &FoldResult::accuracy).mean));
}

TEST(FoldSummary, NamesMicroF1OfSeveralLabels) {
  EXPECT_THAT(summary_json(results, false), Not(HasSubstr("micro_f1")));
  const std::vector<FoldResult> several{{.fold = 1, .micro_f1 = 0.5, .roc_auc = NAN},
                                        {.fold = 2, .micro_f1 = 0.7, .roc_auc = NAN}};
  EXPECT_EQ(fold_result_from_json(to_json(several[1])).micro_f1, 0.7);
  EXPECT_THAT(summary_line(several, false), HasSubstr("  micro F1 0.6000 +- 0.1414"));
  EXPECT_THAT(summary_line(several, false), Not(HasSubstr("ROC AUC")));
}

TEST(FoldSummary, NamesCostsOnlyWhereThereAreAny) {
  EXPECT_THAT(summary_json(results, false), HasSubstr("\"folds\":3,\"accuracy\":0.8"));
  EXPECT_THAT(summary_json(results, false), Not(HasSubstr("mean_cost")));
  EXPECT_THAT(summary_json(results, true), HasSubstr("mean_cost"));
  EXPECT_THAT(summary_line(results, false), HasSubstr("3 folds:  accuracy 0.8000 +- 0.1000"));
}

}  // namespace
}  // namespace fovea::train
