#include "fovea/train/training_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "fovea/train/deletion_test.h"

namespace fovea::train {
namespace {

constexpr size_t most_mistakes = 10, most_examples = 10;

ReportExample show(const TrainingReport& from, int64_t example) {
  const data::Labels& labels = from.task.labels();
  const int32_t best = from.predictions.best(example);
  ReportExample shown{.truth = names_of(labels, from.task.truths(from.part, example)),
                      .predicted = names_of(labels, from.predictions.called(example)),
                      .body = from.task.explain(from.part, example, best).html};
  if (!from.task.multi_label()) shown.probability = from.predictions.of(example)[static_cast<size_t>(best)];
  return shown;
}

bool is_right(const TrainingReport& from, int64_t example) {
  return from.predictions.called(example) == from.task.truths(from.part, example);
}

/// How sure the model was where it was wrong: of what it said; of several labels how far the worst probability is off.
double sureness(const TrainingReport& from, int64_t example) {
  const std::span<const float> probabilities = from.predictions.of(example);
  if (!from.task.multi_label()) return probabilities[static_cast<size_t>(from.predictions.best(example))];
  std::vector<float> off(probabilities.begin(), probabilities.end());
  for (const int32_t label : from.task.truths(from.part, example)) {
    off[static_cast<size_t>(label)] = 1 - off[static_cast<size_t>(label)];
  }
  return *std::max_element(off.begin(), off.end());
}

/// Where the model was most sure and wrong.
std::vector<int64_t> worst_mistakes(const TrainingReport& from) {
  std::vector<int64_t> wrong;
  for (int64_t i = 0; i < from.predictions.size(); ++i) {
    if (!is_right(from, i)) wrong.push_back(i);
  }
  std::stable_sort(wrong.begin(), wrong.end(),
                   [&](int64_t a, int64_t b) { return sureness(from, a) > sureness(from, b); });
  wrong.resize(std::min(wrong.size(), most_mistakes));
  return wrong;
}

/// Right ones, the classes in turn, of several the most probable one; those without a class last.
std::vector<int64_t> right_examples(const TrainingReport& from) {
  const auto classes = static_cast<size_t>(from.task.labels().size());
  std::vector<std::vector<int64_t>> by_class(classes + 1);
  for (int64_t i = 0; i < from.predictions.size(); ++i) {
    if (!is_right(from, i)) continue;
    const bool none = from.predictions.called(i).empty();
    by_class[none ? classes : static_cast<size_t>(from.predictions.best(i))].push_back(i);
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
std::string decision_note(const TrainingReport& from, const AnyEvaluation& evaluation) {
  const Decision& decision = from.predictions.decision;
  std::string note;
  if (decision.has_threshold()) {
    note =
        fmt::format("Called \"{}\" from a probability of {:.4f} on.", from.task.labels().name(1), decision.threshold());
  } else if (decision.costs().classes > 0) {
    note = "Called what is expected to cost least.";
  } else if (decision.is_by_label()) {
    const LabelThresholds& thresholds = decision.label_thresholds();
    note = thresholds.is_common()
               ? fmt::format("Each label is called from a probability of {:.4f} on.", thresholds.values()[0])
               : "Each label is called from a probability of its own on, which stands by its class.";
    const std::string shared = shared_threshold_note(std::get<LabelEvaluation>(evaluation), from.task.labels());
    if (!shared.empty()) note += fmt::format(" {}.", shared);
  }
  if (from.costs.classes > 0) {
    note += fmt::format(" Mean cost {:.4f}.", from.costs.mean(std::get<Evaluation>(evaluation).confusion));
  }
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
  if (from.task.multi_label()) {
    metrics = {{"micro F1", &FoldResult::micro_f1},
               {"macro F1", &FoldResult::macro_f1},
               {"subset accuracy", &FoldResult::accuracy},
               {"loss", &FoldResult::loss}};
  }
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

Report make_report(const TrainingReport& from) {
  Report report{.title = from.title,
                .history = from.history,
                .classes = from.task.labels().names(),
                .evaluated_on = from.evaluated_on,
                .colour_note = from.task.colour_note()};
  if (from.task.multi_label())
    report.colour_note += " Of several labels it is the one furthest above its threshold that is explained.";
  const AnyEvaluation evaluation = evaluation_of(from.task, from.part, from.predictions);
  if (const auto* of_labels = std::get_if<LabelEvaluation>(&evaluation)) {
    report.label_evaluation = *of_labels;
  } else {
    report.evaluation = std::get<Evaluation>(evaluation);
  }
  report.facts = {{"examples", std::to_string(from.task.size(Part::train))},
                  {"held out", std::to_string(from.task.size(Part::valid))},
                  {"classes", std::to_string(from.task.labels().size())}};
  if (const std::string note = from.task.reading_note(); !note.empty()) report.facts.emplace_back("as read", note);
  for (const OptionTable::Option& option : from.options.options()) {
    const std::string text = OptionTable::text(option);
    if (option.rules.configuration && !text.empty()) report.facts.emplace_back(option.name, text);
  }
  report.decision = decision_note(from, evaluation);
  report.folds = fold_rows(from);
  report.deletion = test_deletion(from.task, from.part, from.predictions);
  for (const int64_t i : worst_mistakes(from)) report.mistakes.push_back(show(from, i));
  for (const int64_t i : right_examples(from)) report.examples.push_back(show(from, i));
  return report;
}

}  // namespace fovea::train
