#pragma once

#include <memory>
#include <optional>
#include <string>

#include "fovea/train/classifier_task.h"
#include "fovea/train/cross_validation.h"
#include "fovea/train/decision_options.h"
#include "fovea/train/progress.h"
#include "fovea/train/training_options.h"

namespace fovea::train {

/// The `train` command of a classifier: reads, trains, shows how it goes, writes the model's folder; goes on with an
/// interrupted run.
class TrainingSession {
 public:
  /// `program` names it in config.json.
  TrainingSession(std::string program, std::unique_ptr<ClassifierTask> task);

  void declare(OptionTable& options);
  /// Returns the exit status. Throws UsageError, DataError and what the device throws; until all input has been read
  /// nothing is written.
  int run(OptionTable& options);

 private:
  Ending cross_validate(int64_t folds, const std::string& run, Device device, std::vector<FoldResult>& results,
                        Progress& progress);
  void write_model(const nn::Module& model, const OptionTable& options, const std::string& run,
                   const Decision& decision) const;
  Part evaluated_part() const { return task_->size(Part::valid) > 0 ? Part::valid : Part::train; }
  std::string evaluated_on() const;

  std::string program_;
  std::unique_ptr<ClassifierTask> task_;
  TrainingFiles files_;
  std::string out_;
  std::string config_;
  TrainingOptions training_;
  DecisionOptions decision_;
  RunOptions run_;
};

}  // namespace fovea::train
