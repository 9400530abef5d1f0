#include "fovea/train/training_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/train/deletion_test.h"

namespace fovea::train {
namespace {

constexpr size_t most_mistakes = 10, most_examples = 10;

ReportExample show(const TrainingReport& from, int64_t example) {
  const int32_t predicted = from.predictions.best(example);
  return {.truth = from.task.labels().name(from.task.truth(from.part, example)),
          .predicted = from.task.labels().name(predicted),
          .probability = from.predictions.of(example)[static_cast<size_t>(predicted)],
          .body = from.task.explain(from.part, example, predicted).html};
}

/// Where the model was most sure and wrong.
std::vector<int64_t> worst_mistakes(const TrainingReport& from) {
  std::vector<int64_t> wrong;
  for (int64_t i = 0; i < from.predictions.size(); ++i) {
    if (from.predictions.best(i) != from.task.truth(from.part, i)) wrong.push_back(i);
  }
  std::stable_sort(wrong.begin(), wrong.end(), [&](int64_t a, int64_t b) {
    const auto sure = [&](int64_t i) { return from.predictions.of(i)[static_cast<size_t>(from.predictions.best(i))]; };
    return sure(a) > sure(b);
  });
  wrong.resize(std::min(wrong.size(), most_mistakes));
  return wrong;
}

/// Right ones, the classes in turn.
std::vector<int64_t> right_examples(const TrainingReport& from) {
  std::vector<std::vector<int64_t>> by_class(static_cast<size_t>(from.task.labels().size()));
  for (int64_t i = 0; i < from.predictions.size(); ++i) {
    const int32_t truth = from.task.truth(from.part, i);
    if (from.predictions.best(i) == truth) by_class[static_cast<size_t>(truth)].push_back(i);
  }
  std::vector<int64_t> chosen;
  for (size_t turn = 0; chosen.size() < most_examples; ++turn) {
    const size_t before = chosen.size();
    for (const std::vector<int64_t>& members : by_class) {
      if (turn < members.size() && chosen.size() < most_examples) chosen.push_back(members[turn]);
    }
    if (chosen.size() == before) break;
  }
  return chosen;
}

/// How probabilities become classes, where it is not the most probable one; "" else.
std::string decision_note(const TrainingReport& from) {
  const Decision& decision = from.predictions.decision;
  const Evaluation evaluation = evaluation_of(from.task, from.part, from.predictions);
  std::string note;
  if (decision.has_threshold()) {
    note =
        fmt::format("Called \"{}\" from a probability of {:.4f} on.", from.task.labels().name(1), decision.threshold());
  } else if (decision.costs().classes > 0) {
    note = "Called what is expected to cost least.";
  }
  if (from.costs.classes > 0) note += fmt::format(" Mean cost {:.4f}.", from.costs.mean(evaluation.confusion));
  return note;
}

/// The table of a cross-validation: mean and spread, then a row for each fold.
std::vector<std::vector<std::string>> fold_rows(const TrainingReport& from) {
  if (from.folds.empty()) return {};
  using Metric = std::pair<const char*, double FoldResult::*>;
  std::vector<Metric> metrics{{"accuracy", &FoldResult::accuracy},
                              {"macro F1", &FoldResult::macro_f1},
                              {"ROC AUC", &FoldResult::roc_auc},
                              {"loss", &FoldResult::loss},
                              {"calibration error", &FoldResult::calibration_error}};
  if (from.costs.classes > 0) metrics.emplace_back("mean cost", &FoldResult::mean_cost);
  std::vector<std::vector<std::string>> rows{{"fold"}, {"mean"}, {"spread"}};
  for (const auto& [name, metric] : metrics) {
    const auto [mean, spread] = over_folds(from.folds, metric);
    rows[0].emplace_back(name);
    rows[1].push_back(fmt::format("{:.4f}", mean));
    rows[2].push_back(fmt::format("{:.4f}", spread));
  }
  for (const FoldResult& fold : from.folds) {
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(std::to_string(fold.fold));
    for (const auto& [name, metric] : metrics) row.push_back(fmt::format("{:.4f}", fold.*metric));
  }
  return rows;
}

}  // namespace

std::vector<int32_t> truths_of(const ClassifierTask& task, Part part) {
  std::vector<int32_t> truths;
  for (int64_t i = 0; i < task.size(part); ++i) truths.push_back(task.truth(part, i));
  return truths;
}

Evaluation evaluation_of(const ClassifierTask& task, Part part, const Predictions& predictions) {
  return evaluation_of(predictions, truths_of(task, part));
}

std::string to_json(const Evaluation& evaluation, const CostMatrix& costs) {
  const ConfusionMatrix& confusion = evaluation.confusion;
  const ProbabilityMetrics& metrics = evaluation.probabilities;
  nlohmann::ordered_json object{
      {"examples", confusion.examples()},        {"accuracy", confusion.accuracy()},
      {"macro_f1", confusion.macro_f1()},        {"loss", evaluation.loss},
      {"weighted_f1", confusion.weighted_f1()},  {"macro_precision", confusion.macro_precision()},
      {"macro_recall", confusion.macro_recall()}};
  if (confusion.classes() > 3) object["top3_accuracy"] = metrics.top3_accuracy;
  if (confusion.classes() > 5) object["top5_accuracy"] = metrics.top5_accuracy;
  if (!std::isnan(metrics.roc_auc)) object["roc_auc"] = metrics.roc_auc;
  object["calibration_error"] = metrics.calibration_error;
  object["brier"] = metrics.brier;
  if (costs.classes > 0) object["mean_cost"] = costs.mean(confusion);
  return object.dump();
}

Report make_report(const TrainingReport& from) {
  Report report{.title = from.title,
                .history = from.history,
                .classes = from.task.labels().names(),
                .evaluation = evaluation_of(from.task, from.part, from.predictions),
                .evaluated_on = from.evaluated_on,
                .colour_note = from.task.colour_note()};
  report.facts = {{"examples", std::to_string(from.task.size(Part::train))},
                  {"held out", std::to_string(from.task.size(Part::valid))},
                  {"classes", std::to_string(from.task.labels().size())}};
  if (const std::string note = from.task.reading_note(); !note.empty()) report.facts.emplace_back("as read", note);
  for (const OptionTable::Option& option : from.options.options()) {
    const std::string text = OptionTable::text(option);
    if (option.rules.configuration && !text.empty()) report.facts.emplace_back(option.name, text);
  }
  report.decision = decision_note(from);
  report.folds = fold_rows(from);
  report.deletion = test_deletion(from.task, from.part, from.predictions);
  for (const int64_t i : worst_mistakes(from)) report.mistakes.push_back(show(from, i));
  for (const int64_t i : right_examples(from)) report.examples.push_back(show(from, i));
  return report;
}

}  // namespace fovea::train
