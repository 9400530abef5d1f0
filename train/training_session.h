#pragma once

#include <memory>
#include <optional>
#include <string>

#include "fovea/train/classifier_task.h"
#include "fovea/train/decision_options.h"
#include "fovea/train/training_options.h"
#include "fovea/train/training_run.h"

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

  /// What `run` begins with, for who wants to know whether it would: the options that hang on others; then the data,
  /// whose fingerprint it returns. Throw as `run` does.
  void settle(const OptionTable& options);
  uint64_t load(const OptionTable& options);

  const TrainingOptions& training() const { return training_; }
  bool has_held_out() const { return task_->size(Part::valid) > 0; }
  /// Of `run`.
  const TrainingResult& result() const { return result_; }

 private:
  std::optional<Checkpoint> take_up(OptionTable& options, ProcessGroup* group) const;
  size_t memory_for(int64_t folds, const ProcessGroup* group) const;
  void settle_labels(const OptionTable& options);
  void check_count(int64_t folds) const;
  bool is_complete(const ModelConfig& finished, const RunSettings& settings, int64_t folds) const;
  CrossValidation cross_validation(int64_t folds, const RunSettings& settings) const;
  Ending cross_validate(int64_t folds, RunSettings& settings, Progress& progress);

  std::string program_;
  std::unique_ptr<ClassifierTask> task_;
  TrainingFiles files_;
  std::string out_;
  std::string config_;
  std::string memory_;
  double rank_timeout_ = 600;  // seconds
  TrainingOptions training_;
  DecisionOptions decision_;
  RunOptions run_;
  TrainingResult result_;
};

}  // namespace fovea::train
