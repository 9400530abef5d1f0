#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fovea/nn/averaged_model.h"
#include "fovea/nn/grad_scaler.h"
#include "fovea/nn/module.h"
#include "fovea/nn/optimizer.h"
#include "fovea/nn/schedule.h"
#include "fovea/nn/unregistered.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/batch_stream.h"
#include "fovea/train/checkpoint.h"
#include "fovea/train/gradient_reducer.h"
#include "fovea/train/history.h"
#include "fovea/train/inference.h"
#include "fovea/train/progress.h"

namespace fovea::train {

/// What tells one epoch from a better one, on the validation data: the highest accuracy, macro F1, micro F1 or ROC AUC (of
/// equal ones the lowest loss), or the lowest loss. Micro F1 is there with multi_label only, ROC AUC without only.
enum class Monitor : uint8_t { accuracy, macro_f1, micro_f1, roc_auc, loss };

struct TrainerOptions {
  int64_t epochs = 10;
  int64_t patience = 0;  // stop after so many epochs that were not better than the best; 0: never
  Monitor monitor = Monitor::accuracy;
  bool keep_best = true;  // end with the weights of the best epoch, else with the last
  /// Whether epochs are told of by class, too: F1, ROC AUC and calibration. Else by loss and accuracy alone, for which no
  /// probabilities are kept: where there are as many classes as a language model has.
  bool by_class = true;
  double clip = 0;  // bound of the gradients' global L2 norm; 0: none
  /// What moving averages of the weights keep of themselves at a step (see nn::AveragedModel), below 1; they are what is
  /// validated and what the run ends with. 0: none.
  double ema = 0;
  /// So many batches make a step: their gradients are those of one batch of all of their examples, where the loss is a mean
  /// over labels; of classes those of -100 take no part, and the default loss weighs them by class_weights.
  int64_t accumulate = 1;
  int64_t parts = 1;  // so many of the stream's batches make one: see StreamOptions::parts
  /// f16 or bf16: mixed precision (see Autocast), for f16 with the loss scaled (see nn::GradScaler).
  DType precision = f32;
  double label_smoothing = 0;  // of the default loss
  /// Of the default loss: [classes], how much each counts, with multi_label where it holds (pos_weight); undefined: all alike.
  Tensor class_weights = {};
  /// Examples may have any number of the classes: labels are f32 [batch, classes], 1 where a class holds and 0 where not. The
  /// default loss is binary cross-entropy from logits, the mean over examples and classes. Epochs are told of by micro F1,
  /// macro F1 and, as their accuracy, by the share of examples all of whose classes are right, each from a probability of a
  /// half on; the accuracy of what is learned from is NaN.
  bool multi_label = false;
  /// The labels are numbers to learn, not classes: `loss` must be given, epochs are told of and told apart by it alone, and
  /// accuracies are NaN.
  bool regression = false;
  /// Mean loss of a batch from logits and labels (or an outcome's targets); the default loss, cross entropy, where not given.
  std::function<Tensor(const Tensor& logits, const Tensor& targets)> loss = {};
  /// The curve of the learning rates of a run of so many steps; they stay as they are where not given.
  std::function<nn::schedule::Curve(int64_t steps)> schedule = {};
  double max_minutes = 0;       // stop after so long; 0: never
  std::string checkpoint = {};  // the file that makes the run resumable; empty: none
  int64_t save_every = 0;       // steps between checkpoints; 0: at the ends of epochs, as often as saving is cheap
  std::string run = {};         // see Checkpoint::run
  /// The processes that train this model together, each with a part of every batch, which its streams give (see
  /// StreamOptions::rank); must outlive the trainer. Only the first is to have a `checkpoint`. Null: this process alone.
  ProcessGroup* group = nullptr;
};

/// Throws UsageError where a loss is no longer a finite number; `steps` is when.
void check_loss(double loss, int64_t steps);

/// What one who watches a run can see. Neither may change the model.
struct TrainerEvents {
  std::function<void(const ProgressState&)> progress = {};  // ten times a second or less
  std::function<void(const EpochRecord&)> epoch = {};
};

/// How a run ended.
enum class Ending : uint8_t { complete, stopped_early, out_of_time, interrupted };
/// "complete", "stopped_early", "out_of_time", "interrupted".
const char* name(Ending ending);

/// Trains a classifier, or a model of numbers (TrainerOptions::regression), and can go on where it was interrupted, to the
/// very bytes that it would have had: model, optimizer, random numbers, place in the epoch and the best weights so far
/// stand in its checkpoint.
///
///     auto forward = [&](const Batch& batch) { return model.forward(batch.tokens, batch.mask); };
///     auto train = stream(train_loader, forward), valid = stream(valid_loader, forward);
///     Trainer trainer(model, optimizer, {.epochs = 10, .patience = 3, .clip = 1});
///     trainer.fit(train, &valid);
///
/// What both of the first two batches train, and neither model nor optimizer holds, is part of a module that was never
/// added to the model: ValueError.
///
/// In a group every rank holds the same weights, bit for bit, and the same counts; a rank's random numbers (dropout)
/// depend on seed, rank and step. What a module notes of its batches (BatchNorm) is averaged after each step.
class Trainer {
 public:
  /// Model and optimizer must outlive it. The optimizer's learning rates are those that the schedule starts from.
  /// Throws ValueError where an option is out of its range or does not go together with another.
  Trainer(nn::Module& model, nn::Optimizer& optimizer, TrainerOptions options = {}, Caller caller = {});

