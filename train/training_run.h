#pragma once

#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fovea/train/classifier_task.h"
#include "fovea/train/cross_validation.h"
#include "fovea/train/decision_options.h"
#include "fovea/train/memory_plan.h"
#include "fovea/train/process_group.h"
#include "fovea/train/progress.h"
#include "fovea/train/run_identity.h"
#include "fovea/train/task_evaluation.h"
#include "fovea/train/tensorboard.h"
#include "fovea/train/training_options.h"

namespace fovea::train {

/// What a training run brought.
struct TrainingResult {
  Ending ending = Ending::complete;
  // On held-out examples; of a cross-validation the means.
  double accuracy = 0;
  double macro_f1 = 0;
  double micro_f1 = std::numeric_limits<double>::quiet_NaN();  // see Scores
  double loss = 0;
  double roc_auc = std::numeric_limits<double>::quiet_NaN();
  int64_t best_epoch = 0;
  double seconds = 0;
};

/// What is settled before a model is trained.
struct RunSettings {
  const std::string& program;
  ClassifierTask& task;  // which has read its examples
  const TrainingFiles& files;
  const OptionTable& options;
  const TrainingOptions& training;
  const DecisionOptions& decision;
  const RunOptions& run;
  const std::string& out;  // the folder
  Device device;
  size_t memory = 0;              // bytes that tensors may take; 0: what there is
  ProcessGroup* group = nullptr;  // null: this process is alone
  CostMatrix costs = {};
  RunIdentity identity;
  std::vector<FoldResult> folds = {};  // of a cross-validation before it

  /// Of the ranks the one that writes and shows.
  bool first() const { return !group || group->first(); }
};

/// A model that is trained, tested, written and told of. Throws what the device throws, UsageError and DataError.
class TrainingRun {
 public:
  using Clock = std::chrono::steady_clock;

  /// Makes the model and plans its memory; goes on from a checkpoint where there is one.
  TrainingRun(const RunSettings& settings, Progress& progress, std::optional<Checkpoint> checkpoint);

  /// Trains it.
  Ending fit();
  /// For the first rank, afterwards. `start` is when the run began.
  TrainingResult finish(Ending ending, Clock::time_point start);

 private:
  /// How good the model is.
  struct Tested {
    Part part;
    Predictions predictions;
    AnyEvaluation evaluation;
  };

  nn::Module& make_model() const;
  TrainerOptions trainer_options() const;
  MemoryPlan plan_within_memory(const TrainerOptions& options) const;
  StreamOptions training_stream() const;
  StreamOptions inference_stream() const;
  StreamOptions slice_of_rank(StreamOptions stream) const;
  std::string opening_line() const;
  void show_epoch(const EpochRecord& record);
  Tested test();
  Tested test_or_write();
  std::string evaluated_on(Part part) const;
  void write_model(const Decision& decision) const;
  std::string write_report(const Tested& tested);
  TrainingResult result_of(Ending ending, const Tested& tested, double seconds) const;
  void tell(const TrainingResult& result, const Tested& tested, const std::string& report) const;
  void tell_thresholds(const LabelEvaluation& evaluation) const;
  std::string summary(const TrainingResult& result, const Tested& tested, size_t peak) const;

  const RunSettings& settings_;
  ClassifierTask& task_;
  Progress& progress_;
  nn::Module& model_;
  std::unique_ptr<nn::Optimizer> optimizer_;
  std::optional<MemoryPlan> plan_;
  std::optional<Trainer> trainer_;
  std::optional<TensorBoard> board_;
};

}  // namespace fovea::train
