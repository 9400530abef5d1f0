#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fovea/data/batch.h"
#include "fovea/data/bpe.h"
#include "fovea/data/streamed_texts.h"
#include "fovea/data/text_augment.h"
#include "fovea/data/text_dataset.h"
#include "fovea/data/text_encoder.h"
#include "fovea/train/classifier_task.h"
#include "fovea/train/table_form.h"
#include "fovea/train/task_labels.h"
#include "fovea/train/token_survey.h"

namespace fovea::train {

/// How a model takes its texts.
enum class TextLayout : uint8_t { sequences, bags, sentences };

/// Texts as a model is fed with them: padded side by side, as bags, or by their sentences.
struct TextBatch {
  Tensor tokens;   // i32 [batch, time]; of bags [all tokens]; by sentences [batch, sentences, words]
  Tensor offsets;  // of bags only: i32 [batch], where each begins
  Tensor lengths;  // i32 [batch]; by sentences [batch, sentences], 0 where there is none
  Tensor mask;     // bool, as tokens: true where one stands
  Tensor labels;   // i32 [batch]; undefined where the texts have none
  std::vector<int64_t> examples;
};

struct TextOutput {
  Tensor logits;  // [batch, classes]
  Tensor
      weights;  // as tokens, the attention to each (by sentences: within its sentence); undefined where there is none
  Tensor sentence_weights;  // by sentences: [batch, sentences]
};

/// The inputs of a text model's ONNX graph, padded side by side also for bags.
struct TextInputs {
  onnx::Value tokens;   // i64 [batch, time]; by sentences [batch, sentences, words]
  onnx::Value lengths;  // i64 [batch]; by sentences [batch, sentences], 0 where there is none
  onnx::Value mask;     // bool, as tokens: made of the lengths
};

/// How texts are read and what they become.
struct TextOptions {
  data::TextColumns columns;
  TableForm form;
  std::string tokens = "word";
  bool bigrams = false;
  int64_t bigram_buckets = 0;  // 0: by how many there are
  int64_t vocabulary = 50000;
  int64_t min_count = 1;
  int64_t max_length = 256;
  int64_t max_sentence = 40;  // by sentences: tokens after which one is cut
  data::TextAugmentOptions augment;
  bool stream = false;
  int64_t buffer = 100000;  // texts of a stream that are in memory together
};

/// A classifier of texts: everything but the model, which the derived class makes.
class TextTask : public ClassifierTask {
 public:
  void declare_data(OptionTable& options) override;
  void declare_model(OptionTable& options) override;
  /// For derived classes to call.
  void settle(const OptionTable& options, TrainingOptions& training) override;

  void load_training(const TrainingFiles& files) override;
  void load_test(const std::string& path) override;
  std::vector<std::string> set_inputs(const std::vector<std::string>& inputs) override;
  std::string input_kind() const override { return "text"; }

  const data::Labels& labels() const override { return labels_.names(); }
  const data::LabelSets* label_sets() const override { return labels_.sets(); }
  int64_t size(Part part) const override;
  int32_t truth(Part part, int64_t example) const override { return at(part).labels[static_cast<size_t>(example)]; }
  std::vector<int64_t> class_counts(Part part) const override;
  uint64_t fingerprint() const override { return fingerprint_; }
  std::string source_help() const override { return "a .csv, .tsv or .jsonl file, also .gz"; }
  std::string noun() const override { return "texts"; }
  std::string reading_note() const override { return text_.form.with_lines(columns_note_); }

  nn::Module& build(Device device) override;
  std::unique_ptr<BatchStream> stream(Part part, const StreamOptions& options) override;

  Explanation explain(Part part, int64_t example, int32_t predicted) override;
  std::string colour_note() const override;
  std::vector<double> unit_weights(Part part, int64_t example, int32_t predicted) override;
  Predictions without_units(Part part, int64_t example, const std::vector<std::vector<size_t>>& removed) override;