  /// Continues a run: the next fit goes on behind it. Throws DataError where the checkpoint is not of this model.
  void resume(const Checkpoint& checkpoint);

  /// Trains from where it stands to the end. Without `valid` the last epoch counts as the best. Ctrl-C finishes the
  /// step and saves. Throws ValueError where there are no examples or no labels (in a step: none that takes part),
  /// DTypeError where they are neither classes (i32) nor those of multi_label or a regression, UsageError where the loss is
  /// no longer a number, and RanksLostError where another rank is gone, once the last whole step is saved.
  Ending fit(BatchStream& train, BatchStream* valid = nullptr, const TrainerEvents& events = {});

  Evaluation evaluate(BatchStream& data, Caller caller = {}) { return train::evaluate(model_, data, caller); }
  LabelEvaluation evaluate_labels(BatchStream& data, Caller caller = {}) {
    return train::evaluate_labels(model_, data, nullptr, caller);
  }
  Predictions predict(BatchStream& data) { return train::predict(model_, data, options_.multi_label); }

  const std::vector<EpochRecord>& history() const { return history_; }
  int64_t steps() const { return step_; }
  /// Steps that were left out since a gradient overflowed; with f16 only.
  int64_t skipped_steps() const { return skipped_; }
  /// Of the loss, with f16; else 1.
  double loss_scale() const { return scaler_ ? scaler_->scale() : 1; }
  /// From 1; 0 where there is none yet.
  int64_t best_epoch() const { return best_epoch_; }

  /// What `resume` takes.
  Checkpoint checkpoint() const;

 private:
  using Clock = std::chrono::steady_clock;

  /// A step whose result has not been looked at: reading it would make a device wait.
  struct Unread {
    Tensor loss;
    Tensor correct;  // how many were called rightly; undefined where that is not asked
    Tensor counted;  // how many labels take part; undefined: all of them
    int64_t labels;
  };
  /// What the steps that were not looked at amount to.
  struct Sums {
    double loss = 0, correct = 0, examples = 0;
  };

  /// Whether labels are class ids.
  bool of_classes() const { return !options_.regression && !options_.multi_label; }
  Ending run(BatchStream& train, BatchStream* valid, const TrainerEvents& events);
  double weight_of(const Outcome& outcome) const;
  bool train_step(BatchStream& train, int64_t batches, const nn::schedule::Curve& curve);
  std::optional<Outcome> next(BatchStream& train) const;
  double accuracy() const;
  void backward(const Outcome& outcome, double weight);
  void look_for_unregistered(const Tensor& loss);
  void update(double weight);
  Sums read_unread();
  void read_losses() { count(read_unread()); }
  void count(const Sums& sums);
  [[noreturn]] void refuse_step() const;
  void end_epoch(BatchStream* valid, const TrainerEvents& events);
  void validate(BatchStream& valid, EpochRecord& record);
  bool is_better(const EpochRecord& record) const;
  bool is_out_of_patience() const;
  bool should_save(bool epoch_ended) const;
  void save();
  ProgressState progress(int64_t batches) const;
  double seconds_of_epoch() const;

  // In a group (trainer_ranks.cpp).
  void begin_shared_step();
  double share(double weight);
  void share_buffers(std::span<const double> sums);
  uint64_t hash_of_state() const;
  void check_agreement(uint64_t own, const char* what) const;
  [[noreturn]] void give_up(const RanksLostError& error);

  nn::Module& model_;
  nn::Optimizer& optimizer_;
  TrainerOptions options_;
  Caller caller_;
  std::vector<double> rates_;       // of the optimizer's groups, before the schedule
  std::vector<Tensor> parameters_;  // what is clipped
  std::vector<double> weights_;     // of the classes, where the default loss has some
  std::optional<nn::GradScaler> scaler_;
  std::optional<nn::AveragedModel> averages_;

  // Where the run stands: what a checkpoint holds.
  int64_t epoch_ = 0;  // epochs that are over
  int64_t batch_ = 0;  // batches that are over in the one under way
  int64_t step_ = 0;
  int64_t skipped_ = 0;
  double loss_sum_ = 0;  // over the examples of the epoch so far
  int64_t correct_ = 0;
  int64_t examples_ = 0;
  double earlier_seconds_ = 0;  // of this epoch, in earlier processes
  int64_t best_epoch_ = 0;
  nn::StateDict best_;
  std::vector<EpochRecord> history_;

  int looked_ = 0;                              // batches that were looked through for what nobody trains
  std::vector<nn::Unregistered> unregistered_;  // by the first one
  std::vector<Unread> unread_;
  Clock::time_point epoch_start_;
  Clock::time_point last_save_;
  double save_seconds_ = 0;  // how long the last save took

  std::optional<GradientReducer> reducer_;  // in a group
  std::vector<Tensor> buffers_;             // that the ranks average
  uint64_t seed_ = 0;                       // of the ranks' random numbers
  struct Boundary {
    int64_t batch;
    Generator random;
  };
  std::optional<Boundary> boundary_;  // where the step under way began
  bool late_ = false;                 // this rank's time is over
  bool must_end_ = false;             // so the ranks agreed: one was interrupted,
  bool must_end_late_ = false;        // or its time is over
};

}  // namespace fovea::train
