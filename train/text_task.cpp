#include "fovea/train/text_task.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "fovea/data/file_error.h"
#include "fovea/data/loader.h"
#include "fovea/data/string_index.h"
#include "fovea/onnx/operations.h"
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

/// Of what TextReader::columns names.
std::string note_of(const std::vector<std::string>& columns) {
  const std::string *first = columns.data(), *label = first + columns.size() - 1;
  return fmt::format("label {}, text {}", data::in_quotes(*label), data::list_in_quotes(first, label));
}

/// `columns` is the note on those that were read.
void check_tokens(const std::string& path, const std::string& columns, const data::TokenCounts& counts) {
  if (counts.size() == 0) data::fail(path, "no text to learn from holds a token; the columns are {}", columns);
}

TextBatch of_padded(data::Batch padded) {
  return {std::move(padded.tokens),  {}, std::move(padded.lengths), std::move(padded.mask), std::move(padded.labels),
          std::move(padded.examples)};
}

}  // namespace

void TextTask::declare_data(OptionTable& options) {
  options.group("Data");
  options.add("text", &text_.columns.text, "column of the text, by name or position from 0; several are joined",
              {.placeholder = "COLUMN[,COLUMN]", .default_text = "text, else the first that is not the label"});
  options.add("label", &text_.columns.label, "column of the class",
              {.placeholder = "COLUMN",
               .default_text = "label, else the first that is not the text",
               .unless = {"label-columns"}});
  labels_.declare_data(options);
  text_.form.declare(options);
}

void TextTask::declare_model(OptionTable& options) {
  labels_.declare_model(options);
  options.group("Tokens");
  options.add("tokens", &text_.tokens, "what a text is split into", {.choices = {"word", "char", "bpe"}});
  options.add("bigrams", &text_.bigrams, "also pairs of neighbouring tokens, for --encoder bag");
  options.add("bigram-buckets", &text_.bigram_buckets, "rows that the pairs share",
              {.min = 0, .max = 1 << 28, .default_text = "by their number"});
  options.add("vocabulary", &text_.vocabulary, "most tokens to know",
              {.min = 3, .max = 1 << 28, .default_text = "50000; bpe: 8000"});
  options.add("min-count", &text_.min_count, "occurrences below which a token is not known", {.min = 1, .max = 1e9});
  options.add("max-sentence", &text_.max_sentence, "tokens after which a sentence is cut, for --encoder hierarchical",
              {.min = 1, .max = 1 << 20});
  options.add("max-length", &text_.max_length, "tokens of a text that are read; 0 for all", {.min = 0, .max = 1 << 28});
  options.group("Augmentation");
  data::TextAugmentOptions& augment = text_.augment;
  options.add("drop", &augment.drop, "share of the tokens that are left out", {.min = 0, .max = 0.95});
  options.add("swap", &augment.swap, "share of the tokens that change places with the next one",
              {.min = 0, .max = 0.95});
  options.add("noise", &augment.noise, "share of the tokens that become any other, as often as it occurs",
              {.min = 0, .max = 0.95});
  options.group("Large files");
  options.add("stream", &text_.stream,
              "read the texts to learn from anew in each epoch instead of holding them in memory; --hold-out is then a "
              "share of all of them");
  options.add("buffer", &text_.buffer, "texts of a stream that are in memory together, and shuffled",
              {.min = 1, .max = 1 << 28});
}

void TextTask::settle(const OptionTable& options, TrainingOptions& training) {
  if (text_.stream && text_.augment.any()) {
    refuse("--drop, --swap and --noise need the texts in memory: they do not go with --stream");
  }
  if (!text_.stream && text_.buffer != TextOptions().buffer) refuse("--buffer is of no use without --stream");
  if (!text_.bigrams && text_.bigram_buckets != 0) refuse("--bigram-buckets is of no use without --bigrams");
  for (const char* name : {"folds", "memory"}) {
    const OptionTable::Option* option = options.find(name);
    if (text_.stream && option && option->given) {
      refuse("--{} needs the texts in memory: it does not go with --stream", name);
    }
  }
  labels_.check();
  if (text_.stream && training.balance == "sampling") {
    refuse("--balance sampling needs the texts in memory: it does not go with --stream");
  }
  if (text_.tokens == "bpe" && !options.given("vocabulary")) text_.vocabulary = usual_bpe_vocabulary;
}

data::TextColumns TextTask::columns() const {
  data::TextColumns columns = text_.columns;
  columns.several_labels = labels_.several();
  columns.label_columns = labels_.columns(columns.label, "label");
  return columns;
}

data::TextDataset TextTask::read(const std::string& path) const {
  return data::load_text_dataset(path, columns(), text_.form.options());
}

