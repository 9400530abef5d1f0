#include "fovea/train/training_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fovea::train {
namespace {

constexpr size_t most_mistakes = 10, most_examples = 10;

ReportExample show(const TrainingReport& from, int64_t example) {
  const int32_t predicted = from.predictions.best(example);
  return {.truth = from.task.labels().name(from.task.truth(from.part, example)),
          .predicted = from.task.labels().name(predicted),
          .probability = from.predictions.of(example)[static_cast<size_t>(predicted)],
          .body = pieces_html(from.task.explain(from.part, example, predicted))};
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

}  // namespace

Evaluation evaluation_of(const ClassifierTask& task, Part part, const Predictions& predictions) {
  Evaluation evaluation{ConfusionMatrix(task.labels().size()), 0};
  for (int64_t i = 0; i < predictions.size(); ++i) {
    const int32_t truth = task.truth(part, i);
    evaluation.confusion.add(truth, predictions.best(i));
    // What a float cannot tell from 0 counts as the least that it can.
    const double probability = predictions.of(i)[static_cast<size_t>(truth)];
    evaluation.loss -= std::log(std::max(probability, 1e-38));
  }
  if (predictions.size() > 0) evaluation.loss /= static_cast<double>(predictions.size());
  return evaluation;
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
  for (const OptionTable::Option& option : from.options.options()) {
    const std::string text = OptionTable::text(option);
    if (option.rules.configuration && !text.empty()) report.facts.emplace_back(option.name, text);
  }
  for (const int64_t i : worst_mistakes(from)) report.mistakes.push_back(show(from, i));
  for (const int64_t i : right_examples(from)) report.examples.push_back(show(from, i));
  return report;
}

}  // namespace fovea::train
