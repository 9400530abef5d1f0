#include "fovea/train/prediction.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "fovea/data/file_error.h"
#include "fovea/data/utf8.h"
#include "fovea/train/inference.h"
#include "fovea/train/terminal.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t lines_at_once = 256;

/// A line of its own stays one.
std::string without_breaks(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return text;
}

void print_indented(std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    fmt::print("    {}\n", line);
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
  }
}

void print_prediction(TrainedModel& trained, const std::string& input, const Predictions& predictions, int64_t i,
                      const PredictionOptions& options) {
  if (options.json) {
    Json object{{trained.task->input_kind(), input}};
    object.update(Json::parse(prediction_json(trained, predictions, i, options.explain)));
    fmt::print("{}\n", object.dump());
    return;
  }
  const int32_t best = predictions.best(i);
  fmt::print("{}\t{:.4f}\t{}\n", trained.task->labels().name(best), predictions.of(i)[static_cast<size_t>(best)],
             without_breaks(input));
  if (!options.explain) return;
  const Explanation explanation = trained.task->explain(Part::test, i, best);
  print_indented(is_terminal(stdout) ? explanation.coloured : explanation.text);
}

}  // namespace

Predictions predictions_of(TrainedModel& trained) {
  const auto data = trained.task->stream(Part::test, {.batch_size = 2 * trained.batch_size});
  Predictions predictions = predict(*trained.model, *data);
  predictions.decision = trained.decision;
  return predictions;
}

std::string prediction_json(TrainedModel& trained, const Predictions& predictions, int64_t example, bool explain) {
  const int32_t best = predictions.best(example);
  const std::span<const float> probabilities = predictions.of(example);
  const data::Labels& labels = trained.task->labels();
  Json object{{"label", labels.name(best)}, {"probability", probabilities[static_cast<size_t>(best)]}};
  Json& all = object["probabilities"] = Json::object();
  for (int32_t c = 0; c < labels.size(); ++c) all[labels.name(c)] = probabilities[static_cast<size_t>(c)];
  if (explain) object.update(Json::parse(trained.task->explain(Part::test, example, best).json));
  return object.dump();
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
    print_prediction(trained, names[i], predictions, static_cast<int64_t>(i), options);
  }
  std::fflush(stdout);
}

void predict_lines(TrainedModel& trained, const PredictionOptions& options) {
  const size_t at_once = isatty(STDIN_FILENO) ? 1 : lines_at_once;
  std::vector<std::string> lines;
  int64_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (data::find_invalid_utf8(line) != std::string::npos) data::fail_at("standard input", number, "not UTF-8");
    lines.push_back(std::move(line));
    if (lines.size() == at_once) {
      predict_inputs(trained, lines, options);
      lines.clear();
    }
  }
  if (!lines.empty()) predict_inputs(trained, lines, options);
}

}  // namespace fovea::train