void TextTask::load_training(const TrainingFiles& files) {
  parts_ = {};
  if (text_.stream) return load_streamed(files);
  data::TextDataset train = read(files.train);
  const std::vector<int32_t> ids =
      labels_.learn(files.train, train.columns.back(), train.labels, {train.path, train.lines});
  columns_note_ = note_of(train.columns);
  fingerprint_ = hash_of(train, 0);

  const std::vector<Part> parts = labels_.divide(ids, files);
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
  check_tokens(files.train, columns_note_, survey.counts());
  make_encoder(tokenizer, survey);
  for (Examples& part : parts_) part.encoded = encode(part.texts);
}

void TextTask::load_valid(const std::string& path) {
  data::TextDataset valid = read(path);
  fingerprint_ = hash_of(valid, fingerprint_);
  at(Part::valid).labels = labels_.ids(valid.labels, {path, valid.lines});
  at(Part::valid).texts = std::move(valid.texts);
}

void TextTask::load_streamed(const TrainingFiles& files) {
  if (layout() == TextLayout::sentences) refuse("--encoder hierarchical does not go with --stream");
  streamed_.emplace(files.train, data::StreamedTextsOptions{.columns = columns(),
                                                            .label_separator = labels_.separator(),
                                                            .table = text_.form.options(),
                                                            .hold_out = files.valid.empty() ? files.hold_out : 0,
                                                            .seed = files.seed});
  labels_.take(streamed_->labels(), streamed_->label_sets());
  labels_.check_learned(files.train, streamed_->columns().back(), streamed_->size());
  columns_note_ = note_of(streamed_->columns());
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
  streamed_classes_.assign(static_cast<size_t>(labels().size()), 0);
  streamed_size_ = 0;
  Examples& valid = at(Part::valid);
  for (data::StreamedTexts::Reader reader(*streamed_); reader.next();) {
    if (reader.held_out()) {
      valid.texts.emplace_back(reader.text());
      valid.labels.push_back(reader.label());
    } else {
      survey.add(reader.text());
      ++streamed_size_;
      for (const int32_t each : classes_of(reader.label())) ++streamed_classes_[static_cast<size_t>(each)];
    }
  }
  if (valid.texts.empty()) refuse("--stream needs texts to check the model with: --valid FILE, or more to --hold-out");
  if (size(Part::train) == 0) data::fail(files.train, "no text is left to learn from");
  check_tokens(files.train, columns_note_, survey.counts());
  make_encoder(tokenizer, survey);
  valid.encoded = encode(valid.texts);
}

int64_t TextTask::size(Part part) const {
  return part == Part::train && streamed_ ? streamed_size_ : at(part).encoded.ids.size();
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
  if (layout() == TextLayout::sentences) splitter_.emplace(text_.max_sentence);
}

void TextTask::read_text(const std::string& text, ReadText& read) const {
  encoder_->encode(text, read.tokens, read.ids);
  read.count = read.tokens.size();
  if (text_.max_length > 0) read.count = std::min(read.count, static_cast<size_t>(text_.max_length));
  if (splitter_) read.sentences = splitter_->lengths(text, read.tokens, read.count);
}

TextTask::ReadText TextTask::read_text(Part part, int64_t example) const {
  ReadText read;
  read_text(at(part).texts[static_cast<size_t>(example)], read);
  return read;
}

data::EncodedTexts TextTask::encode(std::span<const std::string> texts) const {
  data::EncodedTexts encoded;
  ReadText read;
  for (const std::string& text : texts) {
    read_text(text, read);
    encoded.ids.add(read.ids);
    if (splitter_) encoded.sentences.add(read.sentences);
  }
  return encoded;
}

void TextTask::load_test(const std::string& path) {
  data::TextDataset dataset = read(path);
  Examples& test = at(Part::test);
  test.labels = labels_.ids(dataset.labels, {path, dataset.lines});
  test.texts = std::move(dataset.texts);
  test.encoded = encode(test.texts);
}

std::vector<std::string> TextTask::set_inputs(const std::vector<std::string>& inputs) {
  at(Part::test) = {.texts = inputs, .encoded = encode(inputs), .labels = {}};
  return inputs;
}

nn::Module& TextTask::build(Device device) {
  device_ = device;
  model_ = make_model(encoder_->ids(), labels().size());
  model_->to(device);
  return *model_;
}

TextBatch TextTask::batch(const data::EncodedTexts& texts, std::span<const int32_t> labels,
                          std::span<const int64_t> examples) const {
  if (layout() != TextLayout::sentences) return batch(texts.ids, labels, examples);
  return of_padded(data::make_sentence_batch(texts, labels, examples, device_));
}

TextBatch TextTask::batch(const data::TokenIds& ids, std::span<const int32_t> labels,
                          std::span<const int64_t> examples) const {
  if (layout() != TextLayout::bags) return of_padded(data::make_batch(ids, labels, examples, device_));
  data::BagBatch bag = data::make_bag_batch(ids, labels, examples, device_);
  return {std::move(bag.tokens), std::move(bag.offsets), {}, {}, std::move(bag.labels), std::move(bag.examples)};
}

