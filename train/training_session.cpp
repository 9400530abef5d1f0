#include "fovea/train/training_session.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "fovea/backends/memory_limit.h"
#include "fovea/data/file_error.h"
#include "fovea/data/files.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/command_line.h"
#include "fovea/train/model_folder.h"
#include "fovea/train/run_identity.h"
#include "fovea/train/tensorboard.h"
#include "fovea/train/terminal.h"
#include "fovea/train/training_report.h"

namespace fovea::train {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

constexpr int64_t most_board_examples = 3;

}  // namespace

TrainingSession::TrainingSession(std::string program, std::unique_ptr<ClassifierTask> task)
    : program_(std::move(program)), task_(std::move(task)) {}

void TrainingSession::declare(OptionTable& options) {
  task_->set_defaults(training_);
  options.group("Files");
  options.add("train", &files_.train, "examples to learn from", {.placeholder = "FILE", .configuration = false});
  options.add("valid", &files_.valid, "examples that tell the best epoch",
              {.placeholder = "FILE", .default_text = "a part of --train is held out", .configuration = false});
  options.add("hold-out", &files_.hold_out, "share of every class of --train that is held out", {.min = 0, .max = 0.9});
  options.add("folds", &files_.folds, "also cross-validate: so many models, each tested on a part that it has not seen",
              {.min = 0, .max = 1e6, .default_text = "none", .configuration = false});
  options.add("out", &out_, "folder to write the model to",
              {.placeholder = "DIR", .required = true, .configuration = false});
  options.add("config", &config_, "options as a JSON object, or an earlier model's config.json; flags win",
              {.placeholder = "FILE", .configuration = false});
  task_->declare_data(options);
  task_->declare_model(options);
  training_.declare(options);
  options.add("rank-timeout", &rank_timeout_,
              "under mpirun: seconds that ranks wait for each other before the run ends",
              {.min = 0.1, .max = 1e9, .configuration = false});
  options.group("Memory");
  options.add("memory", &memory_,
              "most that tensors may take, such as 512MiB: batches are cut and encoder layers computed twice as needed",
              {.placeholder = "SIZE", .default_text = "what there is", .configuration = false});
  decision_.declare(options);
  run_.declare(options);
}

