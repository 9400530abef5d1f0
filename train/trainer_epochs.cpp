// What a trainer does between epochs: it validates, and tells whether the epoch was the best.
#include <algorithm>
#include <cmath>
#include <utility>

#include "fovea/train/trainer.h"

namespace fovea::train {
namespace {

nn::StateDict snapshot(const nn::StateDict& state) {
  nn::StateDict copy;
  for (const auto& [name, tensor] : state) copy.emplace(name, tensor.detach().clone());
  return copy;
}

}  // namespace

void Trainer::end_epoch(BatchStream* valid, const TrainerEvents& events) {
  const double seconds = seconds_of_epoch(), examples = static_cast<double>(std::max<int64_t>(examples_, 1));
  EpochRecord record{.epoch = epoch_ + 1,
                     .step = step_,
                     .lr = optimizer_.lr(),
                     .loss = loss_sum_ / examples,
                     .accuracy = accuracy(),
                     .seconds = seconds,
                     .examples_per_second = seconds > 0 ? examples / seconds : 0};
  {
    std::optional<nn::AveragedModel::Swap> averaged;
    if (averages_) averaged.emplace(*averages_);
    if (valid) validate(*valid, record);
    record.best = is_better(record);
    if (record.best && options_.keep_best && valid) best_ = snapshot(model_.state_dict());
  }
  if (options_.group) check_agreement(hash_of_state(), "no longer the weights of");
  history_.push_back(record);
  ++epoch_;
  batch_ = 0;
  loss_sum_ = 0;
  correct_ = 0;
  examples_ = 0;
  earlier_seconds_ = 0;
  epoch_start_ = Clock::now();
  if (record.best) best_epoch_ = record.epoch;
  if (events.epoch) events.epoch(record);
}

void Trainer::validate(BatchStream& valid, EpochRecord& record) {
  if (options_.regression) {
    record.valid_loss = mean_loss(model_, valid, options_.loss, options_.group);
  } else if (options_.multi_label) {
    const LabelEvaluation evaluation = train::evaluate_labels(model_, valid, options_.group);
    record.valid_loss = evaluation.loss;
    record.valid_accuracy = evaluation.counts.subset_accuracy();
    record.valid_macro_f1 = evaluation.counts.macro_f1();
    record.valid_micro_f1 = evaluation.counts.micro_f1();
  } else if (!options_.by_class) {
    const Score found = score(model_, valid, options_.group);
    record.valid_loss = found.loss;
    record.valid_accuracy = found.accuracy;
  } else {
    const Evaluation evaluation = train::evaluate(model_, valid, options_.group);
    record.valid_loss = evaluation.loss;
    record.valid_accuracy = evaluation.confusion.accuracy();
    record.valid_macro_f1 = evaluation.confusion.macro_f1();
    const ProbabilityMetrics& metrics = evaluation.probabilities;
    if (!std::isnan(metrics.roc_auc)) record.valid_roc_auc = metrics.roc_auc;
    record.valid_calibration_error = metrics.calibration_error;
    record.valid_brier = metrics.brier;
  }
  check_loss(*record.valid_loss, step_);
}

bool Trainer::is_better(const EpochRecord& record) const {
  if (!record.valid_loss || best_epoch_ == 0) return true;
  const EpochRecord& best = history_[static_cast<size_t>(best_epoch_ - 1)];
  const auto key = [this](const EpochRecord& r) {
    const double loss = -r.valid_loss.value_or(0);
    if (options_.regression) return std::pair(loss, 0.0);
    switch (options_.monitor) {
      case Monitor::accuracy:
        return std::pair(r.valid_accuracy.value_or(0), loss);
      case Monitor::macro_f1:
        return std::pair(r.valid_macro_f1.value_or(0), loss);
      case Monitor::micro_f1:
        return std::pair(r.valid_micro_f1.value_or(0), loss);
      case Monitor::roc_auc:
        return std::pair(r.valid_roc_auc.value_or(0), loss);
      default:
        return std::pair(loss, 0.0);
    }
  };
  return key(record) > key(best);
}

bool Trainer::is_out_of_patience() const { return options_.patience > 0 && epoch_ - best_epoch_ >= options_.patience; }

}  // namespace fovea::train
