#include "fovea/train/text_task.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "fovea/autograd/normalize.h"
#include "fovea/data/file_error.h"
#include "fovea/data/loader.h"
#include "fovea/data/string_index.h"
#include "fovea/train/inference.h"
#include "fovea/train/split.h"
#include "fovea/train/streamed_text_stream.h"

namespace fovea::train {
namespace {

constexpr int64_t usual_bpe_vocabulary = 8000;
constexpr size_t most_bpe_texts = 100000;  // of a stream, from which byte pairs are learned

std::string vocabulary_path(const std::string& folder) { return std::filesystem::path(folder) / "vocabulary.txt"; }
std::string tokenizer_path(const std::string& folder) { return std::filesystem::path(folder) / "tokenizer.json"; }

uint64_t hash_of(const data::TextDataset& dataset, uint64_t hash) {
  for (size_t i = 0; i < dataset.texts.size(); ++i) hash = data::mix_text(hash, dataset.texts[i], dataset.labels[i]);
  return hash;
}

[[noreturn]] void refuse_one_class(const std::string& path, const data::Labels& labels) {
  data::fail(path, "all labels are {}; a classifier needs two classes", data::in_quotes(labels.name(0)));
}

}  // namespace

void TextTask::declare_data(OptionTable& options) {
  options.group("Data");
  options.add("text", &text_.columns.text, "column of the text, by name or position from 0; several are joined",
              {.placeholder = "COLUMN[,COLUMN]", .default_text = "text, else the first that is not the label"});
  options.add("label", &text_.columns.label, "column of the class",
              {.placeholder = "COLUMN", .default_text = "label, else the first that is not the text"});
  options.add("no-header", &text_.no_header, "the first line is an example, not the names of the columns");
}

void TextTask::declare_model(OptionTable& options) {
  options.group("Tokens");
  options.add("tokens", &text_.tokens, "what a text is split into", {.choices = {"word", "char", "bpe"}});
  options.add("bigrams", &text_.bigrams, "also pairs of neighbouring tokens, for --encoder bag");
  options.add("bigram-buckets", &text_.bigram_buckets, "rows that the pairs share",
              {.min = 0, .max = 1 << 28, .default_text = "by their number"});
  options.add("vocabulary", &text_.vocabulary, "most tokens to know",
              {.min = 3, .max = 1 << 28, .default_text = "50000; bpe: 8000"});
  options.add("min-count", &text_.min_count, "occurrences below which a token is not known", {.min = 1, .max = 1e9});
  options.add("max-length", &text_.max_length, "tokens of a text that are read; 0 for all", {.min = 0, .max = 1 << 28});
  options.group("Large files");
  options.add("stream", &text_.stream,
              "read the texts to learn from anew in each epoch instead of holding them in memory");
  options.add("buffer", &text_.buffer, "texts of a stream that are in memory together, and shuffled",
              {.min = 1, .max = 1 << 28});
}

void TextTask::settle(const OptionTable& options, TrainingOptions& training) {
  if (text_.stream && training.balance == "sampling") {
    refuse("--balance sampling needs the texts in memory: it does not go with --stream");
  }
  if (text_.tokens == "bpe" && !options.given("vocabulary")) text_.vocabulary = usual_bpe_vocabulary;
}

data::TextDataset TextTask::read(const std::string& path) const {
  return data::load_text_dataset(path, text_.columns, {.header = !text_.no_header});
}

void TextTask::load_training(const TrainingFiles& files) {
  parts_ = {};
  if (text_.stream) return load_streamed(files);
  data::TextDataset train = read(files.train);
  labels_ = data::Labels::sorted(train.labels);
  if (labels_.size() < 2) refuse_one_class(files.train, labels_);
  std::vector<int32_t> ids = data::label_ids(train, labels_);
  fingerprint_ = hash_of(train, 0);

  const std::vector<Part> parts = divide(ids, files);
  for (size_t i = 0; i < ids.size(); ++i) {
    Examples& to = at(parts[i]);
    to.texts.push_back(std::move(train.texts[i]));
    to.labels.push_back(ids[i]);
  }
  if (!files.valid.empty()) load_valid(files.valid);
  const std::vector<std::string>& texts = at(Part::train).texts;
  const auto tokenizer = learn_tokenizer(texts);
  TokenSurvey survey(*tokenizer, text_.bigrams);
  for (const std::string& text : texts) survey.add(text);
  make_encoder(tokenizer, survey);
  for (Examples& part : parts_) part.ids = encoder_->encode(part.texts);
}

void TextTask::load_valid(const std::string& path) {
  data::TextDataset valid = read(path);
  fingerprint_ = hash_of(valid, fingerprint_);
  at(Part::valid).labels = data::label_ids(valid, labels_);
  at(Part::valid).texts = std::move(valid.texts);
}

void TextTask::load_streamed(const TrainingFiles& files) {
  if (files.folds > 0) refuse("--folds needs the texts in memory: it does not go with --stream");
  streamed_.emplace(files.train, data::StreamedTextsOptions{.columns = text_.columns,
                                                            .table = {.header = !text_.no_header},
                                                            .hold_out = files.valid.empty() ? files.hold_out : 0,
                                                            .seed = files.seed});
  labels_ = streamed_->labels();
  if (labels_.size() < 2) refuse_one_class(files.train, labels_);
  fingerprint_ = streamed_->fingerprint();
  if (!files.valid.empty()) load_valid(files.valid);

  std::vector<std::string> first;
  if (text_.tokens == "bpe") {
    data::StreamedTexts::Reader reader(*streamed_);
    while (first.size() < most_bpe_texts && reader.next()) {
      if (!reader.held_out()) first.emplace_back(reader.text());
    }
  }
  const auto tokenizer = learn_tokenizer(first);
  TokenSurvey survey(*tokenizer, text_.bigrams);
  streamed_classes_.assign(static_cast<size_t>(labels_.size()), 0);
  Examples& valid = at(Part::valid);
  for (data::StreamedTexts::Reader reader(*streamed_); reader.next();) {
    if (reader.held_out()) {
      valid.texts.emplace_back(reader.text());
      valid.labels.push_back(reader.label());
    } else {
      survey.add(reader.text());
      ++streamed_classes_[static_cast<size_t>(reader.label())];
    }
  }
  if (valid.texts.empty()) refuse("--stream needs texts to check the model with: --valid FILE, or more to --hold-out");
  if (size(Part::train) == 0) data::fail(files.train, "no text is left to learn from");
  make_encoder(tokenizer, survey);
  valid.ids = encoder_->encode(valid.texts);
}

int64_t TextTask::size(Part part) const {
  if (part != Part::train || !streamed_) return at(part).ids.size();
  return std::accumulate(streamed_classes_.begin(), streamed_classes_.end(), int64_t{0});
}

std::vector<int64_t> TextTask::class_counts(Part part) const {
  return part == Part::train && streamed_ ? streamed_classes_ : ClassifierTask::class_counts(part);
}

std::shared_ptr<const data::Tokenizer> TextTask::learn_tokenizer(std::span<const std::string> texts) {
  if (text_.tokens != "bpe") return data::make_tokenizer(text_.tokens);
  const int64_t reserved = data::Vocabulary::unknown + 1;
  bpe_ = std::make_shared<data::BpeTokenizer>(data::BpeTokenizer::train(
      texts, {.words = {.lower_case = true}, .vocabulary = text_.vocabulary - reserved, .min_count = text_.min_count}));
  return bpe_;
}

void TextTask::make_encoder(std::shared_ptr<const data::Tokenizer> tokenizer, const TokenSurvey& survey) {
  choose_buckets_ = choose_buckets_ || text_.bigram_buckets == 0;
  if (text_.bigrams && choose_buckets_) text_.bigram_buckets = survey.bigram_buckets();
  make_encoder(std::move(tokenizer),
               data::Vocabulary::build(survey.counts(), {.max_size = text_.vocabulary, .min_count = text_.min_count}));
}

void TextTask::make_encoder(std::shared_ptr<const data::Tokenizer> tokenizer, data::Vocabulary vocabulary) {
  encoder_.emplace(std::move(tokenizer), std::move(vocabulary),
                   data::TextEncoderOptions{.max_length = text_.max_length,
                                            .bigram_buckets = text_.bigrams ? text_.bigram_buckets : 0});
}

void TextTask::load_test(const std::string& path) {
  data::TextDataset dataset = read(path);
  Examples& test = at(Part::test);
  test.labels = data::label_ids(dataset, labels_);
  test.texts = std::move(dataset.texts);
  test.ids = encoder_->encode(test.texts);
}

std::vector<std::string> TextTask::set_inputs(const std::vector<std::string>& inputs) {
  at(Part::test) = {.texts = inputs, .ids = encoder_->encode(inputs), .labels = {}};
  return inputs;
}

nn::Module& TextTask::build(Device device) {
  device_ = device;
  model_ = make_model(encoder_->ids(), labels_.size());
  model_->to(device);
  return *model_;
}

TextBatch TextTask::batch(const data::TokenIds& ids, std::span<const int32_t> labels,
                          std::span<const int64_t> examples) const {
  if (reads_bags()) {
    data::BagBatch bag = data::make_bag_batch(ids, labels, examples, device_);
    return {std::move(bag.tokens), std::move(bag.offsets), {}, {}, std::move(bag.labels), std::move(bag.examples)};
  }
  data::Batch padded = data::make_batch(ids, labels, examples, device_);
  return {std::move(padded.tokens),  {}, std::move(padded.lengths), std::move(padded.mask), std::move(padded.labels),
          std::move(padded.examples)};
}

std::unique_ptr<BatchStream> TextTask::stream(Part part, const StreamOptions& options) {
  if (part == Part::train && streamed_) {
    return std::make_unique<StreamedTextStream>(
        *streamed_, *encoder_, size(part), text_.buffer, options, !reads_bags(),
        [this](const data::TextBlocks::Block& block, std::span<const int64_t> chosen) {
          TextBatch input = batch(block.ids, block.labels, chosen);
          Tensor logits = forward(*model_, input).logits;
          return Outcome{std::move(logits), std::move(input.labels), {}, std::move(input.examples)};
        });
  }
  const Examples& examples = at(part);
  const data::BatchSamplerOptions sampling = options.sampler(examples.labels);
  // Bags are not padded: their lengths need not agree.
  data::BatchSampler sampler = reads_bags() && options.shuffle ? data::BatchSampler(examples.ids.size(), sampling)
                                                               : data::BatchSampler(examples.ids.lengths(), sampling);
  auto loader = std::make_shared<data::DataLoader<TextBatch>>(
      std::move(sampler),
      [this, &examples](std::span<const int64_t> chosen) { return batch(examples.ids, examples.labels, chosen); });
  return std::make_unique<LoaderStream<TextBatch>>(
      std::move(loader), [this](const TextBatch& input) { return forward(*model_, input).logits; });
}

std::vector<double> TextTask::attention(std::span<const int32_t> ids) const {
  if (reads_bags()) return {};
  const Inference inference(*model_);
  data::TokenIds one;
  one.add(ids);
  const std::array<int64_t, 1> first{0};
  const Tensor weights = forward(*model_, batch(one, {}, first)).weights;
  return weights.defined() ? weights.to_vector<double>() : std::vector<double>();
}

Predictions TextTask::without(std::span<const int32_t> ids, size_t tokens,
                              const std::vector<std::vector<size_t>>& removed) const {
  const Inference inference(*model_);
  data::TokenIds variants;
  for (const std::vector<size_t>& each : removed) {
    std::vector<bool> gone(tokens + 2);  // the stand-in of an empty text counts as a pair
    for (const size_t token : each) gone[token] = true;
    std::vector<int32_t> rest;
    for (size_t k = 0; k < ids.size(); ++k) {
      // Behind the ids of the tokens stand those of the pairs: the i-th is of tokens i and i + 1.
      const bool pair = k >= tokens;
      const size_t first = pair ? k - tokens : k;
      if (!gone[first] && !(pair && gone[first + 1])) rest.push_back(ids[k]);
    }
    if (rest.empty()) rest.push_back(data::Vocabulary::unknown);
    variants.add(rest);
  }
  Predictions predictions{.classes = labels_.size()};
  constexpr int64_t at_once = 64;
  for (int64_t begin = 0; begin < variants.size(); begin += at_once) {
    std::vector<int64_t> chosen;
    for (int64_t i = begin; i < std::min(begin + at_once, variants.size()); ++i) chosen.push_back(i);
    const auto rows = softmax(forward(*model_, batch(variants, {}, chosen)).logits, -1).to_vector<float>();
    predictions.probabilities.insert(predictions.probabilities.end(), rows.begin(), rows.end());
  }
  return predictions;
}

std::vector<double> TextTask::left_out(std::span<const int32_t> ids, size_t tokens, int32_t predicted) const {
  std::vector<std::vector<size_t>> removed{{}};
  for (size_t i = 0; i < tokens; ++i) removed.push_back({i});
  const Predictions predictions = without(ids, tokens, removed);
  const auto probability = [&](size_t variant) -> double {
    return predictions.of(static_cast<int64_t>(variant))[static_cast<size_t>(predicted)];
  };
  std::vector<double> lost;
  double sum = 0;
  for (size_t i = 0; i < tokens; ++i) {
    lost.push_back(std::max(0.0, probability(0) - probability(i + 1)));
    sum += lost.back();
  }
  for (double& each : lost) each = sum > 0 ? each / sum : 0;
  return lost;
}

std::vector<double> TextTask::weights_of(std::span<const int32_t> ids, size_t tokens, int32_t predicted) const {
  std::vector<double> weights = attention(ids);
  return weights.empty() ? left_out(ids, tokens, predicted) : weights;
}

size_t TextTask::token_count(const data::Tokens& tokens) const {
  return text_.max_length > 0 ? std::min(tokens.size(), static_cast<size_t>(text_.max_length)) : tokens.size();
}

std::vector<double> TextTask::unit_weights(Part part, int64_t example, int32_t predicted) {
  data::Tokens tokens;
  std::vector<int32_t> ids;
  encoder_->encode(at(part).texts[static_cast<size_t>(example)], tokens, ids);
  std::vector<double> weights = weights_of(ids, token_count(tokens), predicted);
  weights.resize(token_count(tokens));  // an empty text has a weight for the token that stands in for it
  return weights;
}

Predictions TextTask::without_units(Part part, int64_t example, const std::vector<std::vector<size_t>>& removed) {
  data::Tokens tokens;
  std::vector<int32_t> ids;
  encoder_->encode(at(part).texts[static_cast<size_t>(example)], tokens, ids);
  return without(ids, token_count(tokens), removed);
}

Explanation TextTask::explain(Part part, int64_t example, int32_t predicted) {
  const std::string& text = at(part).texts[static_cast<size_t>(example)];
  data::Tokens tokens;
  std::vector<int32_t> ids;
  encoder_->encode(text, tokens, ids);
  const size_t count = token_count(tokens);
  const std::vector<double> weights = weights_of(ids, count, predicted);

  std::vector<Piece> pieces;
  size_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    const data::TextSpan span = tokens.span(i);
    if (span.begin > end) pieces.push_back({text.substr(end, span.begin - end)});
    pieces.push_back({std::string(span.in(text)), weights[i]});
    end = span.end;
  }
  if (end < text.size()) pieces.push_back({text.substr(end)});
  return explain_pieces(pieces);
}

std::string TextTask::colour_note() const {
  const bool attends = !attention(std::array{data::Vocabulary::unknown}).empty();
  return attends ? "The stronger the colour, the more attention the token gets."
                 : "The stronger the colour, the more the prediction loses without the token.";
}

void TextTask::save(const std::string& folder) const {
  encoder_->vocabulary().save(vocabulary_path(folder));
  if (bpe_) bpe_->save(tokenizer_path(folder));
}

void TextTask::restore(const std::string& folder, data::Labels labels) {
  labels_ = std::move(labels);
  std::shared_ptr<const data::Tokenizer> tokenizer;
  if (text_.tokens == "bpe") {
    tokenizer = bpe_ = std::make_shared<data::BpeTokenizer>(data::BpeTokenizer::load(tokenizer_path(folder)));
  } else {
    tokenizer = data::make_tokenizer(text_.tokens);
  }
  make_encoder(std::move(tokenizer), data::Vocabulary::load(vocabulary_path(folder)));
}

}  // namespace fovea::train
