#include "training.h"

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/data/file_error.h"
#include "fovea/data/string_index.h"
#include "fovea/train/command_line.h"
#include "fovea/train/json_text.h"
#include "fovea/train/model_folder.h"
#include "fovea/train/report.h"
#include "fovea/train/run_identity.h"
#include "fovea/train/tensorboard.h"
#include "fovea/train/terminal.h"
#include "generation.h"

using namespace fovea;
namespace fs = std::filesystem;

namespace {

constexpr int64_t least_steps = 20;  // an epoch, however short the text is
constexpr int64_t shown_characters = 400;

}  // namespace

Training::Training() {
  training_.lr = 2e-3;
  training_.schedule = "cosine";
  training_.optimizer = "adamw";
  training_.warmup = 0.05;
  training_.weight_decay = 0.01;
  training_.dropout = 0.1;
  training_.monitor = "loss";
}

void Training::declare(train::OptionTable& options) {
  options.group("Files");
  options.add("train", &train_, "text to learn from, any UTF-8 file", {.placeholder = "FILE", .configuration = false});
  options.add("valid", &valid_, "text that tells the best epoch",
              {.placeholder = "FILE", .default_text = "the end of --train is held out", .configuration = false});
  options.add("hold-out", &hold_out_, "share of --train at its end that is held out", {.min = 0, .max = 0.9});
  options.add("out", &out_, "folder to write the model to",
              {.placeholder = "DIR", .required = true, .configuration = false});
  options.add("config", &config_, "options as a JSON object, or an earlier model's config.json; flags win",
              {.placeholder = "FILE", .configuration = false});
  model_.declare(options);
  training_.declare(options);
  run_.declare(options);
}

std::string Training::Corpus::tested() const {
  return fmt::format("{} characters {}", (checks() ? checked() : count()) - 1,
                     checks() ? "held out" : "that it learned from");
}

Training::Earlier Training::settle(train::OptionTable& options) const {
  Earlier earlier;
  std::error_code ignored;
  if (training_.resume && fs::exists(train::checkpoint_path(out_), ignored)) {
    earlier.checkpoint = train::load_checkpoint(train::checkpoint_path(out_));
    train::adopt_run(options, *earlier.checkpoint, out_);
  }
  if (training_.resume) earlier.finished = train::finished_run(out_, program_name);
  if (earlier.finished) train::adopt_run(options, *earlier.finished, out_);
  if (train_.empty()) train::refuse("--train is missing (--help tells more)");
  model_.check();
  if (!valid_.empty() && hold_out_ != Training().hold_out_) train::refuse("--hold-out is of no use with --valid");
  if (training_.monitor != "loss" && training_.monitor != "accuracy") {
    train::refuse("--monitor {} is not told of a language model; there are loss and accuracy", training_.monitor);
  }
  return earlier;
}

Training::Corpus Training::read() const {
  std::string learned = read_text(train_), held_out;
  uint64_t fingerprint = data::hash_bytes(learned);
  if (!valid_.empty()) {
    held_out = read_text(valid_);
    fingerprint ^= 31 * data::hash_bytes(held_out);
  } else if (hold_out_ > 0) {
    const auto [before, end] = hold_out_end(learned, hold_out_);
    held_out = end;
    learned.resize(before.size());
  }
  Characters characters(learned, model_.vocabulary);
  std::vector<int32_t> ids = characters.encode(learned), held_out_ids = characters.encode(held_out);
  if (ids.size() < 2) data::fail(train_, "{} characters to learn from; two are the least", ids.size());
  if (!valid_.empty() && held_out_ids.size() < 2) {
    data::fail(valid_, "{} characters; two are the least", held_out_ids.size());
  }
  return {std::move(characters), std::move(ids), std::move(held_out_ids), fingerprint};
}

Training::Outcome Training::fit(nn::CausalLM& model, const Corpus& corpus, Device device, train::Trainer& trainer,
                                train::Progress& progress, train::TensorBoard& board) const {
  const Windows::Options shape{
      .context = model_.context, .batch_size = training_.batch_size, .seed = static_cast<uint64_t>(training_.seed)};
  Windows::Options random = shape;
  random.random = true;
  random.least = least_steps;
  Windows train(model, corpus.learned, random, device);
  Windows valid(model, corpus.checks() ? corpus.held_out : corpus.learned, shape, device);
  const train::TrainerEvents events{.progress = [&](const train::ProgressState& state) { progress.update(state); },
                                    .epoch =
                                        [&](const train::EpochRecord& record) {
                                          progress.line(train::epoch_line(record, training_.epochs));
                                          data::write_atomically(fs::path(out_) / "metrics.jsonl",
                                                                 train::to_jsonl(trainer.history()));
                                          board.epoch(record, model);
                                        }};
  const train::Ending ending = trainer.fit(train, corpus.checks() ? &valid : nullptr, events);
  progress.clear();
  const train::Score score = train::score(model, valid);
  train::check_loss(score.loss, trainer.steps());
  return {ending, score};
}

