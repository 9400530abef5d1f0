#include "fovea/train/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/data/files.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/folder_name.h"
#include "fovea/train/json_text.h"
#include "fovea/train/model_folder.h"
#include "fovea/train/terminal.h"
#include "fovea/train/training_report.h"

namespace fovea::train {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

constexpr int64_t most_board_examples = 3;

bool is_over(Ending ending) { return ending == Ending::complete || ending == Ending::stopped_early; }

}  // namespace

TrainingRun::TrainingRun(const RunSettings& settings, Progress& progress, std::optional<Checkpoint> checkpoint)
    : settings_(settings),
      task_(settings.task),
      progress_(progress),
      model_(make_model()),
      optimizer_(settings.training.make_optimizer(model_)) {
  TrainerOptions options = trainer_options();
  if (settings.memory > 0) {
    const bool resumes = checkpoint.has_value();
    checkpoint.reset();  // the plan is that of the run's beginning
    plan_ = plan_within_memory(options);
    options.parts = plan_->parts;
    if (resumes) checkpoint = load_checkpoint(checkpoint_path(settings.out));
  }
  trainer_.emplace(model_, *optimizer_, options);
  if (checkpoint) trainer_->resume(*checkpoint);
}

nn::Module& TrainingRun::make_model() const {
  manual_seed(static_cast<uint64_t>(settings_.training.seed));
  return task_.build(settings_.device);
}

TrainerOptions TrainingRun::trainer_options() const {
  TrainerOptions options = train::trainer_options(task_, settings_.training, settings_.device);
  if (settings_.first()) options.checkpoint = checkpoint_path(settings_.out);
  options.group = settings_.group;
  options.run = settings_.identity.describe();
  return options;
}

MemoryPlan TrainingRun::plan_within_memory(const TrainerOptions& options) const {
  ProcessGroup* group = settings_.group;
  MemoryPlan plan = plan_memory({.task = task_,
                                 .model = model_,
                                 .training = settings_.training,
                                 .trainer = options,
                                 .device = settings_.device,
                                 .ranks = group ? group->size() : 1},
                                settings_.memory);
  if (group) group->broadcast(std::as_writable_bytes(std::span(&plan, 1)));
  progress_.line(plan.describe(settings_.memory, settings_.training));
  return plan;
}

StreamOptions TrainingRun::training_stream() const {
  StreamOptions stream = settings_.training.training_stream();
  if (plan_) stream.parts = plan_->parts;
  return stream;
}

StreamOptions TrainingRun::inference_stream() const {
  StreamOptions stream = settings_.training.inference_stream();
  if (plan_) stream.batch_size = plan_->inference_size;
  return stream;
}

StreamOptions TrainingRun::slice_of_rank(StreamOptions stream) const {
  if (const ProcessGroup* group = settings_.group) {
    stream.rank = group->rank();
    stream.ranks = group->size();
  }
  return stream;
}

std::string TrainingRun::opening_line() const {
  const ProcessGroup* group = settings_.group;
  const std::string note = task_.reading_note();
  return fmt::format("{} {} of {} classes to learn from, {} to check{}; {} weights; {}, {} thread{}{}",
                     task_.size(Part::train), task_.noun(), task_.labels().size(), task_.size(Part::valid),
                     note.empty() ? "" : "; " + note, short_count(static_cast<double>(model_.parameter_count())),
                     describe(settings_.device), num_threads(), num_threads() == 1 ? "" : "s",
                     group ? fmt::format(" in each of {} ranks", group->size()) : "");
}

