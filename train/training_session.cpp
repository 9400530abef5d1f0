#include "fovea/train/training_session.h"

#include <fmt/format.h>

#include <filesystem>
#include <tuple>
#include <utility>

#include "fovea/backends/memory_limit.h"
#include "fovea/data/file_error.h"
#include "fovea/train/command_line.h"
#include "fovea/train/model_folder.h"

namespace fovea::train {

namespace fs = std::filesystem;

namespace {

int status_of(Ending ending) { return ending == Ending::interrupted ? ExitStatus::interrupted : ExitStatus::success; }

}  // namespace

TrainingSession::TrainingSession(std::string program, std::unique_ptr<ClassifierTask> task)
    : program_(std::move(program)), task_(std::move(task)) {}

void TrainingSession::declare(OptionTable& options) {
  task_->set_defaults(training_);
  options.group("Files");
  options.add("train", &files_.train, "examples to learn from: " + task_->source_help(),
              {.placeholder = "FILE", .configuration = false});
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
  task_->declare_training_data(options);
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
  const auto start = TrainingRun::Clock::now();
  ProcessGroup* group = ProcessGroup::current();
  std::optional<Checkpoint> checkpoint = take_up(options, group);
  const std::optional<ModelConfig> finished = training_.resume ? finished_run(out_, program_) : std::nullopt;
  if (finished) adopt_run(options, *finished, out_);
  settle(options);
  const int64_t folds = std::exchange(files_.folds, 0);
  const size_t memory = memory_for(folds, group);
  const Device device = run_.apply();
  load(options);
  check_count(folds);
  RunSettings settings{.program = program_,
                       .task = *task_,
                       .files = files_,
                       .options = options,
                       .training = training_,
                       .decision = decision_,
                       .run = run_,
                       .out = out_,
                       .device = device,
                       .memory = memory,
                       .group = group,
                       .costs = decision_.load(task_->labels(), task_->multi_label()),
                       .identity = {options, files_.train, files_.valid, task_->fingerprint()}};
  decision_.check_held_out(task_->size(Part::valid));
  if (checkpoint) check_same_run(*checkpoint, settings.identity, out_);
  const nn::Module& model = task_->build(device);  // what no model can be made of is refused before anything is written
  if (memory > 0) check_memory(model, memory);
  set_memory_limit(device.kind, memory);
  const bool first = settings.first();
  if (finished && is_complete(*finished, settings, folds)) {
    if (first) tell_complete(run_, out_);
    return ExitStatus::success;
  }
  std::optional<RunFolder> folder;
  if (first) folder.emplace(out_);
  // mpirun gives each rank a terminal of its own, whatever reads its output.
  Progress progress(first && group && !run_.quiet ? Progress::Style::lines
                                                  : Progress::style_for(stdout, run_.quiet || !first));
  if (folds > 0) {
    if (!training_.resume) forget_run(out_);
    result_.ending = cross_validate(folds, settings, progress);
    if (result_.ending != Ending::complete) return status_of(result_.ending);
  }
  TrainingRun run(settings, progress, std::move(checkpoint));
  if (first && folds == 0 && !training_.resume) forget_run(out_);  // now that nothing is left to be refused
  const Ending ending = run.fit();
  if (first) result_ = run.finish(ending, start);
  return status_of(ending);
}

/// What an earlier run left, where this one goes on with it; with --memory without the tensors, which wait for the plan.
std::optional<Checkpoint> TrainingSession::take_up(OptionTable& options, ProcessGroup* group) const {
  std::optional<Checkpoint> checkpoint;
  std::error_code ignored;
  if (training_.resume && fs::exists(checkpoint_path(out_), ignored)) {
    checkpoint = load_checkpoint(checkpoint_path(out_));
    adopt_run(options, *checkpoint, out_);
    if (!memory_.empty()) checkpoint = Checkpoint{{}, {}, {}, {}, checkpoint->state, checkpoint->run};
  }
  if (group) {
    group->set_patience(rank_timeout_);
    group->barrier();  // all have read the checkpoint before it is written anew
  }
  return checkpoint;
}

/// The bytes of --memory, 0 without. Throws UsageError where options do not go together.
size_t TrainingSession::memory_for(int64_t folds, const ProcessGroup* group) const {
  const size_t memory = memory_.empty() ? 0 : parse_bytes(memory_);
  if (folds > 0 && memory > 0) refuse("--folds does not go with --memory");
  if (folds > 0 && group) refuse("--folds trains in one process: start it without mpirun");
  if (group && training_.batch_size < group->size()) {
    refuse("--batch-size {} is less than the {} ranks", training_.batch_size, group->size());
  }
  return memory;
}

void TrainingSession::settle(const OptionTable& options) {
  if (files_.train.empty()) refuse("--train is missing (--help tells more)");
  if (files_.folds == 1) refuse("--folds: one fold leaves nothing to learn from");
  if (!files_.valid.empty() && files_.hold_out != TrainingFiles().hold_out) {
    refuse("--hold-out is of no use with --valid");
  }
  if (files_.folds > 0 && !files_.valid.empty()) refuse("--folds divides --train: it does not go with --valid");
  settle_labels(options);
  task_->settle(options, training_);
}

/// What goes with examples of one class each or of any number of them.
void TrainingSession::settle_labels(const OptionTable& options) {
  if (!task_->multi_label()) {
    if (training_.monitor == "micro_f1") {
      refuse("--monitor micro_f1 is of examples with several labels; of those with one it is the accuracy");
    }
    return;
  }
  const std::string several = "--multi-label";
  refuse_unused(false, "label-smoothing", training_.label_smoothing, TrainingOptions().label_smoothing, several);
  refuse_unused(false, "costs", decision_.costs, DecisionOptions().costs, several);
  for (const auto& [name, value, refused] :
       {std::tuple("balance", training_.balance, "sampling"), std::tuple("monitor", training_.monitor, "roc_auc")}) {
    if (value == refused) refuse("--{} {} does not go with {}", name, refused, several);
  }
  if (!options.given("monitor") && training_.monitor == TrainingOptions().monitor) training_.monitor = "micro_f1";
}

uint64_t TrainingSession::load(const OptionTable& options) {
  files_.seed = static_cast<uint64_t>(training_.seed);
  const int64_t folds = std::exchange(files_.folds, 0);
  task_->load_training(files_);
  files_.folds = folds;
  task_->settle_on_data(options, training_);
  return task_->fingerprint();
}

void TrainingSession::check_count(int64_t folds) const {
  const int64_t all = task_->size(Part::train) + task_->size(Part::valid);
  if (all < folds) data::fail(files_.train, "{} {} are too few for {} folds", all, task_->noun(), folds);
}

/// Whether nothing is left to do in a folder that holds a whole model. Throws UsageError where it is another run's.
bool TrainingSession::is_complete(const ModelConfig& finished, const RunSettings& settings, int64_t folds) const {
  check_same_run(finished, settings.identity, out_);
  if (folds == 0) return true;
  const int64_t done = cross_validation(folds, settings).folds_done();
  if (done == 0) refuse("--resume: the run in {} is complete, and not one of --folds {}", out_, folds);
  return done == folds;
}

CrossValidation TrainingSession::cross_validation(int64_t folds, const RunSettings& settings) const {
  CrossValidation validation{
      .task = *task_,
      .files = files_,
      .training = training_,
      .decision = decision_,
      .device = settings.device,
      .folder = out_,
      .run = fmt::format("{} {} {} {}", settings.identity.name(), folds, decision_.costs, decision_.threshold)};
  validation.files.folds = folds;
  return validation;
}

Ending TrainingSession::cross_validate(int64_t folds, RunSettings& settings, Progress& progress) {
  const CrossValidation validation = cross_validation(folds, settings);
  const Ending ending = validation.run_folds(settings.folds, progress);
  if (ending == Ending::complete) {
    progress.line(summary_line(settings.folds, settings.costs.classes > 0));
    task_->load_training(files_);
  } else {
    progress.line(fmt::format("stopped in fold {}; the same command with --resume goes on", settings.folds.size() + 1));
  }
  return ending;
}

}  // namespace fovea::train