void Training::write(const train::RunIdentity& run, nn::CausalLM& model, const Corpus& corpus,
                     const train::Trainer& trainer, const Outcome& outcome, train::TensorBoard& board) const {
  train::save_model(out_, {.trainer = program_name, .options = run.options.to_json(), .labels = {}, .run = run.name()},
                    [&](const std::string& folder) {
                      corpus.characters.vocabulary().save(vocabulary_path(folder));
                      train::save_weights(folder, model, run.name());
                    });
  const int64_t prompted = std::min<int64_t>(corpus.count(), 20);
  std::string sample;
  for (int64_t i = 0; i < prompted; ++i) sample += corpus.characters.text(corpus.learned[static_cast<size_t>(i)]);
  sample = continue_text(
      model, corpus.characters, sample,
      {.length = shown_characters, .sampling = {.temperature = 0.8}, .seed = static_cast<uint64_t>(training_.seed)});
  train::Report report{.title = fmt::format("{}: {}", program_name, out_), .history = trainer.history()};
  report.facts = {{"characters", std::to_string(corpus.count())},
                  {"held out", std::to_string(corpus.checked())},
                  {"loss", fmt::format("{:.4f} on {}", outcome.score.loss, corpus.tested())},
                  {"perplexity", fmt::format("{:.3f}", std::exp(outcome.score.loss))}};
  for (const train::OptionTable::Option& option : run.options.options()) {
    if (option.rules.configuration) report.facts.emplace_back(option.name, train::OptionTable::text(option));
  }
  report.texts = {{"What it writes", sample}};
  board.example("what it writes", trainer.steps(), {.html = {}, .text = sample, .coloured = {}, .json = {}});
  data::write_atomically(fs::path(out_) / "report.html", train::to_html(report));
}

void Training::tell(const Corpus& corpus, const train::Trainer& trainer, const Outcome& outcome, double seconds,
                    train::Progress& progress) const {
  const train::Score& score = outcome.score;
  progress.line(fmt::format("loss {:.4f}  perplexity {:.3f}  accuracy {:.4f}  on {}", score.loss, std::exp(score.loss),
                            score.accuracy, corpus.tested()));
  progress.line(
      fmt::format("model in {}, report in {}, {:.1f} s", out_, (fs::path(out_) / "report.html").string(), seconds));
  if (!run_.json) return;
  fmt::print("{}\n", train::json_text(nlohmann::ordered_json{{"characters", score.examples},
                                                             {"loss", score.loss},
                                                             {"accuracy", score.accuracy},
                                                             {"epochs", trainer.history().size()},
                                                             {"best_epoch", trainer.best_epoch()},
                                                             {"steps", trainer.steps()},
                                                             {"ending", train::name(outcome.ending)},
                                                             {"seconds", seconds},
                                                             {"out", out_}}));
}

int Training::run(train::OptionTable& options) {
  const auto start = std::chrono::steady_clock::now();
  Earlier earlier = settle(options);
  const Device device = run_.apply();
  const Corpus corpus = read();
  const train::RunIdentity identity{options, train_, valid_, corpus.fingerprint};
  if (earlier.checkpoint) train::check_same_run(*earlier.checkpoint, identity, out_);
  if (earlier.finished) {
    train::check_same_run(*earlier.finished, identity, out_);
    train::tell_complete(run_, out_);
    return train::ExitStatus::success;
  }

  manual_seed(static_cast<uint64_t>(training_.seed));
  const auto model = model_.make(corpus.characters.vocabulary().size(), training_.dropout);
  model->to(device);
  const auto optimizer = training_.make_optimizer(*model);
  train::TrainerOptions trainer_options = training_.trainer();
  trainer_options.checkpoint = train::checkpoint_path(out_);
  trainer_options.run = identity.describe();
  trainer_options.by_class = false;  // each character is one
  train::Trainer trainer(*model, *optimizer, trainer_options);
  if (earlier.checkpoint) trainer.resume(*earlier.checkpoint);
  earlier.checkpoint.reset();

  const train::RunFolder folder(out_);
  if (!training_.resume) train::forget_run(out_);
  train::Progress progress(train::Progress::style_for(stdout, run_.quiet));
  progress.line(fmt::format("{} characters to learn from, {} to check, {} different ones; {} weights; {}, {} thread{}",
                            corpus.count(), corpus.checked(), corpus.characters.vocabulary().size() - 2,
                            train::short_count(static_cast<double>(model->parameter_count())), train::describe(device),
                            num_threads(), num_threads() == 1 ? "" : "s"));
  if (trainer.steps() > 0) progress.line(fmt::format("going on behind step {}", trainer.steps()));
  train::TensorBoard board(out_, trainer.history().empty() ? 0 : trainer.steps(), options);
  const Outcome outcome = fit(*model, corpus, device, trainer, progress, board);
  write(identity, *model, corpus, trainer, outcome, board);

  if (outcome.ending == train::Ending::complete || outcome.ending == train::Ending::stopped_early) {
    std::error_code ignored;
    fs::remove(train::checkpoint_path(out_), ignored);
  } else {
    progress.line(fmt::format("stopped behind step {}; the same command with --resume goes on", trainer.steps()));
  }
  tell(corpus, trainer, outcome, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
       progress);
  return outcome.ending == train::Ending::interrupted ? train::ExitStatus::interrupted : train::ExitStatus::success;
}