Ending TrainingRun::fit() {
  progress_.line(opening_line());
  if (trainer_->steps() > 0) progress_.line(fmt::format("going on behind step {}", trainer_->steps()));
  const auto train = task_.stream(Part::train, slice_of_rank(training_stream()));
  const auto valid = task_.stream(Part::valid, slice_of_rank(inference_stream()));
  BatchStream* held_out = task_.size(Part::valid) > 0 ? valid.get() : nullptr;
  if (!settings_.first()) return trainer_->fit(*train, held_out);

  // A run that goes on within its first epoch has shown nothing yet.
  board_.emplace(settings_.out, trainer_->history().empty() ? 0 : trainer_->steps(), settings_.options);
  const Ending ending = trainer_->fit(*train, held_out,
                                      {.progress = [this](const ProgressState& state) { progress_.update(state); },
                                       .epoch = [this](const EpochRecord& record) { show_epoch(record); }});
  progress_.clear();
  return ending;
}

void TrainingRun::show_epoch(const EpochRecord& record) {
  progress_.line(epoch_line(record, settings_.training.epochs));
  data::write_atomically(fs::path(settings_.out) / "metrics.jsonl", to_jsonl(trainer_->history()));
  board_->epoch(record, model_);
}

TrainingResult TrainingRun::finish(Ending ending, Clock::time_point start) {
  model_.zero_grad();  // their memory is of more use now
  const Tested tested = test_or_write();
  write_model(tested.predictions.decision);
  const std::string report = write_report(tested);
  std::error_code ignored;
  if (is_over(ending)) fs::remove(checkpoint_path(settings_.out), ignored);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const TrainingResult result = result_of(ending, tested, seconds);
  tell(result, tested, report);
  return result;
}

/// Where memory does not suffice for the test, what was learned is not lost.
TrainingRun::Tested TrainingRun::test_or_write() {
  try {
    return test();
  } catch (const OutOfMemoryError&) {
    write_model({});
    throw;
  }
}

TrainingRun::Tested TrainingRun::test() {
  const Part part = task_.size(Part::valid) > 0 ? Part::valid : Part::train;
  const auto stream = task_.stream(part, inference_stream());
  Predictions predictions = predict(model_, *stream, task_.multi_label());
  check_loss(loss_of(task_, part, predictions), trainer_->steps());
  predictions.decision =
      decide(settings_.decision, settings_.costs, task_, part == Part::valid ? predictions : Predictions());
  AnyEvaluation evaluation = evaluation_of(task_, part, predictions);
  return {part, std::move(predictions), std::move(evaluation)};
}

std::string TrainingRun::evaluated_on(Part part) const {
  const TrainingFiles& files = settings_.files;
  const std::string count = fmt::format("{} {}", task_.size(part), task_.noun());
  if (!files.valid.empty()) return fmt::format("{} of {}", count, without_slash(files.valid).filename().string());
  const std::string file = without_slash(files.train).filename().string();
  return part == Part::valid ? fmt::format("{} held out of {}", count, file)
                             : fmt::format("the {} of {} that it learned from", count, file);
}

void TrainingRun::write_model(const Decision& decision) const {
  const std::string name = settings_.identity.name();
  save_model(settings_.out,
             {.trainer = settings_.program,
              .options = settings_.options.to_json(),
              .labels = task_.labels(),
              .run = name,
              .decision = decision.to_json()},
             [&](const std::string& folder) {
               task_.save(folder);
               save_weights(folder, model_, name);
             });
}

std::string TrainingRun::write_report(const Tested& tested) {
  for (int64_t i = 0; i < std::min(most_board_examples, task_.size(tested.part)); ++i) {
    board_->example(fmt::format("example/{}", i + 1), trainer_->steps(),
                    task_.explain(tested.part, i, tested.predictions.best(i)));
  }
  std::string path = fs::path(settings_.out) / "report.html";
  data::write_atomically(path, to_html(make_report({.title = fmt::format("{}: {}", settings_.program, settings_.out),
                                                    .task = task_,
                                                    .part = tested.part,
                                                    .evaluated_on = evaluated_on(tested.part),
                                                    .predictions = tested.predictions,
                                                    .history = trainer_->history(),
                                                    .options = settings_.options,
                                                    .folds = settings_.folds,
                                                    .costs = settings_.costs})));
  return path;
}