data::BatchSampler TextTask::sampler(const Examples& examples, const StreamOptions& options) const {
  const data::BatchSamplerOptions sampling = options.sampler(examples.labels);
  const data::EncodedTexts& texts = examples.encoded;
  // Bags are not padded: their lengths need not agree.
  if (layout() == TextLayout::bags && options.shuffle) return data::BatchSampler(texts.ids.size(), sampling);
  const data::TokenIds& padded = layout() == TextLayout::sentences ? texts.sentences : texts.ids;
  return data::BatchSampler(padded.lengths(), sampling);
}

std::unique_ptr<BatchStream> TextTask::stream(Part part, const StreamOptions& options) {
  if (part == Part::train && streamed_) {
    return std::make_unique<StreamedTextStream>(
        *streamed_, *encoder_, size(part), text_.buffer, options, layout() != TextLayout::bags,
        [this](const data::TextBlocks::Block& block, std::span<const int64_t> chosen) {
          TextBatch input = batch(block.ids, block.labels, chosen);
          Tensor logits = forward(*model_, input).logits;
          if (multi_label()) {
            std::vector<int32_t> sets;
            for (const int64_t each : chosen) sets.push_back(block.labels[static_cast<size_t>(each)]);
            input.labels = label_rows(sets, device_);
          }
          return Outcome{std::move(logits), std::move(input.labels), {}, std::move(input.examples)};
        });
  }
  const Examples& examples = at(part);
  std::function<TextBatch(std::span<const int64_t>, int64_t)> make = [this, &examples](auto chosen, int64_t) {
    return batch(examples.encoded, examples.labels, chosen);
  };
  if (part == Part::train && options.shuffle && text_.augment.any()) {
    const data::TextAugmenter augmenter(text_.augment, examples.encoded, encoder_->vocabulary().size());
    make = [this, &examples, augmenter, seed = options.seed](auto chosen, int64_t epoch) {
      std::vector<int64_t> all(chosen.size());
      std::iota(all.begin(), all.end(), 0);
      TextBatch changed = batch(augmenter.change(chosen, data::epoch_seed(seed, epoch)), {}, all);
      changed.labels = data::gather_labels(examples.labels, chosen, device_);
      changed.examples.assign(chosen.begin(), chosen.end());
      return changed;
    };
  }
  auto loader = std::make_shared<data::DataLoader<TextBatch>>(sampler(examples, options), std::move(make));
  return with_label_rows(
      part, std::make_unique<LoaderStream<TextBatch>>(
                std::move(loader), [this](const TextBatch& input) { return forward(*model_, input).logits; }));
}

onnx::Value TextTask::emit(const nn::Module&, const TextInputs&) const { refuse_without_emit(); }

onnx::Value TextTask::build_graph(onnx::Graph& graph) {
  const bool sentences = layout() == TextLayout::sentences;
  const std::vector<onnx::Size> each =
      sentences ? std::vector<onnx::Size>{"batch", "sentences"} : std::vector<onnx::Size>{"batch"};
  std::vector<onnx::Size> all = each;
  all.emplace_back(sentences ? "words" : "time");
  TextInputs inputs;
  inputs.tokens =
      graph.input("tokens", onnx::Element::i64, all,
                  fmt::format("lines of vocabulary.txt, counted from 0 (1: any other token){}; 0 past the end",
                              text_.bigrams ? fmt::format(", then {} buckets of pairs", text_.bigram_buckets) : ""));
  inputs.lengths = graph.input("lengths", onnx::Element::i64, each,
                               sentences ? "words of each sentence, 0 where there is none" : "tokens of each text");
  inputs.mask = onnx::before(inputs.lengths, onnx::size(inputs.tokens, -1));
  return emit(*model_, inputs);
}

std::vector<nn::NamedTensor> TextTask::graph_inputs(Part part, std::span<const int64_t> examples) const {
  const data::EncodedTexts& texts = at(part).encoded;
  const data::Batch padded = layout() == TextLayout::sentences ? data::make_sentence_batch(texts, {}, examples)
                                                               : data::make_batch(texts.ids, {}, examples);
  return {{"tokens", padded.tokens}, {"lengths", padded.lengths}};
}

void TextTask::save(const std::string& folder) const {
  encoder_->vocabulary().save(vocabulary_path(folder));
  if (bpe_) bpe_->save(tokenizer_path(folder));
}

void TextTask::restore(const std::string& folder, data::Labels labels) {
  labels_.take(std::move(labels));
  std::shared_ptr<const data::Tokenizer> tokenizer;
  if (text_.tokens == "bpe") {
    tokenizer = bpe_ = std::make_shared<data::BpeTokenizer>(data::BpeTokenizer::load(tokenizer_path(folder)));
  } else {
    tokenizer = data::make_tokenizer(text_.tokens);
  }
  make_encoder(std::move(tokenizer), data::Vocabulary::load(vocabulary_path(folder)));
}

}  // namespace fovea::train
