#include "fovea/train/cross_validation.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "fovea/data/files.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/json_text.h"
#include "fovea/train/task_evaluation.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

struct Metric {
  const char* key;
  const char* name;
  double FoldResult::*value;
};

constexpr std::array metrics{Metric{"accuracy", "accuracy", &FoldResult::accuracy},
                             Metric{"macro_f1", "macro F1", &FoldResult::macro_f1},
                             Metric{"micro_f1", "micro F1", &FoldResult::micro_f1},
                             Metric{"loss", "loss", &FoldResult::loss},
                             Metric{"roc_auc", "ROC AUC", &FoldResult::roc_auc},
                             Metric{"calibration_error", "calibration error", &FoldResult::calibration_error},
                             Metric{"brier", "Brier score", &FoldResult::brier},
                             Metric{"mean_cost", "cost", &FoldResult::mean_cost}};

/// The results that an earlier process of the same run left.
std::vector<FoldResult> read_results(const std::string& path, const std::string& run) {
  std::vector<FoldResult> results;
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line != json_text(Json{{"run", run}})) return {};
  while (std::getline(file, line)) results.push_back(fold_result_from_json(line));
  return results;
}

void write_results(const std::string& path, const std::string& run, const std::vector<FoldResult>& results) {
  std::string text = json_text(Json{{"run", run}}) + '\n';
  for (const FoldResult& result : results) text += to_json(result) + '\n';
  data::write_atomically(path, text);
}

}  // namespace

std::string to_json(const FoldResult& result) {
  Json object{{"fold", result.fold}, {"examples", result.examples}, {"best_epoch", result.best_epoch}};
  for (const Metric& metric : metrics) {
    if (!std::isnan(result.*metric.value)) object[metric.key] = result.*metric.value;
  }
  return object.dump();
}

FoldResult fold_result_from_json(std::string_view text) {
  try {
    const Json object = Json::parse(text);
    FoldResult result{.fold = object.at("fold").get<int64_t>(),
                      .examples = object.at("examples").get<int64_t>(),
                      .best_epoch = object.at("best_epoch").get<int64_t>()};
    for (const Metric& metric : metrics) {
      result.*metric.value = object.value(metric.key, std::numeric_limits<double>::quiet_NaN());
    }
    return result;
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("not a fold's result: {}", error.what()));
  }
}

MeanAndSpread over_folds(const std::vector<FoldResult>& results, double FoldResult::*metric) {
  double sum = 0, squares = 0, count = 0;
  for (const FoldResult& result : results) {
    if (std::isnan(result.*metric)) continue;
    sum += result.*metric;
    ++count;
  }
  const double mean = count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
  for (const FoldResult& result : results) {
    if (!std::isnan(result.*metric)) squares += (result.*metric - mean) * (result.*metric - mean);
  }
  return {mean, count > 1 ? std::sqrt(squares / (count - 1)) : 0};
}

std::string summary_json(const std::vector<FoldResult>& results, bool costs) {
  Json object{{"folds", results.size()}};
  for (const Metric& metric : metrics) {
    const auto [mean, spread] = over_folds(results, metric.value);
    if (std::isnan(mean) || (metric.value == &FoldResult::mean_cost && !costs)) continue;
    object[metric.key] = mean;
    object[std::string(metric.key) + "_spread"] = spread;
  }
  return object.dump();
}

std::string summary_line(const std::vector<FoldResult>& results, bool costs) {
  std::string out = fmt::format("{} folds:", results.size());
  for (const Metric& metric : metrics) {
    const auto [mean, spread] = over_folds(results, metric.value);
    if (std::isnan(mean) || (metric.value == &FoldResult::mean_cost && !costs)) continue;
    out += fmt::format("  {} {:.4f} +- {:.4f}", metric.name, mean, spread);
  }
  return out;
}

std::string CrossValidation::path() const { return std::filesystem::path(folder) / "folds.jsonl"; }

int64_t CrossValidation::folds_done() const { return static_cast<int64_t>(read_results(path(), run).size()); }

Ending CrossValidation::run_folds(std::vector<FoldResult>& results, Progress& progress) const {
  if (training.resume) results = read_results(path(), run);
  TrainingFiles part = files;
  for (part.fold = static_cast<int64_t>(results.size()); part.fold < files.folds; ++part.fold) {
    task.load_training(part);
    const CostMatrix costs = decision.load(task.labels(), task.multi_label());
    manual_seed(part.seed);
    nn::Module& model = task.build(device);
    const auto optimizer = training.make_optimizer(model);
    Trainer trainer(model, *optimizer, trainer_options(task, training, device));
    const auto train = task.stream(Part::train, training.training_stream());
    const auto valid = task.stream(Part::valid, training.inference_stream());
    const auto test = task.stream(Part::test, training.inference_stream());
    const bool held_out = task.size(Part::valid) > 0;
    const Ending ending = trainer.fit(*train, held_out ? valid.get() : nullptr,
                                      {.progress = [&](const ProgressState& state) { progress.update(state); }});
    if (ending == Ending::interrupted || ending == Ending::out_of_time) return ending;

    Predictions predictions = predict(model, *test, task.multi_label());
    check_loss(loss_of(task, Part::test, predictions), trainer.steps());
    predictions.decision =
        decide(decision, costs, task, held_out ? predict(model, *valid, task.multi_label()) : Predictions());
    const AnyEvaluation evaluation = evaluation_of(task, Part::test, predictions);
    const Scores scores = scores_of(evaluation);
    const double mean_cost = costs.classes > 0 ? costs.mean(std::get<Evaluation>(evaluation).confusion) : 0;
    const FoldResult& result = results.emplace_back(FoldResult{.fold = part.fold + 1,
                                                               .examples = scores.examples,
                                                               .accuracy = scores.accuracy,
                                                               .macro_f1 = scores.macro_f1,
                                                               .micro_f1 = scores.micro_f1,
                                                               .loss = scores.loss,
                                                               .roc_auc = scores.roc_auc,
                                                               .calibration_error = scores.calibration_error,
                                                               .brier = scores.brier,
                                                               .mean_cost = mean_cost,
                                                               .best_epoch = trainer.best_epoch()});
    write_results(path(), run, results);
    const auto shown = [](const char* name, double value) {
      return std::isnan(value) ? "" : fmt::format("  {} {:.4f}", name, value);
    };
    progress.line(fmt::format("fold {}/{}  accuracy {:.4f}  macro F1 {:.4f}{}{}  loss {:.4f}  on {} {}, best epoch {}",
                              result.fold, files.folds, result.accuracy, result.macro_f1,
                              shown("micro F1", result.micro_f1), shown("ROC AUC", result.roc_auc), result.loss,
                              result.examples, task.noun(), result.best_epoch));
  }
  return Ending::complete;
}

}  // namespace fovea::train