TrainingResult TrainingRun::result_of(Ending ending, const Tested& tested, double seconds) const {
  const Scores scores = scores_of(tested.evaluation);
  TrainingResult result{.ending = ending,
                        .accuracy = scores.accuracy,
                        .macro_f1 = scores.macro_f1,
                        .micro_f1 = scores.micro_f1,
                        .loss = scores.loss,
                        .roc_auc = scores.roc_auc,
                        .best_epoch = trainer_->best_epoch(),
                        .seconds = seconds};
  if (const auto& folds = settings_.folds; !folds.empty()) {
    result.accuracy = over_folds(folds, &FoldResult::accuracy).mean;
    result.macro_f1 = over_folds(folds, &FoldResult::macro_f1).mean;
    result.micro_f1 = over_folds(folds, &FoldResult::micro_f1).mean;
    result.loss = over_folds(folds, &FoldResult::loss).mean;
    result.roc_auc = over_folds(folds, &FoldResult::roc_auc).mean;
  }
  return result;
}

void TrainingRun::tell(const TrainingResult& result, const Tested& tested, const std::string& report) const {
  const Decision& decision = tested.predictions.decision;
  if (!is_over(result.ending)) {
    progress_.line(fmt::format("stopped behind step {}; the same command with --resume goes on", trainer_->steps()));
  }
  progress_.line(fmt::format("{}  on {}", headline(tested.evaluation, false), evaluated_on(tested.part)));
  if (decision.has_threshold()) {
    progress_.line(fmt::format("\"{}\" from a probability of {:.4f} on", task_.labels().name(1), decision.threshold()));
  }
  if (decision.is_by_label()) tell_thresholds(std::get<LabelEvaluation>(tested.evaluation));
  progress_.line(fmt::format("model in {}, report in {}, {:.1f} s", settings_.out, report, result.seconds));
  const size_t peak = backend(settings_.device).memory().peak;
  if (plan_) progress_.line(fmt::format("tensors took {} at most", bytes_text(peak)));
  if (settings_.run.json) fmt::print("{}\n", summary(result, tested, peak));
}

void TrainingRun::tell_thresholds(const LabelEvaluation& evaluation) const {
  const LabelThresholds& thresholds = evaluation.thresholds;
  const std::vector<double>& values = thresholds.values();
  if (thresholds.is_common()) {
    if (thresholds != LabelThresholds()) {
      progress_.line(fmt::format("labels from a probability of {:.4f} on", values[0]));
    }
    return;
  }
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const auto name = [&](auto each) { return task_.labels().names()[static_cast<size_t>(each - values.begin())]; };
  progress_.line(fmt::format(
      "labels from probabilities of their own on, \"{}\" from {:.4f} (the least), \"{}\" from {:.4f} (the most)",
      name(least), *least, name(most), *most));
  if (const std::string note = shared_threshold_note(evaluation, task_.labels()); !note.empty()) progress_.line(note);
}

std::string TrainingRun::summary(const TrainingResult& result, const Tested& tested, size_t peak) const {
  const CostMatrix& costs = settings_.costs;
  Json object = Json::parse(to_json(tested.evaluation, task_.labels(), costs));
  object.update({{"epochs", trainer_->history().size()},
                 {"best_epoch", result.best_epoch},
                 {"steps", trainer_->steps()},
                 {"ending", name(result.ending)},
                 {"seconds", result.seconds},
                 {"out", settings_.out}});
  if (plan_) {
    object["memory"] = {
        {"bytes", settings_.memory}, {"peak", peak}, {"parts", plan_->parts}, {"recompute", plan_->recompute}};
  }
  if (!settings_.folds.empty()) {
    object["cross_validation"] = Json::parse(summary_json(settings_.folds, costs.classes > 0));
  }
  return json_text(object);
}

}  // namespace fovea::train
