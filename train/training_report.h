#pragma once

#include <string>
#include <vector>

#include "fovea/train/classifier_task.h"
#include "fovea/train/history.h"
#include "fovea/train/inference.h"
#include "fovea/train/report.h"

namespace fovea::train {

/// The evaluation that predictions of a labelled part amount to.
Evaluation evaluation_of(const ClassifierTask& task, Part part, const Predictions& predictions);

/// What a report of a trained model is made from.
struct TrainingReport {
  std::string title;
  ClassifierTask& task;
  Part part;
  std::string evaluated_on;
  const Predictions& predictions;  // of the part
  const std::vector<EpochRecord>& history;
  const OptionTable& options;
};

Report make_report(const TrainingReport& from);

}  // namespace fovea::train
