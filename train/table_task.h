#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fovea/data/table_encoder.h"
#include "fovea/data/text_encoder.h"
#include "fovea/train/classifier_task.h"
#include "fovea/train/table_form.h"
#include "fovea/train/task_labels.h"

namespace fovea::train {

/// Rows of a table as a model is fed with them.
struct TableBatch {
  Tensor numbers;     // [batch, numeric columns], scaled; undefined where there are no such columns
  Tensor missing;     // bool [batch, numeric columns]
  Tensor categories;  // i32 [batch, categorical columns], each with ids of its own; undefined where there are none
  Tensor tokens;      // i32 [batch, time] of a text beside the columns; undefined where there is none
  Tensor lengths;     // i32 [batch]
  Tensor mask;        // bool [batch, time], true where a token stands
  Tensor labels;      // i32 [batch]; undefined where the rows have none
  std::vector<int64_t> examples;
};

struct TableOutput {
  Tensor logits;         // [batch, classes]
  Tensor weights;        // [batch, columns], the attention to each column, numeric ones first; undefined where none
  Tensor token_weights;  // [batch, time]; undefined where there is no text
};

/// The inputs of such a model's ONNX graph, by the names of TableBatch; i64 stands for i32.
struct TableInputs {
  onnx::Value numbers, missing, categories, tokens, lengths;
  onnx::Value mask;  // made of the lengths
};

/// What a model for a table has to know of it.
struct TableShape {
  int64_t numeric = 0;                  // columns
  std::vector<int32_t> first_ids = {};  // of each categorical column: the id that stands for a missing cell
  int64_t ids = 0;                      // of all categorical columns together
  int64_t tokens = 0;                   // ids of the text's tokens; 0 where there is no text
  int64_t classes = 2;

  int64_t columns() const { return numeric + static_cast<int64_t>(first_ids.size()); }
};

/// How a table is read and what it becomes.
struct TableOptions {
  data::TabularColumns columns = {};
  TableForm form = {};
  std::vector<std::string> numeric = {};
  std::vector<std::string> categorical = {};
  std::vector<std::string> missing = data::TableEncoderOptions().missing;
  bool decimal_comma = false;
  std::string scaling = "quantile";
  std::string tokens = "word";
  int64_t vocabulary = 20000;
  int64_t max_length = 256;
};

/// A classifier of a table's rows, with or without a text among the columns: everything but the model, which the derived
/// class makes.
class TableTask : public ClassifierTask {
 public:
  void declare_data(OptionTable& options) override;
  void declare_model(OptionTable& options) override;

  void load_training(const TrainingFiles& files) override;
  void load_test(const std::string& path) override;
  std::vector<std::string> set_inputs(const std::vector<std::string>& inputs) override;
  std::string input_kind() const override { return "row"; }
  std::string input_help() const override {
    return "rows to classify: values between commas, of the columns that the model knows in the order of the file that "
           "it learned from; or a JSON object of values by column";
  }

  const data::Labels& labels() const override { return labels_.names(); }
  const data::LabelSets* label_sets() const override { return labels_.sets(); }
  int64_t size(Part part) const override { return at(part).rows.size(); }
  int32_t truth(Part part, int64_t example) const override { return at(part).labels[static_cast<size_t>(example)]; }
  uint64_t fingerprint() const override { return fingerprint_; }
  std::string source_help() const override { return "a .csv, .tsv or .jsonl file, also .gz"; }
  std::string noun() const override { return "rows"; }
  std::string reading_note() const override { return table_.form.with_lines(columns_note_); }

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
  /// `with_text`: the model reads a text beside the columns.
  explicit TableTask(bool with_text = false) : with_text_(with_text) {}

  virtual std::unique_ptr<nn::Module> make_model(const TableShape& shape) = 0;
  /// `model` is what make_model made.
  virtual TableOutput forward(const nn::Module& model, const TableBatch& batch) const = 0;
  /// The logits as nodes of an ONNX graph.
  virtual onnx::Value emit(const nn::Module& model, const TableInputs& inputs) const;

 private:
  struct Examples {
    data::TabularDataset rows = {};
    data::EncodedTable encoded = {};
    data::TokenIds ids = {};
    std::vector<int32_t> labels = {};  // see truth(); empty where they are not known
  };

  const Examples& at(Part part) const { return parts_[static_cast<size_t>(part)]; }
  Examples& at(Part part) { return parts_[static_cast<size_t>(part)]; }
  std::vector<std::string> text_columns() const;
  data::TabularDataset read(const std::string& path, bool training) const;
  void fit(const data::TabularDataset& all, const std::vector<Part>& parts);
  void make_text_encoder(std::optional<data::Vocabulary> vocabulary);
  void encode(Examples& examples) const;
  TableBatch batch(const Examples& examples, std::span<const int64_t> chosen) const;

  bool with_text_;
  TableOptions table_;
  Device device_;
  TaskLabels labels_;
  data::TableEncoder columns_;
  std::optional<data::TextEncoder> text_;
  std::array<Examples, 3> parts_;
  uint64_t fingerprint_ = 0;
  std::string columns_note_;
  std::unique_ptr<nn::Module> model_;
};

}  // namespace fovea::train
