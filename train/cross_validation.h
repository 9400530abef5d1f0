#pragma once

#include <limits>
#include <string>
#include <vector>

#include "fovea/train/classifier_task.h"
#include "fovea/train/decision_options.h"
#include "fovea/train/progress.h"
#include "fovea/train/training_options.h"

namespace fovea::train {

/// What a model that had not seen a fold made of it.
struct FoldResult {
  int64_t fold = 0;  // from 1
  int64_t examples = 0;
  double accuracy = 0;
  double macro_f1 = 0;
  double micro_f1 = std::numeric_limits<double>::quiet_NaN();  // this and the next ones as Scores tells them
  double loss = 0;
  double roc_auc = 0;
  double calibration_error = 0;
  double brier = 0;
  double mean_cost = 0;  // where there are costs
  int64_t best_epoch = 0;
};

/// One JSON object on one line, and back. Throws DataError.
std::string to_json(const FoldResult& result);
FoldResult fold_result_from_json(std::string_view text);

struct MeanAndSpread {
  double mean = 0;
  double spread = 0;  // the sample's standard deviation; 0 of one
};
/// Of one metric over the folds that have it.
MeanAndSpread over_folds(const std::vector<FoldResult>& results, double FoldResult::*metric);
/// {"folds": N, "accuracy": mean, "accuracy_spread": ..., ...}.
std::string summary_json(const std::vector<FoldResult>& results, bool costs);
/// The same for people, on one line.
std::string summary_line(const std::vector<FoldResult>& results, bool costs);

/// Stratified cross-validation: a model for each fold, trained on the others as the options say.
struct CrossValidation {
  ClassifierTask& task;
  TrainingFiles files;  // with its number of folds
  const TrainingOptions& training;
  const DecisionOptions& decision;
  Device device;
  std::string folder;  // where folds.jsonl keeps the results
  std::string run;     // names options and data: results of another run do not count

  /// Appends to `results`. With --resume it takes over those that the folder holds; a fold that was under way starts
  /// anew. Ending::complete unless it was interrupted or ran out of time.
  Ending run_folds(std::vector<FoldResult>& results, Progress& progress) const;
  /// How many results of this run the folder holds.
  int64_t folds_done() const;

 private:
  std::string path() const;
};

}  // namespace fovea::train
