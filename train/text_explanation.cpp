// What a text classifier looked at: the attention to each token, else what is lost without it.
#include <algorithm>

#include "fovea/train/inference.h"
#include "fovea/train/text_task.h"

namespace fovea::train {

TextTask::Weights TextTask::attention(const ReadText& text) const {
  if (layout() == TextLayout::bags) return {};
  const nn::Evaluating evaluating(*model_);
  data::EncodedTexts one;
  one.ids.add(text.ids);
  if (splitter_) one.sentences.add(text.sentences);
  const std::array<int64_t, 1> first{0};
  const TextOutput output = forward(*model_, batch(one, {}, first));
  if (!output.weights.defined()) return {};

  Weights weights{output.weights.to_vector<double>(), {}};
  if (splitter_) {
    const std::vector<double> words = std::move(weights.tokens);
    weights = {{}, output.sentence_weights.to_vector<double>()};
    const size_t longest = words.size() / weights.sentences.size();
    for (size_t i = 0; i < text.sentences.size(); ++i) {
      for (size_t k = 0; k < static_cast<size_t>(text.sentences[i]); ++k) {
        weights.tokens.push_back(words[i * longest + k] * weights.sentences[i]);
      }
    }
  }
  weights.tokens.resize(text.count);  // an empty text has a weight for the token that stands in for it
  return weights;
}

Predictions TextTask::without(const ReadText& text, const std::vector<std::vector<size_t>>& removed) const {
  const nn::Evaluating evaluating(*model_);
  data::EncodedTexts variants;
  for (const std::vector<size_t>& each : removed) {
    std::vector<bool> gone(text.count + 2);  // the stand-in of an empty text counts as a pair
    for (const size_t token : each) gone[token] = true;
    std::vector<int32_t> rest;
    for (size_t k = 0; k < text.ids.size(); ++k) {
      // Behind the ids of the tokens stand those of the pairs: the i-th is of tokens i and i + 1.
      const bool pair = k >= text.count;
      const size_t first = pair ? k - text.count : k;
      if (!gone[first] && !(pair && gone[first + 1])) rest.push_back(text.ids[k]);
    }
    std::vector<int32_t> sentences;
    auto token = gone.begin();
    for (const int32_t length : text.sentences) {
      const auto left = static_cast<int32_t>(std::count(token, token + length, false));
      if (left > 0) sentences.push_back(left);
      token += length;
    }
    if (rest.empty()) {
      rest.push_back(data::Vocabulary::unknown);
      sentences = {1};
    }
    variants.ids.add(rest);
    if (splitter_) variants.sentences.add(sentences);
  }
  Predictions predictions{.classes = labels().size()};
  constexpr int64_t at_once = 64;
  const int64_t count = variants.ids.size();
  for (int64_t begin = 0; begin < count; begin += at_once) {
    std::vector<int64_t> chosen;
    for (int64_t i = begin; i < std::min(begin + at_once, count); ++i) chosen.push_back(i);
    const auto rows =
        probabilities_of(forward(*model_, batch(variants, {}, chosen)).logits, multi_label()).to_vector<float>();
    predictions.probabilities.insert(predictions.probabilities.end(), rows.begin(), rows.end());
  }
  return predictions;
}

std::vector<double> TextTask::left_out(const ReadText& text, int32_t predicted) const {
  std::vector<std::vector<size_t>> removed{{}};
  for (size_t i = 0; i < text.count; ++i) removed.push_back({i});
  const Predictions predictions = without(text, removed);
  const auto probability = [&](size_t variant) -> double {
    return predictions.of(static_cast<int64_t>(variant))[static_cast<size_t>(predicted)];
  };
  std::vector<double> lost;
  double sum = 0;
  for (size_t i = 0; i < text.count; ++i) {
    lost.push_back(std::max(0.0, probability(0) - probability(i + 1)));
    sum += lost.back();
  }
  for (double& each : lost) each = sum > 0 ? each / sum : 0;
  return lost;
}

TextTask::Weights TextTask::weights_of(const ReadText& text, int32_t predicted) const {
  Weights weights = attention(text);
  if (weights.tokens.empty()) weights.tokens = left_out(text, predicted);
  return weights;
}

std::vector<double> TextTask::unit_weights(Part part, int64_t example, int32_t predicted) {
  return weights_of(read_text(part, example), predicted).tokens;
}

Predictions TextTask::without_units(Part part, int64_t example, const std::vector<std::vector<size_t>>& removed) {
  return without(read_text(part, example), removed);
}

Explanation TextTask::explain(Part part, int64_t example, int32_t predicted) {
  const std::string& text = at(part).texts[static_cast<size_t>(example)];
  const ReadText read = read_text(part, example);
  const Weights weights = weights_of(read, predicted);

  std::vector<Piece> pieces;
  std::vector<size_t> begins;  // the piece that each token is
  size_t end = 0;
  for (size_t i = 0; i < read.count; ++i) {
    const data::TextSpan span = read.tokens.span(i);
    if (span.begin > end) pieces.push_back({text.substr(end, span.begin - end)});
    begins.push_back(pieces.size());
    pieces.push_back({std::string(span.in(text)), weights.tokens[i]});
    end = span.end;
  }
  if (end < text.size()) pieces.push_back({unread_text(text, end)});
  if (weights.sentences.empty() || read.count == 0) return explain_pieces(pieces);

  std::vector<PieceGroup> groups;
  size_t token = 0, piece = 0;
  for (size_t i = 0; i < read.sentences.size(); ++i) {
    token += static_cast<size_t>(read.sentences[i]);
    const size_t next = token < read.count ? begins[token] : pieces.size();
    groups.push_back({std::span(pieces).subspan(piece, next - piece), weights.sentences[i]});
    piece = next;
  }
  return explain_groups(groups);
}

std::string TextTask::colour_note() const {
  const ReadText unknown{.tokens = {}, .count = 1, .ids = {data::Vocabulary::unknown}, .sentences = {1}};
  if (attention(unknown).tokens.empty())
    return "The stronger the colour, the more the prediction loses without the token.";
  return layout() == TextLayout::sentences
             ? "The stronger the colour, the more attention the token gets within its sentence; the stronger the bar "
               "beside a sentence, the more the sentence gets."
             : "The stronger the colour, the more attention the token gets.";
}

}  // namespace fovea::train