  onnx::Value build_graph(onnx::Graph& graph) override;
  std::vector<nn::NamedTensor> graph_inputs(Part part, std::span<const int64_t> examples) const override;

  void save(const std::string& folder) const override;
  void restore(const std::string& folder, data::Labels labels) override;

 protected:
  /// A model for token ids 0 to ids - 1.
  virtual std::unique_ptr<nn::Module> make_model(int64_t ids, int64_t classes) = 0;
  /// `model` is what make_model made.
  virtual TextOutput forward(const nn::Module& model, const TextBatch& batch) const = 0;
  virtual TextLayout layout() const = 0;
  /// The logits as nodes of an ONNX graph.
  virtual onnx::Value emit(const nn::Module& model, const TextInputs& inputs) const;

  TextOptions& text() { return text_; }

 private:
  struct Examples {
    std::vector<std::string> texts;
    data::EncodedTexts encoded;
    std::vector<int32_t> labels;  // see truth(); empty where they are not known
  };
  /// A text as the model reads it.
  struct ReadText {
    data::Tokens tokens;
    size_t count;                    // of tokens that are read
    std::vector<int32_t> ids;        // theirs, then those of their pairs
    std::vector<int32_t> sentences;  // how many tokens each has; empty where that does not count
  };

  const Examples& at(Part part) const { return parts_[static_cast<size_t>(part)]; }
  Examples& at(Part part) { return parts_[static_cast<size_t>(part)]; }
  data::TextColumns columns() const;
  data::TextDataset read(const std::string& path) const;
  void load_valid(const std::string& path);
  void load_streamed(const TrainingFiles& files);
  std::shared_ptr<const data::Tokenizer> learn_tokenizer(std::span<const std::string> texts);
  void make_encoder(std::shared_ptr<const data::Tokenizer> tokenizer, const TokenSurvey& survey);
  void make_encoder(std::shared_ptr<const data::Tokenizer> tokenizer, data::Vocabulary vocabulary);
  void read_text(const std::string& text, ReadText& read) const;
  ReadText read_text(Part part, int64_t example) const;
  data::EncodedTexts encode(std::span<const std::string> texts) const;
  TextBatch batch(const data::EncodedTexts& texts, std::span<const int32_t> labels,
                  std::span<const int64_t> examples) const;
  /// Of texts whose sentences do not count.
  TextBatch batch(const data::TokenIds& ids, std::span<const int32_t> labels, std::span<const int64_t> examples) const;
  data::BatchSampler sampler(const Examples& examples, const StreamOptions& options) const;

  /// The attention to each token, and to each sentence where there are some; empty where the model has none.
  struct Weights {
    std::vector<double> tokens;     // shares of the whole text
    std::vector<double> sentences;  // likewise
  };
  Weights attention(const ReadText& text) const;
  /// The class probabilities without some of the tokens and their pairs, one for each of `removed`.
  Predictions without(const ReadText& text, const std::vector<std::vector<size_t>>& removed) const;
  /// What the probability of a class loses where a token and its pairs are left out; the sum is 1.
  std::vector<double> left_out(const ReadText& text, int32_t predicted) const;
  /// The attention, else what is lost without each token.
  Weights weights_of(const ReadText& text, int32_t predicted) const;

  TextOptions text_;
  bool choose_buckets_ = false;  // the user left their number to us
  Device device_;
  TaskLabels labels_;
  std::shared_ptr<const data::BpeTokenizer> bpe_;  // where the tokens are its
  std::optional<data::TextEncoder> encoder_;
  std::optional<data::SentenceSplitter> splitter_;
  std::array<Examples, 3> parts_;
  std::optional<data::StreamedTexts> streamed_;  // holds the texts to learn from, then
  int64_t streamed_size_ = 0;                    // how many of these
  std::vector<int64_t> streamed_classes_;        // and of each class
  uint64_t fingerprint_ = 0;
  std::string columns_note_;
  std::unique_ptr<nn::Module> model_;
};

}  // namespace fovea::train