int TrainingSession::run(OptionTable& options) {
  const auto start = std::chrono::steady_clock::now();
  ProcessGroup* group = ProcessGroup::current();
  const bool first = !group || group->first();  // alone writes and shows
  std::error_code ignored;
  std::optional<Checkpoint> checkpoint;
  if (training_.resume && fs::exists(checkpoint_path(out_), ignored)) {
    checkpoint = load_checkpoint(checkpoint_path(out_));
    adopt_run(options, *checkpoint, out_);
    if (!memory_.empty()) checkpoint = Checkpoint{{}, {}, {}, checkpoint->state, checkpoint->run};
  }
  if (group) {
    group->set_patience(rank_timeout_);
    group->barrier();  // all have read the checkpoint before it is written anew
  }
  settle(options);
  const int64_t folds = std::exchange(files_.folds, 0);
  const size_t memory = memory_.empty() ? 0 : parse_bytes(memory_);
  if (folds > 0 && memory > 0) refuse("--folds does not go with --memory");
  if (folds > 0 && group) refuse("--folds trains in one process: start it without mpirun");
  if (group && training_.batch_size < group->size()) {
    refuse("--batch-size {} is less than the {} ranks", training_.batch_size, group->size());
  }
  const Device device = run_.apply();
  set_memory_limit(device.kind, memory);
  load(options);
  if (const int64_t all = task_->size(Part::train) + task_->size(Part::valid); all < folds) {
    data::fail(files_.train, "{} {} are too few for {} folds", all, task_->noun(), folds);
  }
  const CostMatrix costs = decision_.load(task_->labels());
  const RunIdentity identity{options, files_.train, files_.valid, task_->fingerprint()};
  const std::string name = identity.name();
  if (checkpoint) check_same_run(*checkpoint, identity.describe(), out_);

  task_->build(device);  // what no model can be made of is refused before anything is written
  if (first) prepare_folder(out_, training_.resume);
  if (first && !training_.resume) fs::remove(fs::path(out_) / "folds.jsonl", ignored);
  // mpirun gives each rank a terminal of its own, whatever reads its output.
  Progress progress(first && group && !run_.quiet ? Progress::Style::lines
                                                  : Progress::style_for(stdout, run_.quiet || !first));
  std::vector<FoldResult> results;
  if (folds > 0) {
    const Ending ending = cross_validate(folds, name, device, results, progress);
    if (ending != Ending::complete) {
      result_.ending = ending;
      progress.line(fmt::format("stopped in fold {}; the same command with --resume goes on", results.size() + 1));
      return ending == Ending::interrupted ? ExitStatus::interrupted : ExitStatus::success;
    }
    progress.line(summary_line(results, costs.classes > 0));
    task_->load_training(files_);
  }

  manual_seed(static_cast<uint64_t>(training_.seed));
  nn::Module& model = task_->build(device);
  const auto optimizer = training_.make_optimizer(model);
  TrainerOptions trainer_options = training_.trainer();
  if (first) trainer_options.checkpoint = checkpoint_path(out_);
  trainer_options.group = group;
  trainer_options.run = identity.describe();
  trainer_options.class_weights = training_.class_weights(task_->class_counts(Part::train), device);
  if (memory > 0) {
    const bool resumes = checkpoint.has_value();
    checkpoint.reset();  // the plan is that of the run's beginning
    keep_within_memory(model, trainer_options, device, group, progress);
    if (plan_) trainer_options.parts = plan_->parts;
    if (resumes) checkpoint = load_checkpoint(checkpoint_path(out_));
  }
  Trainer trainer(model, *optimizer, trainer_options);
  if (checkpoint) trainer.resume(*checkpoint);
  checkpoint.reset();

  const int64_t held_out = task_->size(Part::valid);
  progress.line(fmt::format("{} {} of {} classes to learn from, {} to check; {} weights; {}, {} thread{}{}",
                            task_->size(Part::train), task_->noun(), task_->labels().size(), held_out,
                            short_count(static_cast<double>(model.parameter_count())), describe(device), num_threads(),
                            num_threads() == 1 ? "" : "s",
                            group ? fmt::format(" in each of {} ranks", group->size()) : ""));
  if (trainer.steps() > 0) progress.line(fmt::format("going on behind step {}", trainer.steps()));

  const auto train = task_->stream(Part::train, training_stream(group));
  StreamOptions checked = inference_stream();
  if (group) std::tie(checked.rank, checked.ranks) = std::pair(group->rank(), group->size());
  const auto valid = task_->stream(Part::valid, checked);
  if (!first) {
    const Ending ending = trainer.fit(*train, held_out > 0 ? valid.get() : nullptr);
    return ending == Ending::interrupted ? ExitStatus::interrupted : ExitStatus::success;
  }
  TensorBoard board(out_, trainer.steps(), options);
  const TrainerEvents events{.progress = [&](const ProgressState& state) { progress.update(state); },
                             .epoch =
                                 [&](const EpochRecord& record) {
                                   progress.line(epoch_line(record, training_.epochs));
                                   data::write_atomically(fs::path(out_) / "metrics.jsonl",
                                                          to_jsonl(trainer.history()));
                                   board.epoch(record, model);
                                 }};
  const Ending ending = trainer.fit(*train, held_out > 0 ? valid.get() : nullptr, events);
  progress.clear();

  const Part part = evaluated_part();
  const auto evaluated = task_->stream(part, inference_stream());
  Predictions predictions = predict(model, *evaluated);
  predictions.decision = part == Part::valid ? decision_.decide(costs, predictions, truths_of(*task_, part))
                                             : decision_.decide(costs, {}, {});
  const Evaluation evaluation = evaluation_of(*task_, part, predictions);
  write_model(model, options, name, predictions.decision);
  for (int64_t i = 0; i < std::min(most_board_examples, task_->size(part)); ++i) {
    board.example(fmt::format("example/{}", i + 1), trainer.steps(), task_->explain(part, i, predictions.best(i)));
  }
  const std::string report = fs::path(out_) / "report.html";
  data::write_atomically(report, to_html(make_report({.title = fmt::format("{}: {}", program_, out_),
                                                      .task = *task_,
                                                      .part = part,
                                                      .evaluated_on = evaluated_on(),
                                                      .predictions = predictions,
                                                      .history = trainer.history(),
                                                      .options = options,
                                                      .folds = results,
                                                      .costs = costs})));
  const bool over = ending == Ending::complete || ending == Ending::stopped_early;
  if (over) fs::remove(checkpoint_path(out_), ignored);

  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result_ = {.ending = ending,
             .accuracy = evaluation.confusion.accuracy(),
             .macro_f1 = evaluation.confusion.macro_f1(),
             .loss = evaluation.loss,
             .roc_auc = evaluation.probabilities.roc_auc,
             .best_epoch = trainer.best_epoch(),
             .seconds = seconds};
  if (!results.empty()) {
    result_.accuracy = over_folds(results, &FoldResult::accuracy).mean;
    result_.macro_f1 = over_folds(results, &FoldResult::macro_f1).mean;
    result_.loss = over_folds(results, &FoldResult::loss).mean;
    result_.roc_auc = over_folds(results, &FoldResult::roc_auc).mean;
  }
  if (!over) {
    progress.line(fmt::format("stopped behind step {}; the same command with --resume goes on", trainer.steps()));
  }
  progress.line(fmt::format("accuracy {:.4f}  macro F1 {:.4f}  loss {:.4f}  on {}", evaluation.confusion.accuracy(),
                            evaluation.confusion.macro_f1(), evaluation.loss, evaluated_on()));
  if (predictions.decision.has_threshold()) {
    progress.line(fmt::format("\"{}\" from a probability of {:.4f} on", task_->labels().name(1),
                              predictions.decision.threshold()));
  }
  progress.line(fmt::format("model in {}, report in {}, {:.1f} s", out_, report, seconds));
  const size_t peak = backend(device).memory().peak;
  if (memory > 0) progress.line(fmt::format("tensors took {} at most", bytes_text(peak)));
  if (run_.json) {
    Json summary = Json::parse(to_json(evaluation, costs));
    summary.update({{"epochs", trainer.history().size()},
                    {"best_epoch", trainer.best_epoch()},
                    {"steps", trainer.steps()},
                    {"ending", train::name(ending)},
                    {"seconds", seconds},
                    {"out", out_}});
    if (plan_) {
      summary["memory"] = {{"bytes", memory}, {"peak", peak}, {"parts", plan_->parts}, {"recompute", plan_->recompute}};
    }
    if (!results.empty()) summary["cross_validation"] = Json::parse(summary_json(results, costs.classes > 0));
    fmt::print("{}\n", summary.dump());
  }
  return ending == Ending::interrupted ? ExitStatus::interrupted : ExitStatus::success;
}

