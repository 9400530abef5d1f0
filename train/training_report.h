#pragma once

#include <string>
#include <vector>

#include "fovea/train/classifier_task.h"
#include "fovea/train/cross_validation.h"
#include "fovea/train/history.h"
#include "fovea/train/inference.h"
#include "fovea/train/report.h"
#include "fovea/train/task_evaluation.h"

namespace fovea::train {

/// What a report of a trained model is made from.
struct TrainingReport {
  std::string title;
  ClassifierTask& task;
  Part part;
  std::string evaluated_on;
  const Predictions& predictions;  // of the part
  const std::vector<EpochRecord>& history;
  const OptionTable& options;
  const std::vector<FoldResult>& folds;  // of a cross-validation; empty where there was none
  const CostMatrix& costs;               // empty where there are none
};

Report make_report(const TrainingReport& from);

}  // namespace fovea::train
