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
constexpr double least_shown = 0.005;

/// A line of its own stays one.
std::string in_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return text;
}

void print_prediction(TrainedModel& trained, const std::string& input, const Predictions& predictions, int64_t i,
                      const PredictionOptions& options) {
  const int32_t best = predictions.best(i);
  const std::span<const float> probabilities = predictions.of(i);
  const data::Labels& labels = trained.task->labels();
  const float probability = probabilities[static_cast<size_t>(best)];
  const std::vector<Piece> pieces = options.explain ? trained.task->explain(Part::test, i, best) : std::vector<Piece>();
  if (!options.json) {
    fmt::print("{}\t{:.4f}\t{}\n", labels.name(best), probability, in_one_line(input));
    if (options.explain) fmt::print("    {}\n", in_one_line(pieces_text(pieces, is_terminal(stdout))));
    return;
  }
  Json object{{"text", input}, {"label", labels.name(best)}, {"probability", probability}};
  Json& all = object["probabilities"] = Json::object();
  for (int32_t c = 0; c < labels.size(); ++c) all[labels.name(c)] = probabilities[static_cast<size_t>(c)];
  if (options.explain) {
    Json& tokens = object["tokens"] = Json::array();
    for (const Piece& piece : pieces) {
      if (piece.weight) tokens.push_back({{"token", piece.text}, {"weight", *piece.weight}});
    }
  }
  fmt::print("{}\n", object.dump());
}

}  // namespace

std::string pieces_text(std::span<const Piece> pieces, bool colour) {
  double greatest = 0;
  for (const Piece& piece : pieces) greatest = std::max(greatest, piece.weight.value_or(0));
  std::string out;
  for (const Piece& piece : pieces) {
    const double weight = piece.weight.value_or(0);
    if (weight < least_shown || greatest <= 0) {
      out += piece.text;
    } else if (colour) {
      // From white to orange with black on it: readable on dark and light terminals alike.
      const double share = weight / greatest;
      const auto mix = [&](int full) { return static_cast<int>(255 + (full - 255) * share); };
      out += fmt::format("\x1b[38;2;0;0;0;48;2;{};{};{}m{}\x1b[0m", mix(255), mix(140), mix(20), piece.text);
    } else {
      out += fmt::format("{}[{:.2f}]", piece.text, weight);
    }
  }
  return out;
}

void predict_inputs(TrainedModel& trained, const std::vector<std::string>& inputs, const PredictionOptions& options) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (data::find_invalid_utf8(inputs[i]) != std::string::npos) {
      throw DataError(fmt::format("argument {} is not UTF-8", i + 1));
    }
  }
  trained.task->set_inputs(inputs);
  const auto data = trained.task->stream(Part::test, {.batch_size = 2 * trained.batch_size});
  Predictions predictions = predict(*trained.model, *data);
  predictions.decision = trained.decision;
  for (size_t i = 0; i < inputs.size(); ++i) {
    print_prediction(trained, inputs[i], predictions, static_cast<int64_t>(i), options);
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
