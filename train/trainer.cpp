#include "fovea/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "fovea/autograd/autocast.h"
#include "fovea/autograd/losses.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/backends/round_up.h"
#include "fovea/nn/clip.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/interrupt.h"
#include "fovea/train/options.h"

namespace fovea::train {
namespace {

constexpr auto watch_interval = std::chrono::milliseconds(100);
constexpr size_t most_unread = 64;
constexpr double save_share = 0.05;   // of the time, at most, goes into checkpoints
constexpr double least_save_gap = 2;  // seconds
constexpr double most_save_gap = 60;  // seconds, within an epoch too
constexpr double save_rate = 200e6;   // bytes a second, until one has been written

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double bytes_of(const nn::StateDict& state) {
  double bytes = 0;
  for (const auto& [name, tensor] : state) {
    bytes += static_cast<double>(tensor.numel()) * static_cast<double>(size_of(tensor.dtype()));
  }
  return bytes;
}

}  // namespace

void check_loss(double loss, int64_t steps) {
  if (std::isfinite(loss)) return;
  refuse("the loss became {} within the first {} steps; a lower learning rate (--lr) or clipping (--clip 1) may help",
         std::isnan(loss) ? "NaN" : "infinite", steps);
}

const char* name(Ending ending) {
  switch (ending) {
    case Ending::complete:
      return "complete";
    case Ending::stopped_early:
      return "stopped_early";
    case Ending::out_of_time:
      return "out_of_time";
    case Ending::interrupted:
      return "interrupted";
  }
  return "?";
}

Trainer::Trainer(nn::Module& model, nn::Optimizer& optimizer, TrainerOptions options, Caller caller)
    : model_(model),
      optimizer_(optimizer),
      options_(std::move(options)),
      caller_(caller),
      parameters_(model.parameters()),
      epoch_start_(Clock::now()) {
  if (options_.epochs < 1 || options_.patience < 0 || options_.save_every < 0 || options_.clip < 0 ||
      options_.max_minutes < 0 || options_.accumulate < 1 || options_.parts < 1 ||
      !(options_.ema >= 0 && options_.ema < 1)) {
    raise<ValueError>(
        caller,
        "Trainer: epochs {}, patience {}, save_every {}, clip {}, max_minutes {}, accumulate {}, parts {}, ema {}",
        options_.epochs, options_.patience, options_.save_every, options_.clip, options_.max_minutes,
        options_.accumulate, options_.parts, options_.ema);
  }
  if (options_.regression && !options_.loss) raise<ValueError>(caller, "Trainer: regression without a loss");
  if (options_.regression && options_.multi_label)
    raise<ValueError>(caller, "Trainer: both regression and multi_label");
  if (options_.multi_label && options_.label_smoothing != 0) {
    raise<ValueError>(caller, "Trainer: multi_label with a label_smoothing of {}", options_.label_smoothing);
  }
  if (options_.monitor == (options_.multi_label ? Monitor::roc_auc : Monitor::micro_f1)) {
    raise<ValueError>(caller, "Trainer: monitor {} multi_label",
                      options_.multi_label ? "roc_auc with" : "micro_f1 without");
  }
  options_.accumulate *= options_.parts;
  const Autocast checked(options_.precision, caller);
  if (options_.precision == f16) scaler_.emplace();
  if (options_.ema > 0)
    averages_.emplace(model, nn::AveragedModelOptions{.decay = options_.ema, .use_buffers = true}, caller);
  if (options_.group) {
    reducer_.emplace(*options_.group, parameters_);
    seed_ = default_generator().seed;
    for (const Tensor& buffer : model.buffers()) {
      if (buffer.dtype() == f32) buffers_.push_back(buffer);
    }
  }
  for (size_t group = 0; group < optimizer.groups(); ++group) rates_.push_back(optimizer.lr(group));
  if (!options_.loss && options_.multi_label) {
    options_.loss = [weight = options_.class_weights, caller](const Tensor& logits, const Tensor& labels) {
      return binary_cross_entropy_with_logits(logits, labels, BceWithLogitsOptions{.pos_weight = weight}, caller);
    };
  } else if (!options_.loss) {
    if (options_.class_weights.defined()) weights_ = options_.class_weights.to_vector<double>();
    options_.loss = [weight = options_.class_weights, smoothing = options_.label_smoothing, caller](
                        const Tensor& logits, const Tensor& labels) {
      return cross_entropy(logits, labels, {.weight = weight, .label_smoothing = smoothing}, caller);
    };
  }
}

Ending Trainer::fit(BatchStream& train, BatchStream* valid, const TrainerEvents& events) {
  const std::filesystem::path place = std::filesystem::path(options_.checkpoint).parent_path();
  if (!place.empty() && !std::filesystem::is_directory(place)) {
    raise<ValueError>(caller_, "Trainer: checkpoint {}: there is no such folder", options_.checkpoint);
  }
  const InterruptGuard guard;
  try {
    return run(train, valid, events);
  } catch (const RanksLostError& error) {
    give_up(error);
  }
}

Ending Trainer::run(BatchStream& train, BatchStream* valid, const TrainerEvents& events) {
  const auto start = Clock::now();
  auto watched = start;
  last_save_ = start;
  const int64_t batches = train.batches();
  if (batches == 0) raise<ValueError>(caller_, "Trainer: there are no examples to learn from");
  const int64_t steps_an_epoch = divide_up(batches, options_.accumulate);
  const nn::schedule::Curve curve =
      options_.schedule ? options_.schedule(steps_an_epoch * options_.epochs) : nn::schedule::constant();
  model_.train();
  if (options_.group) check_agreement(hash_of_state(), "other options, data or weights than");

  Ending ending = Ending::complete;
  const auto must_stop = [&] {
    late_ = options_.max_minutes > 0 && seconds_since(start) > 60 * options_.max_minutes;
    if (options_.group ? must_end_ : InterruptGuard::requested()) ending = Ending::interrupted;
    if (options_.group ? must_end_late_ : late_) ending = Ending::out_of_time;
    return ending != Ending::complete;
  };
  while (epoch_ < options_.epochs) {
    if (is_out_of_patience()) {
      ending = Ending::stopped_early;
      break;
    }
    train.seek(epoch_, batch_);
    epoch_start_ = Clock::now();
    while (!must_stop() && train_step(train, batches, curve)) {
      if (events.progress && Clock::now() - watched >= watch_interval) {
        read_losses();
        events.progress(progress(batches));
        watched = Clock::now();
      }
      if (should_save(false)) save();
    }
    read_losses();
    if (ending != Ending::complete) break;
    end_epoch(valid, events);
    if (should_save(true)) save();
  }
  if (ending == Ending::interrupted || ending == Ending::out_of_time) {
    earlier_seconds_ = seconds_of_epoch();
    epoch_start_ = Clock::now();
    if (!options_.checkpoint.empty()) save();
  }
  if (!best_.empty()) {
    model_.load_state_dict(best_);
  } else if (averages_) {
    averages_->copy_to_model();
  }
  model_.eval();
  return ending;
}

/// What a batch counts beside others: what its mean divides by.
double Trainer::weight_of(const Outcome& outcome) const {
  if (outcome.stand_in) return 0;
  if (!of_classes() || outcome.targets.defined()) return static_cast<double>(outcome.labels.numel());
  double sum = 0;
  for (const int32_t label : outcome.labels.to_vector<int32_t>()) {
    const auto at = static_cast<size_t>(label);  // the loss refuses what is neither a class nor none
    if (label != no_label) sum += at < weights_.size() ? weights_[at] : 1;
  }
  return sum;
}

/// Makes a step of the next batches; false where none is left in the epoch.
bool Trainer::train_step(BatchStream& train, int64_t batches, const nn::schedule::Curve& curve) {
  if (options_.group) begin_shared_step();
  std::optional<Outcome> outcome = next(train);
  if (!outcome) {
    boundary_.reset();
    return false;
  }
  for (size_t group = 0; group < rates_.size(); ++group) optimizer_.set_lr(group, curve(rates_[group], step_));
  optimizer_.zero_grad();
  const int64_t parts = std::min(options_.accumulate, batches - batch_);
  if (parts <= 1 && !reducer_) {
    backward(*outcome, 1);
    update(1);
  } else {
    // Of losses by example the sum is taken, and divided in the end: the last batch may be smaller.
    double all = 0;
    for (int64_t part = 0; outcome; outcome = ++part < parts ? next(train) : std::nullopt) {
      const double weight = weight_of(*outcome);
      if (reducer_ && part + 1 == parts) reducer_->start();
      backward(*outcome, weight);
      all += weight;
    }
    update(all);
  }
  ++step_;
  boundary_.reset();
  if (unread_.size() >= most_unread) read_losses();
  return true;
}

std::optional<Outcome> Trainer::next(BatchStream& train) const {
  const Autocast precision(options_.precision);
  std::optional<Outcome> outcome = train.next();
  if (!outcome) return outcome;
  if (!outcome->labels.defined()) raise<ValueError>(caller_, "Trainer: the examples have no labels");
  if (of_classes() && outcome->labels.dtype() != i32) {
    raise<DTypeError>(
        caller_, "Trainer: labels {} {} are no classes, which are i32; see TrainerOptions::multi_label and regression",
        outcome->labels.dtype(), outcome->labels.shape());
  }
  return outcome;
}

/// Adds the gradients of `weight` times the batch's loss. Of weight 0 that is a mean of nothing, which is no number.
void Trainer::backward(const Outcome& outcome, double weight) {
  ++batch_;
  if (weight == 0) return;
  const Tensor loss = options_.loss(outcome.logits, outcome.targets.defined() ? outcome.targets : outcome.labels);
  if (looked_ < 2) look_for_unregistered(loss);
  const Tensor weighted = weight == 1 ? loss : loss * weight;
  (scaler_ ? scaler_->scale(weighted) : weighted).backward();
  Tensor correct, counted;
  if (of_classes()) correct = sum(eq(argmax(outcome.logits.detach(), -1), outcome.labels).to(i32));
  if (of_classes() && !outcome.targets.defined()) counted = count_of_labels(outcome.labels);
  unread_.push_back({loss.detach(), correct, counted, outcome.labels.numel()});
}

/// What is there again in the second batch is no input.
void Trainer::look_for_unregistered(const Tensor& loss) {
  if (!loss.requires_grad()) return;  // backward() refuses it
  std::vector<Tensor> known = optimizer_.parameters();
  known.insert(known.end(), parameters_.begin(), parameters_.end());
  const std::vector<nn::Unregistered> found = nn::unregistered_parameters(loss, known);
  for (const nn::Unregistered& now : found) {
    for (const nn::Unregistered& before : unregistered_) {
      if (now.tensor.impl() != before.tensor.impl()) continue;
      raise<ValueError>(
          caller_,
          "Trainer: {} that would be trained, but neither {} nor the optimizer has it: an add() is missing "
          "in a constructor, or it is to be frozen by set_requires_grad(false)",
          to_string(now), model_.type_name());
    }
  }
  unregistered_ = ++looked_ < 2 ? found : std::vector<nn::Unregistered>();
}

/// Lets the optimizer make a step with the gradients that were added, divided by `weight`.
void Trainer::update(double weight) {
  if (reducer_) weight = share(weight);
  if (weight == 0) refuse_step();
  if (weight != 1) nn::scale_grad_(parameters_, 1 / weight);
  if (scaler_) scaler_->unscale(parameters_);
  if (options_.clip > 0) nn::clip_grad_norm_(parameters_, options_.clip);
  if (!scaler_) {
    optimizer_.step();
  } else if (!scaler_->step(optimizer_)) {
    ++skipped_;
    return;
  }
  if (averages_) averages_->update_parameters();
}

Trainer::Sums Trainer::read_unread() {
  Sums sums;
  for (const Unread& unread : unread_) {
    const double examples = unread.counted.defined() ? unread.counted.item() : static_cast<double>(unread.labels);
    if (examples == 0) refuse_step();
    sums.loss += unread.loss.item() * examples;
    if (unread.correct.defined()) sums.correct += unread.correct.item();
    sums.examples += examples;
  }
  unread_.clear();
  return sums;
}

void Trainer::refuse_step() const {
  raise<ValueError>(caller_, "Trainer: no label of a step takes part, within the first {}", step_ + 1);
}

void Trainer::count(const Sums& sums) {
  check_loss(sums.loss, step_);
  loss_sum_ += sums.loss;
  correct_ += static_cast<int64_t>(sums.correct);
  examples_ += static_cast<int64_t>(sums.examples);
}

/// Over the epoch so far.
double Trainer::accuracy() const {
  if (!of_classes()) return NAN;
  return static_cast<double>(correct_) / static_cast<double>(std::max<int64_t>(examples_, 1));
}

ProgressState Trainer::progress(int64_t batches) const {
  const double seconds = seconds_of_epoch(), examples = static_cast<double>(std::max<int64_t>(examples_, 1));
  const int64_t left = (options_.epochs - epoch_) * batches - batch_, parts = options_.parts;
  return {.epoch = epoch_ + 1,
          .epochs = options_.epochs,
          .step = batch_ / parts,
          .steps = batches / parts,
          .loss = loss_sum_ / examples,
          .accuracy = accuracy(),
          .examples_per_second = seconds > 0 ? examples / seconds : 0,
          .seconds_left = batch_ > 0 ? seconds / static_cast<double>(batch_) * static_cast<double>(left) : -1};
}

double Trainer::seconds_of_epoch() const { return earlier_seconds_ + seconds_since(epoch_start_); }

bool Trainer::should_save(bool epoch_ended) const {
  if (options_.checkpoint.empty()) return false;
  if (options_.save_every > 0) return !epoch_ended && step_ % options_.save_every == 0;
  const double elapsed = seconds_since(last_save_);
  if (elapsed < least_save_gap || (!epoch_ended && elapsed < most_save_gap)) return false;
  const double cost = save_seconds_ > 0 ? save_seconds_
                                        : (bytes_of(model_.state_dict()) + bytes_of(optimizer_.state_dict()) +
                                           bytes_of(best_) + (averages_ ? bytes_of(averages_->state_dict()) : 0)) /
                                              save_rate;
  return elapsed * save_share > cost;
}

}  // namespace fovea::train
