#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "fovea/train/classifier_task.h"
#include "fovea/train/cross_validation.h"
#include "fovea/train/decision_options.h"
#include "fovea/train/memory_plan.h"
#include "fovea/train/progress.h"
#include "fovea/train/training_options.h"

namespace fovea::train {

/// What a training run brought.
struct TrainingResult {
  Ending ending = Ending::complete;
  // On held-out examples; of a cross-validation the means.
  double accuracy = 0;
  double macro_f1 = 0;
  double loss = 0;
  double roc_auc = std::numeric_limits<double>::quiet_NaN();
  int64_t best_epoch = 0;
  double seconds = 0;
};

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
  Ending cross_validate(int64_t folds, const std::string& run, Device device, std::vector<FoldResult>& results,
                        Progress& progress);
  void write_model(const nn::Module& model, const OptionTable& options, const std::string& run,
                   const Decision& decision) const;
  /// Plans the memory of a run that is to keep within --memory, and says so.
  void keep_within_memory(nn::Module& model, const TrainerOptions& trainer, Device device, ProcessGroup* group,
                          Progress& progress);
  StreamOptions training_stream(const ProcessGroup* group) const;
  StreamOptions inference_stream() const;
  Part evaluated_part() const { return task_->size(Part::valid) > 0 ? Part::valid : Part::train; }
  std::string evaluated_on() const;

  std::string program_;
  std::unique_ptr<ClassifierTask> task_;
  TrainingFiles files_;
  std::string out_;
  std::string config_;
  std::string memory_;
  std::optional<MemoryPlan> plan_;
  double rank_timeout_ = 600;  // seconds
  TrainingOptions training_;
  DecisionOptions decision_;
  RunOptions run_;
  TrainingResult result_;
};

}  // namespace fovea::train
