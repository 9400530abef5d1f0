#include "fovea/train/prediction.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/data/file_error.h"
#include "fovea/data/utf8.h"
#include "fovea/train/inference.h"
#include "fovea/train/json_text.h"
#include "fovea/train/task_evaluation.h"
#include "fovea/train/terminal.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t lines_at_once = 256;

void print_indented(std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    fmt::print("    {}\n", line);
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
  }
}

/// The classes that an example was called; where it was called none the one that it was nearest to.
std::vector<int32_t> explained(const Predictions& predictions, int64_t example) {
  const std::vector<int32_t> called = predictions.called(example);
  return called.empty() ? std::vector{predictions.best(example)} : called;
}

/// Of a label that has a threshold of its own.
std::string threshold_text(const Decision& decision, int32_t label) {
  const LabelThresholds& thresholds = decision.label_thresholds();
  return thresholds.is_common() ? "" : fmt::format(" (from {:.4f} on)", thresholds[static_cast<size_t>(label)]);
}

void print_prediction(TrainedModel& trained, const std::string& input, const Predictions& predictions, int64_t i,
                      const PredictionOptions& options) {
  if (options.json) {
    Json object{{trained.task->input_kind(), input}};
    object.update(Json::parse(prediction_json(trained, predictions, i, options.explain)));
    fmt::print("{}\n", json_text(object));
    return;
  }
  const data::Labels& labels = trained.task->labels();
  const std::vector<int32_t> called = predictions.called(i);
  std::string probabilities;
  for (const int32_t label : called) {
    probabilities +=
        fmt::format("{}{:.4f}", probabilities.empty() ? "" : ", ", predictions.of(i)[static_cast<size_t>(label)]);
  }
  fmt::print("{}\t{}\t{}\n", in_one_line(names_of(labels, called)), probabilities, in_one_line(input));
  if (!options.explain) return;
  for (const int32_t label : explained(predictions, i)) {
    const Explanation explanation = trained.task->explain(Part::test, i, label);
    const std::string name = trained.task->multi_label()
                                 ? in_one_line(labels.name(label)) + threshold_text(trained.decision, label) + ": "
                                 : "";
    print_indented(name + (is_terminal(stdout) ? explanation.coloured : explanation.text));
  }
}

/// Why a line cannot be predicted; none where it can.
std::optional<std::string> fault_of(ClassifierTask& task, const std::string& line) {
  if (data::find_invalid_utf8(line) != std::string::npos) return "not UTF-8";
  try {
    task.set_inputs({line});
  } catch (const DataError& error) {
    return error.what();
  }
  return std::nullopt;
}

/// Predicts lines of standard input, the `first` of it and the next ones. Where one cannot be read those before it are
/// predicted all the same; throws DataError that names it.
void predict_block(TrainedModel& trained, std::vector<std::string> lines, int64_t first,
                   const PredictionOptions& options) {
  if (lines.empty()) return;
  try {
    return predict_inputs(trained, lines, options);
  } catch (const DataError&) {
    // Which one it is shows when each is read alone.
    for (size_t i = 0; i < lines.size(); ++i) {
      const std::optional<std::string> fault = fault_of(*trained.task, lines[i]);
      if (!fault) continue;
      lines.resize(i);
      if (i > 0) predict_inputs(trained, lines, options);
      data::fail_at("standard input", first + static_cast<int64_t>(i), "{}", *fault);
    }
    throw;
  }
}

}  // namespace

Predictions predictions_of(TrainedModel& trained) {
  const auto data = trained.task->stream(Part::test, {.batch_size = 2 * trained.batch_size});
  Predictions predictions = predict(*trained.model, *data, trained.task->multi_label());
  predictions.decision = trained.decision;
  return predictions;
}

std::string prediction_json(TrainedModel& trained, const Predictions& predictions, int64_t example, bool explain) {
  const std::span<const float> probabilities = predictions.of(example);
  const data::Labels& labels = trained.task->labels();
  const auto explanation = [&](int32_t label) {
    return Json::parse(trained.task->explain(Part::test, example, label).json);
  };
  Json object = Json::object();
  const bool several = trained.task->multi_label();
  if (several) {
    Json& names = object["labels"] = Json::array();
    for (const int32_t label : predictions.called(example)) names.push_back(labels.name(label));
  } else {
    const int32_t best = predictions.best(example);
    object.update({{"label", labels.name(best)}, {"probability", probabilities[static_cast<size_t>(best)]}});
  }
  Json& all = object["probabilities"] = Json::object();
  for (int32_t c = 0; c < labels.size(); ++c) all[labels.name(c)] = probabilities[static_cast<size_t>(c)];
  if (explain && several) {
    Json& each = object["explanations"] = Json::object();
    for (const int32_t label : explained(predictions, example)) {
      Json& of_label = each[labels.name(label)] = explanation(label);
      of_label["threshold"] = predictions.decision.label_thresholds()[static_cast<size_t>(label)];
    }
  } else if (explain) {
    object.update(explanation(predictions.best(example)));
  }
  return json_text(object);
}

void predict_inputs(TrainedModel& trained, const std::vector<std::string>& inputs, const PredictionOptions& options) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (data::find_invalid_utf8(inputs[i]) != std::string::npos) {
      throw DataError(fmt::format("argument {} is not UTF-8", i + 1));
    }
  }
  const std::vector<std::string> names = trained.task->set_inputs(inputs);
  const Predictions predictions = predictions_of(trained);
  for (size_t i = 0; i < names.size(); ++i) {
    for (const float probability : predictions.of(static_cast<int64_t>(i))) {
      if (!std::isfinite(probability)) {
        throw DataError(fmt::format("{}: what the model makes of it is no number", data::in_quotes(names[i])));
      }
    }
    print_prediction(trained, names[i], predictions, static_cast<int64_t>(i), options);
  }
  std::fflush(stdout);
}

void predict_lines(TrainedModel& trained, const PredictionOptions& options) {
  const size_t at_once = isatty(STDIN_FILENO) ? 1 : lines_at_once;
  std::vector<std::string> lines;
  int64_t first = 1;
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (first == 1 && lines.empty() && line.starts_with("\ufeff")) line.erase(0, 3);  // a byte-order mark
    lines.push_back(std::move(line));
    if (lines.size() < at_once) continue;
    predict_block(trained, lines, first, options);
    first += static_cast<int64_t>(lines.size());
    lines.clear();
  }
  const int failed = std::ferror(stdin) ? errno : 0;
  predict_block(trained, lines, first, options);
  if (failed) data::fail_system("standard input", "cannot read", failed);
}

}  // namespace fovea::train