void TrainingSession::settle(const OptionTable& options) {
  if (files_.train.empty()) refuse("--train is missing (--help tells more)");
  if (files_.folds == 1) refuse("--folds: one fold leaves nothing to learn from");
  if (files_.folds > 0 && !files_.valid.empty()) refuse("--folds divides --train: it does not go with --valid");
  task_->settle(options, training_);
}

uint64_t TrainingSession::load(const OptionTable& options) {
  files_.seed = static_cast<uint64_t>(training_.seed);
  const int64_t folds = std::exchange(files_.folds, 0);
  task_->load_training(files_);
  files_.folds = folds;
  task_->settle_on_data(options, training_);
  return task_->fingerprint();
}

void TrainingSession::keep_within_memory(nn::Module& model, const TrainerOptions& trainer, Device device,
                                         ProcessGroup* group, Progress& progress) {
  const size_t budget = parse_bytes(memory_);
  plan_ = plan_memory({.task = *task_,
                       .model = model,
                       .training = training_,
                       .trainer = trainer,
                       .device = device,
                       .ranks = group ? group->size() : 1},
                      budget);
  if (group) group->broadcast(std::as_writable_bytes(std::span(&*plan_, 1)));
  progress.line(plan_->describe(budget, training_));
}

StreamOptions TrainingSession::training_stream(const ProcessGroup* group) const {
  StreamOptions stream = training_.training_stream();
  if (plan_) stream.parts = plan_->parts;
  if (group) std::tie(stream.rank, stream.ranks) = std::pair(group->rank(), group->size());
  return stream;
}

StreamOptions TrainingSession::inference_stream() const {
  StreamOptions stream = training_.inference_stream();
  if (plan_) stream.batch_size = plan_->inference_size;
  return stream;
}

void TrainingSession::write_model(const nn::Module& model, const OptionTable& options, const std::string& run,
                                  const Decision& decision) const {
  task_->save(out_);
  save_weights(out_, model, run);
  save_config(out_, {.trainer = program_,
                     .options = options.to_json(),
                     .labels = task_->labels(),
                     .run = run,
                     .decision = decision.to_json()});
}

std::string TrainingSession::evaluated_on() const {
  const std::string count = fmt::format("{} {}", task_->size(evaluated_part()), task_->noun());
  if (!files_.valid.empty()) return fmt::format("{} of {}", count, fs::path(files_.valid).filename().string());
  const std::string file = fs::path(files_.train).filename().string();
  return evaluated_part() == Part::valid ? fmt::format("{} held out of {}", count, file)
                                         : fmt::format("the {} of {} that it learned from", count, file);
}

Ending TrainingSession::cross_validate(int64_t folds, const std::string& run, Device device,
                                       std::vector<FoldResult>& results, Progress& progress) {
  TrainingFiles files = files_;
  files.folds = folds;
  const CrossValidation validation{.task = *task_,
                                   .files = files,
                                   .training = training_,
                                   .decision = decision_,
                                   .device = device,
                                   .folder = out_,
                                   .run = fmt::format("{} {} {} {}", run, folds, decision_.costs, decision_.threshold)};
  return validation.run_folds(results, progress);
}

}  // namespace fovea::train
